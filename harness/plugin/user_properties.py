"""Values that a test passes to the end of its session: JSON in `user_properties`, which workers of xdist send on."""

import json
from typing import Any

import pytest

EVIDENCE = "accuracy"  # the key of the summary that an accuracy test attaches


class Ran:
    """The reports of the tests that ran, those of workers of xdist included, also where no terminal keeps them."""

    def __init__(self) -> None:
        self.reports: list[pytest.TestReport] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the report of a test that ran; one that is skipped before has none."""
        if report.when == "call":
            self.reports.append(report)


RAN = pytest.StashKey[Ran]()


def pytest_configure(config: pytest.Config) -> None:
    """Keep the reports of this session."""
    config.stash[RAN] = Ran()
    config.pluginmanager.register(config.stash[RAN])


def attach(item: pytest.Item, key: str, value: dict[str, Any]) -> None:
    """Attach a value to the report of a test."""
    item.user_properties.append((key, json.dumps(value)))


def attached(config: pytest.Config, key: str) -> list[dict[str, Any]]:
    """The values that tests attached under a key, in the order of their files."""
    found = [
        (report.nodeid, json.loads(str(value)))
        for report in config.stash[RAN].reports
        for name, value in report.user_properties
        if name == key
    ]
    return [value for _, value in sorted(found, key=lambda pair: pair[0])]
