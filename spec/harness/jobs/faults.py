"""The table of docs/reliability.md: each test that injects a fault notes what it injected, how often and what happened.

`tox -e reliability` runs these tests with `--junitxml`, which writes the notes to a file, and `python -m
spec.harness.jobs.faults FILE` puts them into the table. A fast test checks that every row has its test.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from spec.harness.support.paths import ROOT

PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- faults -->", "<!-- /faults -->"
HEAD = "| fault | injected by | times | what happened | test |\n| --- | --- | ---: | --- | --- |"
KEYS = ("fault", "injected", "times", "happened")

Note = Callable[[str, str, int, str], None]


@pytest.fixture
def note(request: pytest.FixtureRequest) -> Note:
    """A function that notes a row of the table: the fault, how it was injected, how many times, and what happened."""

    def write(fault: str, injected: str, times: int, happened: str) -> None:
        for key, value in zip(KEYS, (fault, injected, str(times), happened), strict=True):
            request.node.user_properties.append((key, value))

    return write


def noted_rows(junit: Path) -> dict[str, str]:
    """The lines of the table by fault, as the tests that passed noted them in a file of `--junitxml`."""
    rows = {}
    for case in ElementTree.parse(junit).iter("testcase"):
        noted = {one.get("name"): one.get("value") or "" for one in case.iter("property")}
        if set(KEYS) <= noted.keys() and not any(case.find(tag) is not None for tag in ("failure", "error", "skipped")):
            test = f"`{(case.get('classname') or '').rpartition('.')[2]}::{(case.get('name') or '').partition('[')[0]}`"
            cells = [*(noted[key].replace("|", "\\|") for key in KEYS), test]
            rows[noted["fault"]] = f"| {' | '.join(cells)} |"
    return rows


def rows_of(page: str) -> dict[str, str]:
    """The lines of the table on the page, by fault."""
    lines = page.partition(BEGIN)[2].partition(END)[0].strip().splitlines()[2:]
    return {line.split(" | ")[0].removeprefix("| "): line for line in lines}


def rewrite(junit: Path) -> None:
    """Put what the tests noted into the page; rows of tests that did not run stay as they are."""
    page = PAGE.read_text(encoding="utf-8")
    lines = sorted({**rows_of(page), **noted_rows(junit)}.values())
    table = "\n".join([HEAD, *lines])
    before, after = page.partition(BEGIN)[0], page.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    rewrite(Path(sys.argv[1]))
