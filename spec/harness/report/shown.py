"""A step with a record, as a page is to show it, and what a page shows."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import nn

from harness.evidence.record import Record
from harness.provenance import fingerprint
from harness.run import run_of_json
from harness.step import Step
from spec.harness.evidence.records_of import step_with


def network() -> nn.Module:
    """The least that is a step's network."""
    return nn.Sequential(nn.Conv2d(1, 10, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LogSoftmax(1))


def a_step(folder: Path, step_id: str = "mine/tiny", analysis: str = "- It is small.", **more: Any) -> type[Step]:
    """A step of six epochs in no package, so that its ladder has no text."""
    model = staticmethod(network)
    step = step_with(folder, step_id, analysis, model=model, receptive_field=28, title="A title", **more)
    step.__module__ = "test_01_step"
    return step


def run_of(seed: int, test: Sequence[float], errors: Sequence[tuple[int, int, int]] = ()) -> dict[str, Any]:
    """A run as records hold it, half a point lower in training, a second an epoch."""
    epochs = [
        {"epoch": n, "train_accuracy": value - 0.5, "test_accuracy": value, "train_loss": 0.1, "seconds": 1.0}
        for n, value in enumerate(test, 1)
    ]
    return {"seed": seed, "epochs": epochs, "errors": [list(error) for error in errors]}


def record_of(step: type[Step], *runs: dict[str, Any], **provenance: str) -> Record:
    """A record of some runs."""
    made = {"hardware": "a processor", "fingerprint": fingerprint(step), **provenance}
    return Record(step, made, tuple(run_of_json(step, run, made) for run in runs))


def row_of(page: str, step_id: str) -> list[str]:
    """The cells of the step in the table of all steps, as text, without the strip."""
    [row] = re.findall(rf'<tr role="row">\s*<th [^>]*><a href="#[\w-]+">{step_id}</a></th>(.*?)</tr>', page, re.DOTALL)
    cells = re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL)
    return [cell for cell in cells if "<svg" not in cell]


def text_of(page: str) -> str:
    """The page without its style, its script and its tags, on one line."""
    bare = re.sub(r"<(style|script)>.*?</\1>|<[^>]+>", " ", page, flags=re.DOTALL)
    return " ".join(bare.replace("&nbsp;", " ").split())
