"""The end of a pytest session that trained: a report of its runs, next to their run files.

Nothing imports torch before a session has trained, so that `pytest --help` answers at once.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness import files
from harness.discovery import steps
from harness.errors import HarnessError
from harness.escape import printable
from harness.plugin.user_properties import EVIDENCE, attached
from harness.step import Step
from harness.step_spec import StepSpec

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

    from harness.evidence.record import Record

STARTED = pytest.StashKey[datetime]()
WRITTEN = pytest.StashKey[str]()  # the line about the report


def pytest_configure(config: pytest.Config) -> None:
    """Note when the session started: later runs belong to it."""
    config.stash[STARTED] = datetime.now(UTC)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write report.html into the folder of the run files if the session left any."""
    config = session.config
    if hasattr(config, "workerinput"):  # workers of xdist leave it to their controller
        return
    if not (trained := {row["step"] for row in attached(config, EVIDENCE)}):
        return
    from harness import report
    from harness.data import load_test_images

    folder = Path(config.getoption("--out"))
    specs = specs_of(config, trained)
    try:
        records = {step.id: found for step in specs if (found := record(folder, step, config.stash[STARTED]))}
        if not records:
            return
        page = report.html(specs, load_test_images(config.getoption("--data")), records)
        files.write(folder / "report.html", page.encode())
    except HarnessError as error:
        config.stash[WRITTEN] = f"no report: {error}"
    else:
        config.stash[WRITTEN] = printable(f"{folder / 'report.html'}: the steps of this session, with its runs")


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: "TerminalReporter", config: pytest.Config) -> None:
    """Print where the report is, or why there is none."""
    if message := config.stash.get(WRITTEN, None):
        terminalreporter.section("report")
        terminalreporter.write_line(message)


def specs_of(config: pytest.Config, trained: set[str]) -> list[type[Step]]:
    """The steps with these ids, in order: as collected here, or from the ladders where workers of xdist collected."""
    session: Any = config.pluginmanager.get_plugin("session")
    owners = [getattr(item, "cls", None) for item in getattr(session, "items", [])]
    collected = {owner.id: owner for owner in owners if isinstance(owner, type) and issubclass(owner, StepSpec)}
    return [step for step_id, step in (collected or steps()).items() if step_id in trained]


def record(folder: Path, step: type[Step], since: datetime) -> "Record | None":
    """The runs of a step that started at `since` or later, as a record; None if there are none.

    `folder` is the one above the folders of run files. A run that died has the epochs that it finished, if any. Raises
    HarnessError if one of these files is damaged; older ones are not read.
    """
    from harness.evidence.record import Record
    from harness.jobs import run_file
    from harness.jobs.run_folder import RUN, files_in, timestamp
    from harness.provenance import binding

    first = timestamp(since)
    runs = [run_file.read(path, step) for path, _, stamp in files_in(folder / step.id, RUN) if stamp >= first]
    runs = sorted((run for run in runs if run.epochs), key=lambda run: run.seed)
    return Record(step, binding(runs[0].provenance), tuple(runs)) if runs else None
