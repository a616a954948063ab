"""Kill -9 at random moments: no run is lost, no record half-written, no seed counted twice."""

import json
import multiprocessing
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from harness import data, discovery, report
from harness.__main__ import main
from harness.evidence import record
from harness.jobs import dispatch
from spec.harness.jobs import small
from spec.harness.jobs.faults import Note
from spec.harness.jobs.faults import note as note

KILLS = 50
SEEDS = [0, 1, 2]
LINE = "train small/plain --seed 0 1 2 --trainer eager --device cpu --record --resume --json"


def command(folder: Path) -> None:
    """Run the command line in a process that has loaded everything; its output goes to files."""
    os.chdir(folder)
    torch.set_num_threads(1)
    for step in small.STEPS.values():
        step.source = folder / "small" / "test_01_small.py"
    discovery.steps = lambda: dict(small.STEPS)
    data.load = lambda path=None: small.images(20 * small.BATCH)
    report.rewrite = list
    sys.stdout, sys.stderr = (folder / "out").open("w"), (folder / "err").open("w")
    status = main(LINE.split())
    sys.stdout.flush()
    sys.exit(status)


def start(folder: Path) -> Any:
    """Start the command. Its process is forked from a server that has loaded torch, which takes no time."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, dispatch.__name__])
    process = context.Process(target=command, args=(folder,))
    process.start()
    return process


def finish(folder: Path) -> float:
    """Run the command to its end; return the seconds that it took."""
    began = time.monotonic()
    process = start(folder)
    process.join(120)
    assert process.exitcode == 0, (folder / "err").read_text()
    return time.monotonic() - began


def new(folder: Path) -> Path:
    (folder / "small").mkdir(parents=True)
    return folder


def results(folder: Path) -> list[dict[str, Any]]:
    """What was printed, checked against the record and the run files, all without seconds."""
    printed = [json.loads(line) for line in (folder / "out").read_text().splitlines()]
    recorded = json.loads((folder / "small" / "records" / "plain.json").read_text())["runs"]
    files = []
    for path in sorted((folder / "runs" / "small" / "plain").iterdir()):
        assert path.suffix == ".jsonl", path
        head, *epochs = (json.loads(line) for line in path.read_text().splitlines())
        files.append({"seed": head["seed"], "epochs": epochs, "errors": epochs[-1]["errors"]})
    for run in (*printed, *recorded, *files):
        run["epochs"] = [
            {key: epoch[key] for key in ("epoch", "train_accuracy", "test_accuracy", "train_loss")}
            for epoch in run["epochs"]
        ]
    for runs in (printed, recorded, files):
        runs.sort(key=lambda run: run["seed"])
        assert [run["seed"] for run in runs] == SEEDS
        assert [[run["epochs"], run["errors"]] for run in runs] == [[run["epochs"], run["errors"]] for run in printed]
    return printed


def check_after_kill(folder: Path) -> None:
    """Check that the record is whole if it exists, and every line of the run files but perhaps the last."""
    path = folder / "small" / "records" / "plain.json"
    if path.exists():
        runs = record.read_file(path, small.Plain).runs
        seeds = [run.seed for run in runs]
        assert sorted(set(seeds)) == seeds
        assert all(len(run.epochs) == 4 for run in runs)
    for file in (folder / "runs" / "small" / "plain").glob("*.jsonl"):
        *lines, _ = file.read_text().split("\n")
        numbers = [json.loads(line).get("epoch") for line in lines]
        assert numbers == [None, *range(1, len(numbers))][: len(numbers)]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_kill_9_at_random_moments_loses_nothing(tmp_path: Path, note: Note) -> None:
    finish(new(tmp_path / "warm"))
    takes = finish(new(tmp_path / "whole"))
    expected = results(tmp_path / "whole")
    moments, kills, trainings, unfinished = random.Random(8), 0, 0, 0
    while kills < KILLS:
        folder = new(tmp_path / str(trainings))
        trainings += 1
        while kills < KILLS:
            process = start(folder)
            process.join(moments.uniform(0, takes))
            if process.exitcode is not None:
                assert process.exitcode == 0, (folder / "err").read_text()
                break
            process.kill()
            process.join()
            kills += 1
            check_after_kill(folder)
            unfinished += bool(list(folder.rglob("*.safetensors")))
        finish(folder)
        assert results(folder) == expected
    assert unfinished > KILLS / 4, (unfinished, takes)  # enough kills hit a run in the middle
    note(
        "kill -9 of the whole command",
        "at a random moment of a training of three seeds, again and again until it is over",
        kills,
        f"{trainings} trainings came to their end; JSON, record and run files are those of an uninterrupted one, each "
        "seed once; at no moment was a record half-written",
    )
