"""The runs of a session, read back from their run files in the shape of a record, whichever process wrote them."""

from datetime import datetime
from pathlib import Path
from typing import Any

from harness.jobs import run_file
from harness.jobs.run_folder import RUN, files, stamp_of
from harness.run import run_of
from harness.step import Step


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
