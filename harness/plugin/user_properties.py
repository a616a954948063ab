"""Values that a test passes to the end of its session: JSON in `user_properties`, which workers of xdist send on."""

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

EVIDENCE = "accuracy"  # the key of the summary that an accuracy test attaches


def attach(item: pytest.Item, key: str, value: dict[str, Any]) -> None:
    """Attach a value to the report of a test."""
    item.user_properties.append((key, json.dumps(value)))


def attached(reporter: "TerminalReporter", key: str) -> list[dict[str, Any]]:
    """The values that tests attached under a key, in the order of their files."""
    found = [
        (report.nodeid, json.loads(str(value)))
        for reports in reporter.stats.values()
        for report in reports
        if isinstance(report, pytest.TestReport) and report.when == "call"
        for name, value in report.user_properties
        if name == key
    ]
    return [value for _, value in sorted(found, key=lambda pair: pair[0])]
