"""Run files as another machine writes them, with images whose misses are made up."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.__main__ import main
from harness.evidence import record
from harness.provenance import Device, provenance
from harness.step import Step
from spec.harness.jobs.small import Call, Plain

CPU = provenance(Plain, torch.device("cpu"))
GPU = {**CPU, "device": "cuda", "hardware": "NVIDIA H100", "threads": None, "precision": "ieee", "driver": "580.65"}
Adopt = Callable[[], tuple[int, list[str], list[str]]]


def put(seed: int, missed: int, made: dict[str, Any] = GPU, step: type[Step] = Plain, day: int = 1) -> Path:
    """Write the run file of a seed that misses n test images after each epoch."""
    head = {
        "step": step.id,
        "seed": seed,
        "started": "2026-01-01T00:00:00+00:00",
        "together": 2,
        "commit": None,
        **made,
    }
    epochs = [
        {
            "epoch": number,
            "train_accuracy": 99.0,
            "test_accuracy": round((10_000 - missed) / 100, 4),
            "train_loss": 0.1,
            "seconds": 1.5,
            "errors": [[image, 3, 8] for image in range(missed)],
        }
        for number in range(1, 5)
    ]
    path = Path("made", step.id, f"seed{seed}-2026010{day}T000000.000000Z.jsonl")
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, [head, *epochs])
    return path


def write(path: Path, lines: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def change(path: Path, number: int, **entries: Any) -> None:
    """Change some entries of a line of a run file; None takes one out."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[number] = {key: value for key, value in {**lines[number], **entries}.items() if value is not None}
    write(path, lines)


def move(path: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    path.rename(to)


@pytest.fixture
def adopt(call: Call, capsys: pytest.CaptureFixture[str]) -> Adopt:
    """Adopt the folder "made": the exit status, and the lines of both outputs."""

    def run() -> tuple[int, list[str], list[str]]:
        status = main(["adopt", "made"])
        out, err = capsys.readouterr()
        return status, out.splitlines(), err.splitlines()

    return run


def accuracies(device: Device) -> dict[int, float]:
    return {run.seed: run.final[0] for run in record.runs(Plain, device)}
