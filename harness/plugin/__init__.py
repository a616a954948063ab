"""The pytest plugin: hooks and fixtures, no logic."""

pytest_plugins = [
    "harness.plugin.options",
    "harness.plugin.user_properties",
    "harness.plugin.accuracy",
    "harness.plugin.throughput",
    "harness.plugin.session_report",
]
