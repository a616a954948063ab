"""The runs of a session, read back from their run files in the shape of a record, whichever process wrote them."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from harness.step import StepSpec

OF_A_RUN = {"step", "seed", "started", "together", "commit", "dirty"}
"""What the first line of a run file says that is not of the step as a whole; the rest is its provenance."""


def record(folder: Path, step: type[StepSpec], since: datetime) -> dict[str, Any] | None:
    """The runs of a step that were started at that moment or later, as a record; None if there are none.

    `folder` is where run files go. Of a run that died there are the epochs that it finished, if any.
    """
    since = since.replace(microsecond=0)  # the moment in a run file is in whole seconds
    files = [read(path) for path in sorted((folder / step.id).glob("seed*.jsonl"))]
    whole = [(lines[0], lines[1:]) for lines in files if len(lines) > 1]
    runs = [(head, epochs) for head, epochs in whole if datetime.fromisoformat(head["started"]) >= since]
    if not runs:
        return None
    [(head, _), *_] = runs
    return {
        "step": step.id,
        "parameters": step.parameters,
        "provenance": {key: value for key, value in head.items() if key not in OF_A_RUN},
        "runs": [_run(head, epochs) for head, epochs in sorted(runs, key=lambda run: int(run[0]["seed"]))],
    }


def read(path: Path) -> list[dict[str, Any]]:
    """The first line of a run file and its epochs; not a last line that was cut short, nor one of why it ended."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    found = [json.loads(line) for line in lines if line.endswith("\n")]
    return [line for line in found if line is found[0] or "epoch" in line]


def _run(head: dict[str, Any], epochs: list[dict[str, Any]]) -> dict[str, Any]:
    errors = [epoch.pop("errors") for epoch in epochs]
    return {"seed": head["seed"], "together": head.get("together", 1), "epochs": epochs, "errors": errors[-1]}
