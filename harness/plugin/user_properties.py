"""What a test hands on to the end of its session: JSON in its `user_properties`, which xdist takes out of workers."""

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

EVIDENCE = "accuracy"  # the key of the runs that a test attaches


def attach(item: pytest.Item, key: str, value: dict[str, Any]) -> None:
    """Let the report of a test carry a value under a key."""
    item.user_properties.append((key, json.dumps(value)))


def attached(reporter: "TerminalReporter", key: str) -> list[dict[str, Any]]:
    """What the tests of a session attached under that key, in the order of their files."""
    found = [
        (report.nodeid, json.loads(str(value)))
        for reports in reporter.stats.values()
        for report in reports
        if isinstance(report, pytest.TestReport) and report.when == "call"
        for name, value in report.user_properties
        if name == key
    ]
    return [value for _, value in sorted(found, key=lambda pair: pair[0])]
