"""Loads the plugin; the options have to be known wherever pytest is started from."""

pytest_plugins = ["harness.plugin", "pytester"]
