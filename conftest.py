"""Loads the plugin, whose options are known wherever pytest is started from, and limits how long a slow test takes."""

import pytest

pytest_plugins = ["harness.plugin", "pytester"]

HOUR = 3600


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Know the limit of pyproject.toml where pytest-timeout is not installed: a ladder can be checked without it."""
    if not pluginmanager.hasplugin("timeout"):
        parser.addini("timeout", "seconds that a test may take, if pytest-timeout is installed")


def pytest_configure(config: pytest.Config) -> None:
    """Know the marker there as well."""
    if not config.pluginmanager.hasplugin("timeout"):
        config.addinivalue_line("markers", "timeout(seconds): how long a test may take, if pytest-timeout is installed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give a slow test an hour unless it names a limit, and none to a step that is trained: recipes differ too much."""
    for item in items:
        if item.get_closest_marker("slow") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(0 if item.get_closest_marker("gpu") else HOUR))
