"""What is missing of the planned runs is trained, the cheapest first, and replaces what was made otherwise."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness import data, discovery, files, report
from harness.__main__ import main
from harness.commands import replicate
from harness.errors import HarnessError
from harness.evidence import record
from harness.jobs import engines, worker
from harness.jobs.job import Job
from harness.training import native
from spec.harness.jobs import small
from spec.harness.jobs.native_stand_in import stand_in
from spec.harness.jobs.small import Call, Failing, Plain, Simple
from spec.harness.jobs.small import call as call

Replicate = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def few(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two runs are planned, of the steps small/plain and small/simple, and eager torch trains them."""
    monkeypatch.setattr(native, "refusal", lambda step: "it is tried out here")
    for step in small.STEPS.values():
        monkeypatch.setattr(step, "planned_runs", classmethod(lambda cls: 2))
    monkeypatch.setattr(discovery, "steps", lambda: {step.id: step for step in (Plain, Simple)})
    monkeypatch.setattr(replicate, "steps", discovery.steps)


@pytest.fixture
def run(few: None, capsys: pytest.CaptureFixture[str]) -> Replicate:
    """Replicate some steps in this process: the exit status, and the lines of standard error that are no epochs."""

    def call(*ids: str) -> tuple[int, list[str]]:
        status = main(["replicate", *ids, "--device", "cpu", "--engine", "local"])
        lines = capsys.readouterr().err.splitlines()
        return status, [line for line in lines if not re.search(r" seed \d+ epoch \d+/", line)]

    return call


def seeds(step: Any) -> list[int]:
    return [one.seed for one in record.runs(step)]


def test_what_is_left_takes_as_long_as_what_is_done_did(capsys: pytest.CaptureFixture[str]) -> None:
    one = replicate.Missing(Plain, "native", (3,), True, 1.0)
    replicate._say_next(one, left=3.0, done=1.0, seconds=7200.0)
    assert capsys.readouterr().err == "small/plain: 1 run natively; 75 % is left, about 6.0 hours\n"


@pytest.mark.thorough
def test_every_step_gets_its_planned_runs_and_then_there_is_nothing_to_do(run: Replicate) -> None:
    status, lines = run()
    assert status == 0
    assert [line.partition(":")[0] for line in lines] == ["small/plain", "small/simple"]
    assert lines[0].endswith("2 runs by eager torch; 100 % is left")
    assert "50 % is left, about 0.0 hours" in lines[1]
    assert seeds(Plain) == seeds(Simple) == [0, 1]
    assert run() == (0, ["every step has its planned runs"])


def test_a_spoilt_record_stops_no_other_step(run: Replicate) -> None:
    path = record.path_of(Plain)
    path.parent.mkdir()
    path.write_text("spoilt")
    status, lines = run()
    assert (status, seeds(Simple)) == (2, [0, 1])
    assert lines[-1].startswith(f"python -m harness replicate: error: {path} is not a record of small/plain: ")
    assert run("small/plain") == (2, lines[-1:])


def test_a_record_of_no_step_is_named_before_anything_is_trained(run: Replicate, call: Call) -> None:
    path = record.path_of(Plain).with_name("before.json")
    path.parent.mkdir()
    path.touch()
    status, [line] = run()
    assert (status, seeds(Simple)) == (2, [])
    assert f"error: {path} is of no step that there is; " in line
    status, runs, err = call("small/plain --seed 0 --record")
    assert (status, runs, f"error: {path} is of no step that there is; " in err) == (2, [], True)


def test_only_the_steps_that_are_named_and_only_what_they_lack(run: Replicate, call: Call) -> None:
    call("small/plain --seed 1 7 --record --trainer auto")
    status, lines = run("small/plain")
    assert (status, lines) == (0, ["small/plain: 1 run by eager torch; 100 % is left"])
    assert seeds(Plain) == [0, 1, 7]
    assert seeds(Simple) == []


@pytest.mark.thorough
def test_the_cheapest_step_is_first(run: Replicate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Plain, "recipe", replace(Plain.recipe, epochs=5))
    assert [line.partition(":")[0] for line in run()[1]] == ["small/simple", "small/plain"]


