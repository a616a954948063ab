"""A recorded run can be trained again, and a difference is found and named."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from harness import steps
from harness.__main__ import main
from harness.evidence import record
from harness.provenance import is_native
from harness.training.trainer import SingleTrainer
from spec.harness.jobs import small
from spec.harness.jobs.native_stand_in import move_to, stand_in
from spec.harness.jobs.small import Call, Plain
from spec.harness.jobs.small import call as call

SAME = [rf"small/plain seed 1 epoch {n}/4: train \S+ test \S+ \(\S+ s\): the same" for n in range(1, 5)]

Replay = Callable[..., tuple[int, list[str], str]]


@pytest.fixture
def replay(call: Call, capsys: pytest.CaptureFixture[str]) -> Replay:
    """Replay a seed of the step: the exit status, the lines on standard output, and standard error."""

    def run(seed: int = 1) -> tuple[int, list[str], str]:
        status = main(["replay", "small/plain", "--seed", str(seed)])
        out, err = capsys.readouterr()
        return status, out.splitlines(), err

    return run


@pytest.mark.parametrize("seeds", ["0 1", "1 0"])
def test_the_status_is_that_of_the_worst_run(call: Call, capsys: pytest.CaptureFixture[str], seeds: str) -> None:
    call("small/plain --seed 0 1 --record")
    path = record.path_of(Plain)
    value = json.loads(path.read_text())
    value["runs"][1]["epochs"][0]["train_loss"] += 0.5
    path.write_text(json.dumps(value))
    assert main(["replay", "small/plain", "--seed", *seeds.split()]) == 1
    last = {line.split()[1]: line for line in capsys.readouterr().out.splitlines() if line.startswith("run ")}
    assert last["0"].endswith("4 of 4 epochs the same")
    assert "; epoch 1 has train_loss " in last["1"]


@pytest.fixture(scope="module")
def trained() -> list[bytes]:
    """The record of seeds 0 and 1 by eager torch, once the first test that needs it has made it."""
    return []


@pytest.fixture
def recorded(call: Call, trained: list[bytes]) -> None:
    """Seeds 0 and 1 are in the record of the step, trained by eager torch."""
    path = record.path_of(Plain)
    if not trained:
        call("small/plain --seed 0 1 --record")
        trained.append(path.read_bytes())
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(trained[0])


def change(edit: Callable[[dict[str, Any]], object]) -> None:
    """Change the record."""
    path = record.path_of(Plain)
    value = json.loads(path.read_text())
    edit(value)
    path.write_text(json.dumps(value))


@pytest.mark.parametrize("trainer", ["eager", "native"])
def test_a_run_that_is_replayed_is_the_same(
    call: Call, replay: Replay, monkeypatch: pytest.MonkeyPatch, trainer: str
) -> None:
    stand_in(monkeypatch)
    call(f"small/plain --seed 0 1 --record --trainer {trainer}")
    status, lines, err = replay()
    assert (status, err) == (0, "")
    assert [bool(re.fullmatch(*pair)) for pair in zip(SAME, lines, strict=False)] == [True] * 4
    assert lines[4:] == ["run 1 of small/plain, replayed: 4 of 4 epochs the same"]


@pytest.mark.usefixtures("recorded")
def test_the_first_difference_is_named_and_ends_the_replay(replay: Replay) -> None:
    epoch = record.run_of(Plain, 1).epochs[2]

    def edit(value: dict[str, Any]) -> None:
        value["runs"][1]["epochs"][2]["test_loss"] += 1e-6

    change(edit)
    wrong = record.run_of(Plain, 1).epochs[2].test_loss
    status, lines, _ = replay()
    assert status == 1
    assert [line.rpartition(": ")[2] for line in lines[:-1]] == ["the same", "the same", "differs"]
    assert lines[-1] == (
        "run 1 of small/plain, replayed: 2 of 4 epochs the same; "
        f"epoch 3 has test_loss {wrong} in the record and {epoch.test_loss} here"
    )


@pytest.mark.usefixtures("recorded")
def test_a_replay_whose_loss_is_not_finite_differs(replay: Replay, monkeypatch: pytest.MonkeyPatch) -> None:
    train = SingleTrainer.train_epoch

    def broken(trainer: SingleTrainer) -> list[tuple[float, int]]:
        [(loss, correct)] = train(trainer)
        return [(float("nan") if trainer.epoch == 2 else loss, correct)]

    monkeypatch.setattr(SingleTrainer, "train_epoch", broken)
    status, lines, _ = replay()
    assert status == 1
    assert re.fullmatch(r"run 1 .*: 1 of 4 epochs the same; small/plain, seed 1: the loss is nan in .*", lines[-1])


def test_a_native_run_is_the_same_on_another_machine(
    call: Call, replay: Replay, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(monkeypatch)
    call("small/plain --seed 0 1 --record --trainer native")
    move_to(monkeypatch, "Apple M1", threads=8, torch="2.11.0")
    stand_in(monkeypatch, compiler="clang 19")
    status, lines, err = replay()
    assert (status, err) == (0, "")
    assert lines[-1] == "run 1 of small/plain, replayed: 4 of 4 epochs the same"


@pytest.mark.thorough
@pytest.mark.usefixtures("recorded")
def test_an_eager_run_may_be_tried_on_another_machine(replay: Replay, monkeypatch: pytest.MonkeyPatch) -> None:
    move_to(monkeypatch, "Apple M1")
    status, lines, err = replay()
    assert re.fullmatch(
        r"figures of eager torch depend on the machine, and this run was made with hardware .* \(here Apple M1\), "
        r"cpu .* \(here Apple M1\)\n",
        err,
    )
    assert (status, lines[-1]) == (0, "run 1 of small/plain, replayed: 4 of 4 epochs the same")


@pytest.mark.usefixtures("recorded")
def test_a_run_of_an_older_version_is_replayed_by_eager_torch(replay: Replay) -> None:

    def edit(value: dict[str, Any]) -> None:
        for key in ("trainer", "cpu", "capability"):
            del value["provenance"][key]
        for epoch in value["runs"][1]["epochs"]:
            del epoch["test_loss"]

    change(edit)
    status, lines, err = replay()
    assert err.endswith("and this run was made with a version that did not record the trainer\n")
    assert (status, lines[-1]) == (0, "run 1 of small/plain, replayed: 4 of 4 epochs the same")


@pytest.mark.thorough
def test_an_eager_run_is_replayed_with_the_threads_of_its_record(
    call: Call, replay: Replay, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = torch.get_num_threads()
    monkeypatch.setattr(Plain, "recipe", replace(Plain.recipe, epochs=1))  # two threads wait for each other, busily
    monkeypatch.setattr("harness.jobs.retraining.cores", lambda: 2)
    torch.set_num_threads(2)
    try:
        call("small/plain --seed 1 --record")
        torch.set_num_threads(1)
        assert replay()[::2] == (0, "")
        assert torch.get_num_threads() == 1
        change(lambda value: value["provenance"].update(threads=3))
        assert "with threads 3 (here 1)" in replay()[2]
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("numerics", "edit", "message"),
    [
        (2, None, r".*plain\.json was made with numerics 1 \(here 2\); go back to what made it, or record it anew"),
        (
            1,
            {"fingerprint": "0123"},
            r".*plain\.json was made with another network or recipe, fingerprint 0123 \(here \w+\); go back to .*",
        ),
    ],
)
def test_what_cannot_be_the_same_is_not_trained(
    call: Call,
    replay: Replay,
    monkeypatch: pytest.MonkeyPatch,
    numerics: int,
    edit: dict[str, str] | None,
    message: str,
) -> None:
    stand_in(monkeypatch)
    call("small/plain --seed 1 --record --trainer native")
    stand_in(monkeypatch, numerics)
    change(lambda value: value["provenance"].update(edit or {}))
    status, lines, err = replay()
    assert (status, lines) == (2, [])
    assert re.fullmatch(f"python -m harness replay: error: {message}\n", err)


def test_an_eager_run_of_another_recipe_is_not_trained(call: Call, replay: Replay) -> None:
    record.add(small.run_of(1))
    status, lines, err = replay()
    assert (status, lines) == (2, [])
    assert "fingerprint 0123 (here " in err


def test_a_native_run_is_not_replayed_where_nothing_trains_natively(
    call: Call, replay: Replay, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(monkeypatch)
    call("small/plain --seed 1 --record --trainer native")
    monkeypatch.setattr("harness.training.native.refusal", lambda step: "there is no compiler")
    assert replay() == (
        2,
        [],
        "python -m harness replay: error: small/plain was trained natively, which cannot be done here: "
        "there is no compiler\n",
    )


def test_a_seed_that_is_not_recorded_is_one_line_with_those_that_are(replay: Replay) -> None:
    assert replay(7)[2] == (
        "python -m harness replay: error: small/plain has no record; make one with: "
        "python -m harness train small/plain --record\n"
    )
    for seed in (3, 1):
        record.add(small.run_of(seed))
    status, _, err = replay(7)
    assert status == 2
    assert re.fullmatch(r"python -m harness replay: error: .*plain\.json has no seed 7; it has 1, 3\n", err)


@pytest.mark.thorough
def test_a_training_ends_with_the_comparison_where_the_record_has_the_seed(
    call: Call, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    call("small/plain --seed 0 --record")
    assert main(["train", "small/plain", "--seed", "0", "1", "--device", "cpu", "--trainer", "eager"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "seed 0 is in the record: 4 of 4 epochs the same"
    _, _, err = call("small/plain --epochs 3")
    assert err.splitlines()[-1] == "seed 0 is in the record: 3 of 4 epochs the same"
    move_to(monkeypatch, "Apple M1")
    assert "is in the record" not in call("small/plain")[2]
    stand_in(monkeypatch)
    assert "is in the record" not in call("small/plain --trainer native")[2]


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("trainer", "status", "meaning"),
    [
        ("eager", 0, "Eager torch depends on more than a record says: this is another run, and no fault"),
        ("native", 1, "The native trainer gives the same numbers everywhere: this is a fault, please report it"),
    ],
)
def test_a_difference_is_a_fault_where_it_cannot_be(
    call: Call, monkeypatch: pytest.MonkeyPatch, trainer: str, status: int, meaning: str
) -> None:
    stand_in(monkeypatch)
    call(f"small/plain --seed 0 --record --trainer {trainer}")
    right = record.run_of(Plain, 0).epochs[3].train_loss
    wrong = round(right + 1e-6, 6)
    change(lambda value: value["runs"][0]["epochs"][3].update(train_loss=wrong))
    found, runs, err = call(f"small/plain --seed 0 --trainer {trainer}")
    assert (found, len(runs)) == (status, 1)
    assert err.splitlines()[-1] == (
        f"seed 0 is in the record: 3 of 4 epochs the same; epoch 4 has train_loss {wrong} in the record and {right} "
        f"here. {meaning}"
    )


@pytest.mark.slow
@pytest.mark.parametrize("ladder", sorted({step.ladder for step in steps().values()}))
def test_a_recorded_run_of_each_ladder_is_the_same_here(ladder: str) -> None:
    """The smallest step of the ladder that was trained natively, on whatever machine that was."""
    records = [found for step in steps().values() if step.ladder == ladder and (found := record.read(step))]
    native = [found for found in records if is_native(found.provenance)]
    smallest = min(native, key=lambda found: found.step.parameters)
    assert main(["replay", smallest.step.id, "--seed", str(smallest.runs[-1].seed)]) == 0
