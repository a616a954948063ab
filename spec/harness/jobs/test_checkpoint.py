"""Interrupted trainings resume as if nothing had happened, and only from their own checkpoint."""

import functools
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from harness import files, provenance
from harness.errors import HarnessError
from harness.evidence import record
from harness.jobs import checkpoint, engines, worker
from harness.jobs.checkpoint import Checkpoint
from harness.jobs.job import Job, Update
from harness.jobs.worker import work
from harness.run import Epoch, Outcome
from harness.step import Step
from harness.training.ensemble import ensemble_trainer
from harness.training.train import next_epoch
from spec.harness.jobs import small
from spec.harness.jobs.scripted import interrupted
from spec.harness.jobs.small import Call
from spec.harness.jobs.small import call as call


def without_seconds(outcomes: dict[int, Outcome]) -> dict[int, Outcome]:
    return {s: replace(out, seconds=0.0) if isinstance(out, Epoch) else out for s, out in outcomes.items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


def saved_in(update: Update) -> Checkpoint:
    assert update.checkpoint is not None
    return checkpoint.unpack(update.checkpoint, "it")


@functools.cache
def uninterrupted(step: type[Step], epochs: int = 4) -> list[Update]:
    """What a training of seed 3 says from its start to its end; it is the same for every test that asks."""
    return list(work(Job(step, (3,), epochs), small.images()))


@pytest.mark.parametrize(
    "step", [small.Plain, small.Simple, small.Warming, small.WithGlobal], ids=lambda step: step.__name__
)
@pytest.mark.parametrize("epoch", [0, 1, 3, 4])
def test_a_resumed_training_is_the_uninterrupted_one_bit_for_bit(step: type[Step], epoch: int) -> None:
    whole = uninterrupted(step)  # type: ignore[arg-type]  # that a type can be hashed is lost on mypy
    torch.manual_seed(99)  # whatever else the process does in between
    resumed = list(work(Job(step, (3,), 4, checkpoint=whole[epoch].checkpoint), small.images()))
    assert len(resumed) == 5 - epoch
    assert [without_seconds(dict(update.outcomes)) for update in resumed[1:]] == [
        without_seconds(dict(update.outcomes)) for update in whole[epoch + 1 :]
    ]
    last, other = (saved_in(updates[-1]) for updates in (whole, resumed))
    assert same(last.state, other.state)
    assert [e.test_accuracy for e in last.progress.epochs[3]] == [e.test_accuracy for e in other.progress.epochs[3]]


PARTS = ["model.", "average.", "momentum.", *(f"generator.{name}" for name in ("order", "augmentation", "dropout"))]


@pytest.mark.thorough
@pytest.mark.parametrize("part", PARTS)
def test_no_part_of_a_state_can_be_left_out(part: str) -> None:
    """With that part as it is at the start, and all others as saved, the epochs that follow differ."""
    first, *_, last = uninterrupted(small.Plain, 3)
    saved, fresh = saved_in(last), saved_in(first).state
    state = {
        name: fresh.get(name, torch.zeros_like(value)) if name.startswith(part) else value
        for name, value in saved.state.items()
    }
    assert not same(state, saved.state)
    harmed = Checkpoint(saved.step, saved.head, saved.progress, state).pack()
    ends = [
        list(work(Job(small.Plain, (3,), 4, checkpoint=raw), small.images()))[-1] for raw in (last.checkpoint, harmed)
    ]
    states = [saved_in(update).state for update in ends]
    assert not same(*[{name: one for name, one in state.items() if name.startswith("average")} for state in states])


@pytest.mark.thorough
@pytest.mark.parametrize(
    "recipe",
    [small.Plain.recipe, small.Simple.recipe, small.Warming.recipe],
    ids=["plain", "simple", "warming"],
)
def test_seeds_that_are_trained_together_resume_as_well(recipe: Any) -> None:
    step: type[Step] = type("Step", (small.Plain,), {"recipe": recipe, "__module__": __name__})
    seeds = (4, 0)
    run = ensemble_trainer(step, seeds, small.images())
    for _ in range(2):
        next_epoch(step, seeds, run)
    state = {name: value.clone() for name, value in run.state().items()}
    expected = [next_epoch(step, seeds, run) for _ in range(2)]
    other = ensemble_trainer(step, seeds, small.images())
    other.restore(state, 2)
    found = [next_epoch(step, seeds, other) for _ in range(2)]
    for ours, theirs in zip(found, expected, strict=True):
        assert without_seconds(dict(enumerate(ours))) == without_seconds(dict(enumerate(theirs)))
    assert same(run.state(), other.state())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_seeds_on_a_gpu_resume_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(worker.CHECKPOINTS, "cuda", 0.0)
    images = small.images(640).to("cuda")
    whole = list(work(Job(small.Plain, (4, 0), 4), images))
    resumed = list(work(Job(small.Plain, (4, 0), 4, checkpoint=whole[2].checkpoint), images))
    for ours, theirs in zip(resumed[1:], whole[3:], strict=True):
        for seed in (4, 0):
            one, other = ours.outcomes[seed], theirs.outcomes[seed]
            assert isinstance(one, Epoch)
            assert isinstance(other, Epoch)
            assert one.train_loss == pytest.approx(other.train_loss, abs=1e-3)  # sums have no fixed order there
            assert one.train_accuracy == pytest.approx(other.train_accuracy, abs=0.5)


def lines_of(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_an_epoch_soon_after_a_checkpoint_has_none_unless_it_is_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU, which is through with a short epoch before a checkpoint is on the disk."""
    monkeypatch.setitem(worker.CHECKPOINTS, "cpu", 3600.0)
    updates = list(work(Job(small.Plain, (3,), 4), small.images()))
    assert [update.checkpoint is not None for update in updates] == [True, False, False, False, True]
    assert [len(update.outcomes) for update in updates] == [0, 1, 1, 1, 1]


@pytest.mark.thorough
@pytest.mark.parametrize(("after", "seconds"), [(3, 0.0), (6, 0.0), (3, 3600.0)])
def test_a_command_that_was_killed_and_resumed_prints_what_an_uninterrupted_one_does(
    call: Call, monkeypatch: pytest.MonkeyPatch, after: int, seconds: float
) -> None:
    """Of three seeds with five updates each, none or the first is finished by then."""
    monkeypatch.setitem(worker.CHECKPOINTS, "cpu", seconds)
    expected = call("small/plain --seed 2 0 1 --out whole")
    with monkeypatch.context() as patch:
        patch.setattr(engines, "work", interrupted(after))
        assert call("small/plain --seed 2 0 1 --out stopped")[0] == 130
    status, runs, err = call("small/plain --seed 2 0 1 --out stopped --resume")
    assert (status, sorted(runs, key=lambda run: [2, 0, 1].index(run["seed"]))) == expected[:2]
    assert sorted(line.split(" (")[0] for line in err.splitlines()) == sorted(
        line.split(" (")[0] for line in expected[2].splitlines()
    )
    files = sorted(Path("stopped/small/plain").iterdir())
    assert [file.name.split("-")[0] for file in files] == ["seed0", "seed1", "seed2"]
    assert {file.suffix for file in files} == {".jsonl"}
    for file in files:
        assert [line.get("epoch") for line in lines_of(file)] == [None, 1, 2, 3, 4]


def test_resuming_a_finished_run_trains_nothing(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = call("small/plain")
    monkeypatch.setattr(engines, "work", None)
    assert call("small/plain --resume")[:2] == expected[:2]


def test_a_finished_run_that_was_made_with_something_else_is_trained_anew_and_that_is_said(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = call("small/plain")[1]
    [path] = Path("runs/small/plain").glob("*.jsonl")
    monkeypatch.setattr(small.Plain, "recipe", replace(small.Plain.recipe, lr=0.01))
    status, runs, err = call("small/plain --resume")
    assert (status, runs == made) == (0, False)
    line = err.splitlines()[0]
    assert re.fullmatch(
        rf"{re.escape(str(path))} was made with another network or recipe, fingerprint \w+ \(here \w+\); "
        "seed 0 is trained anew",
        line,
    )
    status, resumed, err = call("small/plain --resume")
    assert (resumed, line in err) == (runs, False)  # the new one is taken, and the old is no matter


def test_a_finished_run_of_a_seed_that_is_refused_is_not_said_to_be_trained_anew(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    call("small/plain --record")
    monkeypatch.setattr(small.Plain, "recipe", replace(small.Plain.recipe, lr=0.01))
    status, runs, err = call("small/plain --resume --record")
    assert (status, runs, "is trained anew" in err) == (2, [], False)


def test_a_run_file_that_was_cut_short_is_made_anew(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(engines, "work", interrupted(3))
        call("small/plain")
    [file] = Path("runs/small/plain").glob("*.jsonl")
    file.write_bytes(file.read_bytes()[:-40])
    call("small/plain --resume")
    assert [line.get("epoch") for line in lines_of(file)] == [None, 1, 2, 3, 4]


def test_a_run_that_was_killed_after_it_was_recorded_counts_once(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    real = record.add

    def killed(*arguments: Any, **options: Any) -> None:
        real(*arguments, **options)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(record, "add", killed)
        assert call("small/plain --record")[0] == 130
    before = record.path_of(small.Plain).read_bytes()
    assert call("small/plain --record --seed 0 1 --resume")[0] == 0
    committed = record.read(small.Plain)
    assert committed is not None
    assert [run.seed for run in committed.runs] == [0, 1]
    assert json.loads(before)["runs"] == json.loads(record.path_of(small.Plain).read_text())["runs"][:1]
    assert call("small/plain --record --seed 0 1")[0] == 2  # without --resume it would be another run of the seed


def change(path: Path, **head: Any) -> None:
    """Change the provenance in a checkpoint."""
    saved = checkpoint.read(path)
    path.write_bytes(Checkpoint(saved.step, {**saved.head, **head}, saved.progress, saved.state).pack())


@pytest.mark.parametrize(
    "head",
    [
        {"fingerprint": "0123456789abcdef"},
        {"torch": "2.14.0"},
        {"device": "cuda"},
        {"hardware": "another", "threads": 64},
    ],
)
def test_a_checkpoint_made_with_something_else_is_refused(
    call: Call, monkeypatch: pytest.MonkeyPatch, head: dict[str, Any]
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(engines, "work", interrupted(2))
        call("small/plain")
    [path] = Path("runs/small/plain").glob("*.safetensors")
    here = checkpoint.read(path).head
    change(path, **head)
    status, runs, err = call("small/plain --resume")
    assert (status, runs) == (2, [])
    said = {"fingerprint": "another network or recipe, fingerprint"}
    made = ", ".join(f"{said.get(key, key)} {value} (here {here[key]})" for key, value in head.items())
    advice = "go on with the same, or delete it to start anew"
    assert err == f"python -m harness train: error: {path} was made with {made}; {advice}\n"
    path.unlink()
    assert call("small/plain --resume")[0] == 0


def test_a_changed_recipe_is_refused(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(engines, "work", interrupted(2))
        call("small/plain")
    monkeypatch.setattr(small.Plain, "recipe", replace(small.Plain.recipe, lr=0.01))
    assert "was made with another network or recipe, fingerprint " in call("small/plain --resume")[2]


def test_a_network_that_only_looks_the_same_is_refused(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(engines, "work", interrupted(2))
        call("small/plain")
    print_of = provenance.fingerprint(small.Plain)
    monkeypatch.setattr(provenance, "fingerprint", lambda step: print_of)
    monkeypatch.setattr(small.Plain, "model", lambda: nn.Sequential(small.Network(), nn.Identity()))
    assert "does not fit: it has not the same tensors" in call("small/plain --resume")[2]


def test_more_epochs_than_are_asked_for_are_refused(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(engines, "work", interrupted(4))
        call("small/plain")
    assert "has 3 epochs already; go on with --epochs 3\n" in call("small/plain --epochs 2 --resume")[2]
    assert call("small/plain --epochs 3 --resume")[1][0]["complete"] is False


def test_a_training_that_still_runs_elsewhere_is_left_alone(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(engines, "work", interrupted(2))
        call("small/plain")
    [path] = Path("runs/small/plain").glob("*.safetensors")
    before = path.read_bytes()
    with files.locked(path):
        status, _, err = call("small/plain --resume")
        assert (status, path.read_bytes()) == (2, before)
        assert err.endswith(f"{path} is still being written by another process; wait for it\n")
    assert call("small/plain --resume")[0] == 0


def test_seeds_that_were_trained_together_resume_together(call: Call) -> None:
    first, *_ = work(Job(small.Plain, (0,), 4), small.images())
    saved = saved_in(first)
    saved.progress.epochs[5] = []
    path = Path("runs/small/plain/seed0-20260101T000000.000000Z.safetensors")
    path.parent.mkdir(parents=True)
    path.write_bytes(saved.pack())
    assert call("small/plain --seed 0 --resume")[2].endswith(
        "seeds that were trained together; go on with --seed 0 5\n"
    )


def test_what_a_killed_process_left_before_its_first_checkpoint_is_swept_away(call: Call) -> None:
    folder = Path("runs/small/plain")
    folder.mkdir(parents=True)
    stem = "seed0-20260101T000000.000000Z"
    for suffix in (".lock", ".safetensors.0123abcd.partial"):
        (folder / f"{stem}{suffix}").write_bytes(b"half")
    call("small/plain --resume")
    assert [file.suffix for file in folder.iterdir()] == [".jsonl"]


def test_an_error_names_the_checkpoint_and_what_to_do() -> None:
    with pytest.raises(HarnessError, match="^here is not a checkpoint: .*; delete it to start its runs anew$"):
        checkpoint.unpack(b"", "here")