@pytest.mark.thorough
def test_a_record_made_otherwise_stays_until_all_runs_that_replace_it_are_there(
    run: Replicate, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    call("small/plain --seed 0 1 --record --trainer eager")
    before = record.path_of(Plain).read_bytes()
    stand_in(monkeypatch)
    real = worker.work

    def interrupted(*arguments: Any) -> Any:
        updates = list(real(*arguments))
        if updates[-1].outcomes.keys() == {1}:
            raise KeyboardInterrupt
        yield from updates

    with monkeypatch.context() as patch:
        patch.setattr(engines, "work", interrupted)
        assert run("small/plain")[0] == 130
    assert record.path_of(Plain).read_bytes() == before
    assert run("small/plain")[0] == 0
    found = record.read(Plain)
    assert found
    assert found.provenance["trainer"] == "native"
    assert seeds(Plain) == [0, 1]


@pytest.mark.thorough
def test_whoever_is_killed_while_a_record_is_replaced_leaves_the_old_one_or_the_new_one(
    run: Replicate, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    call("small/plain --seed 0 1 --record --trainer eager")
    stand_in(monkeypatch)
    path, states, write = record.path_of(Plain), list[list[int]](), files.write

    def seen(name: Path, *arguments: Any, **options: Any) -> None:
        write(name, *arguments, **options)
        if name == path:
            states.append(seeds(Plain))

    monkeypatch.setattr(files, "write", seen)
    assert run("small/plain")[0] == 0
    assert states == [[0, 1]]


def test_native_runs_are_not_replaced_by_eager_ones_and_those_that_lack_are_not_said_to_be_there(
    run: Replicate, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        stand_in(patch)
        call("small/plain --seed 0 --record --trainer native")
    error = "small/plain lacks planned runs by the native trainer, which cannot train it here: it is tried out here"
    assert run("small/plain") == (2, [f"python -m harness replicate: error: {error}"])
    assert (seeds(Plain), len(list(Path("runs").rglob("seed*")))) == ([0], 1)
    with monkeypatch.context() as patch:
        stand_in(patch)
        call("small/plain --seed 1 --record --trainer native")
    assert run("small/plain") == (0, ["every step has its planned runs"])
    monkeypatch.setattr(Plain, "recipe", replace(Plain.recipe, lr=0.01))
    assert run("small/plain") == (2, [f"python -m harness replicate: error: {error}"])


def test_a_step_of_which_there_can_be_no_record_is_not_trained(run: Replicate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Plain, "recipe", replace(Plain.recipe, validation=0.25))
    status, lines = run("small/plain")
    assert (status, len(lines)) == (2, 1)
    assert "small/plain is judged on training images that its recipe holds out" in lines[0]
    assert run()[0] == 0
    assert (seeds(Plain), seeds(Simple)) == ([], [0, 1])


@pytest.mark.thorough
def test_a_step_that_fails_does_not_keep_the_others(run: Replicate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "steps", lambda: {step.id: step for step in (Failing, Simple)})
    monkeypatch.setattr(data, "load", lambda path=None: small.poisoned(5))
    status, lines = run("small/failing", "small/simple")
    assert status == 2
    assert lines[-1].startswith("python -m harness replicate: error: small/failing, seed 1: the loss is nan")
    assert (seeds(Failing), seeds(Simple)) == ([0], [0, 1])


@pytest.mark.thorough
def test_the_texts_are_brought_up_to_what_is_recorded_whatever_fails(
    run: Replicate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that dies takes no other run with it, nor the texts; what could not be written then is the next time."""
    texts: list[list[int]] = []

    def rewrite() -> list[Path]:
        texts.append(seeds(Plain))
        return []

    monkeypatch.setattr(report, "rewrite", rewrite)

    def dying(job: Job, *arguments: Any) -> Any:
        if job.seeds == (1,):
            raise HarnessError("its worker died")
        return worker.work(job, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(engines, "work", dying)
        status, lines = run("small/plain")
    assert (status, texts) == (2, [[0]])
    assert "its worker died" in lines[-1]

    def full() -> list[Path]:
        raise HarnessError("cannot write README.md: No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(report, "rewrite", full)
        assert run("small/plain")[0] == 2
    assert seeds(Plain) == [0, 1]
    assert run("small/plain") == (0, ["every step has its planned runs"])
    assert texts == [[0], [0, 1]]


def test_an_unknown_step_is_refused_before_anything_is_trained(run: Replicate) -> None:
    status, lines = run("small/simple", "small/simpel")
    assert (status, len(lines)) == (2, 1)
    assert "unknown step 'small/simpel'; nearest: small/simple" in lines[0]


def test_variants_are_among_all_steps() -> None:
    named = discovery.with_variants(discovery.steps())
    assert named.index("expand_squeeze/s7_file3@batch32") == named.index("expand_squeeze/s7_file3") + 1
    assert len(named) == len(set(named))
