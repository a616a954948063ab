"""The end of a pytest session that trained: a report of its runs, beside their run files. Hooks only."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.errors import HarnessError
from harness.jobs import run_file
from harness.jobs.run_folder import RUN, files, stamp_of
from harness.ladder import steps
from harness.run import run_of
from harness.step import Step
from harness.step_spec import StepSpec

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

STARTED = pytest.StashKey[datetime]()


def pytest_configure(config: pytest.Config) -> None:
    """Remember since when runs are of this session."""
    config.stash[STARTED] = datetime.now(UTC)


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: "TerminalReporter", config: pytest.Config) -> None:
    """Write report.html into the folder of the run files, if there are any of this session, and say where it is."""
    if not (trained := trained_steps(terminalreporter)):
        return
    from harness import report
    from harness.report.page import mnist_images

    folder = Path(config.getoption("--records"))
    specs = specs_of(config, trained)
    try:
        runs = {step.id: kept for step in specs if (kept := record(folder, step, config.stash[STARTED]))}
        if not runs:
            return
        page = report.html(specs, mnist_images(config.getoption("--data")), runs)
        (folder / "report.html").write_text(page, encoding="utf-8")
    except (HarnessError, OSError) as error:
        told = f"no report: {error}"
    else:
        told = f"{folder / 'report.html'}: the steps of this session, with its runs"
    terminalreporter.section("report")
    terminalreporter.write_line(told)


def trained_steps(reporter: "TerminalReporter") -> set[str]:
    """The ids of the steps whose tests brought evidence, whichever process ran them."""
    from harness.plugin.user_properties import EVIDENCE

    reports = [report for reports in reporter.stats.values() for report in reports]
    tests = [report for report in reports if isinstance(report, pytest.TestReport) and report.when == "call"]
    found = [json.loads(str(value)) for test in tests for key, value in test.user_properties if key == EVIDENCE]
    return {row["step"] for row in found}


def specs_of(config: pytest.Config, trained: set[str]) -> list[type[Step]]:
    """Those steps, in order: as collected, or where workers of xdist did that, as they are found in the ladders."""
    session: Any = config.pluginmanager.get_plugin("session")
    owners = [getattr(item, "cls", None) for item in getattr(session, "items", [])]
    known = {owner.id: owner for owner in owners if isinstance(owner, type) and issubclass(owner, StepSpec)}
    return [step for step_id, step in (known or steps()).items() if step_id in trained]


def record(folder: Path, step: type[Step], since: datetime) -> dict[str, Any] | None:
    """The runs of a step that were started at that moment or later, as a record; None if there are none.

    `folder` is where run files go. Of a run that died there are the epochs that it finished, if any. Raises
    HarnessError if one of those files is damaged; older ones are not read.
    """
    named = files(folder / step.id, RUN)
    histories = [run_file.read(path, step) for path, _, stamp in named if stamp >= stamp_of(since)]
    runs = sorted((history for history in histories if history.epochs), key=lambda history: history.seed)
    if not runs:
        return None
    return {
        "step": step.id,
        "parameters": step.parameters,
        "provenance": dict(runs[0].provenance),
        "runs": [run_of(history) for history in runs],
    }
