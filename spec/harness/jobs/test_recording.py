"""What cannot be recorded stops no training: it stays in its run file, from which it can be recorded later."""

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import torch

from harness.data import MNIST
from harness.evidence import record
from harness.jobs import dispatch, engines
from harness.jobs.job import Job, Update
from harness.provenance import provenance
from harness.run import Run
from spec.harness.jobs import small
from spec.harness.jobs.scripted import scripted
from spec.harness.jobs.small import Call
from spec.harness.jobs.small import call as call

MADE = provenance(small.Plain, torch.device("cpu"))
WORK = scripted(99.1, 99.2, 99.3, made=lambda step: MADE)
LATER = "its run stays in its run file, from which python -m harness adopt FOLDER records it, once that is mended"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is trained."""
    monkeypatch.setattr(engines, "work", WORK)
    monkeypatch.setattr(dispatch, "commit", dict)


def recorded() -> list[int]:
    return [run.seed for run in record.runs(small.Plain)]


def test_a_seed_that_somebody_else_records_meanwhile_stops_no_other(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overtaken(job: Job, data: MNIST, *_: object) -> Iterator[Update]:
        if job.seeds == (0,):
            record.add(replace(run_of(0), provenance=MADE))
        yield from WORK(job, data)

    with monkeypatch.context() as patch:
        patch.setattr(engines, "work", overtaken)
        status, runs, err = call("small/plain --seed 0 1 --record")
    assert (status, [run["seed"] for run in runs], recorded()) == (2, [0, 1], [0, 1])
    path = record.path_of(small.Plain)
    assert err.splitlines()[-1] == (
        f"python -m harness train: error: seed 0 is not recorded: {path} has seed 0 already; replace it with: "
        f"python -m harness train small/plain --seed 0 --record --replace; {LATER}"
    )
    monkeypatch.setattr(engines, "work", None)  # nothing is trained again
    assert call("small/plain --seed 0 1 --record --resume")[0] == 2
    assert record.run_of(small.Plain, 0).final[0] == 99.4
    assert call("small/plain --seed 0 --record --resume --replace")[0] == 0
    assert record.run_of(small.Plain, 0).final[0] == 99.1


def run_of(seed: int) -> Run:
    """The run of somebody else."""
    return small.run_of(seed, 99.4)


SPOILT = "not a record"


@pytest.mark.parametrize("option", ["--record", "--record --replace"])
@pytest.mark.parametrize("before", [True, False], ids=["before the training", "during it"])
def test_a_spoilt_record_stops_no_training(
    call: Call, monkeypatch: pytest.MonkeyPatch, before: bool, option: str
) -> None:
    record.add(replace(run_of(5), provenance=MADE))
    path = record.path_of(small.Plain)
    sound = path.read_text()

    def spoiling(job: Job, data: MNIST, *_: object) -> Iterator[Update]:
        path.write_text(SPOILT)
        yield from WORK(job, data)

    if before:
        path.write_text(SPOILT)
    with monkeypatch.context() as patch:
        patch.setattr(engines, "work", spoiling)
        status, runs, err = call(f"small/plain --seed 0 1 {option}")
    assert (status, [run["seed"] for run in runs], path.read_text()) == (2, [0, 1], SPOILT)
    first, *_, last = err.splitlines()
    assert first.endswith("; until it is mended, runs stay in their run files") is before
    assert last.count(f"{path} is not a record of small/plain: ") == 2
    assert last.count(LATER) == 2
    path.write_text(sound)
    monkeypatch.setattr(engines, "work", None)  # nothing is trained again
    assert call(f"small/plain --seed 0 1 {option} --resume")[0] == 0
    assert recorded() == [0, 1, 5]


def test_a_seed_that_is_recorded_already_stops_no_other_from_resuming(call: Call) -> None:
    record.add(replace(run_of(0), provenance=MADE))
    status, runs, err = call("small/plain --seed 0 1 --record")
    assert (status, runs, err.count(" has seed 0 already; replace it with: ")) == (2, [], 1)
    assert not list(Path("runs").rglob("seed*"))
    status, runs, err = call("small/plain --seed 0 1 --record --resume")
    assert (status, [run["seed"] for run in runs], recorded()) == (2, [1], [0, 1])
    assert " has seed 0 already; replace it with: " in err.splitlines()[-1]


def test_an_interrupted_seed_that_is_recorded_already_goes_on_no_more(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(job: Job, data: MNIST, *_: object) -> Iterator[Update]:
        yield from islice(WORK(job, data), 2)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(engines, "work", interrupted)
        assert call("small/plain --seed 0 --record")[0] == 130
    [checkpoint] = Path("runs").rglob("*.safetensors")
    record.add(replace(run_of(0), provenance=MADE))
    status, runs, err = call("small/plain --seed 0 1 --record --resume")
    assert (status, [run["seed"] for run in runs], recorded()) == (2, [1], [0, 1])
    assert err.splitlines()[-1].count(" has seed 0 already; replace it with: ") == 1
    assert checkpoint.exists()


def test_a_record_that_was_made_with_something_else_refuses_before_anything_is_trained(call: Call) -> None:
    record.add(replace(run_of(5), provenance={**MADE, "torch": "1.0"}))
    status, runs, err = call("small/plain --seed 0 1 --record")
    assert (status, runs, err.count("was made with torch 1.0")) == (2, [], 1)
    assert not list(Path("runs").rglob("seed*"))


def test_a_damaged_checkpoint_stops_no_other_seed_from_being_recorded(call: Call) -> None:
    path = Path("runs/small/plain/seed0-20260101T000000.000000Z.safetensors")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"damaged")
    status, runs, err = call("small/plain --seed 0 1 --record --resume")
    assert (status, [run["seed"] for run in runs], recorded()) == (2, [1], [1])
    assert f"error: {path} is not a checkpoint: " in err.splitlines()[-1]
    assert json.loads(record.path_of(small.Plain).read_text())["runs"][0]["seed"] == 1


GPU = {**MADE, "device": "cuda", "hardware": "NVIDIA H100"}


@pytest.mark.parametrize("option", ["--record", "--record --replace"])
def test_what_a_gpu_trains_is_recorded_beside_what_a_cpu_did(
    call: Call, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    record.add(replace(run_of(0), provenance=MADE))
    before = record.path_of(small.Plain).read_bytes()
    monkeypatch.setattr(engines, "provenance", lambda step, device, trainer: GPU)
    monkeypatch.setattr(engines, "work", scripted(98.0, 98.1, 98.2, made=lambda step: GPU))
    status, _, err = call(f"small/plain --seeds 2 --trainer eager {option}")
    assert (status, "error" in err) == (0, False)
    assert record.path_of(small.Plain).read_bytes() == before
    assert [(run.seed, run.provenance["hardware"]) for run in record.runs(small.Plain, "cuda")] == [
        (0, "NVIDIA H100"),
        (1, "NVIDIA H100"),
    ]
    again = call("small/plain --seed 1 2 --trainer eager --record")
    assert (again[0], "plain.cuda.json has seed 1 already" in again[2]) == (2, True)
