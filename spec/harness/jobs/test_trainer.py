"""The trainer of a job: its files name it, what resumes uses it again, and records do not mix trainers."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.commands.console import start_line
from harness.errors import HarnessError
from harness.evidence import record
from harness.jobs import engines, run_file
from harness.jobs.engines import Local
from harness.jobs.processes import Processes
from harness.jobs.resume import trainer_left
from harness.training import native
from harness.training.choice import Choice
from spec.harness.jobs import small
from spec.harness.jobs.native_stand_in import GCC, move_to, stand_in
from spec.harness.jobs.scripted import interrupted
from spec.harness.jobs.small import Call, Plain
from spec.harness.jobs.small import call as call
from spec.harness.training.native.compilers import needs_compiler

THREADS = torch.get_num_threads()
ON = f"; on cpu, {THREADS} thread{'s' if THREADS > 1 else ''}, one at a time\n"
NATIVE, EAGER = f"small/plain is trained by the native trainer{ON}", f"small/plain is trained by eager torch{ON}"


def head(folder: Path = Path("runs")) -> dict[str, Any]:
    """The first line of the only run file."""
    [file] = folder.glob("small/plain/*.jsonl")
    line: dict[str, Any] = json.loads(file.read_text().splitlines()[0])
    return line


def test_the_first_line_of_a_run_file_names_the_trainer(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch)
    status, _, err = call("small/plain --trainer auto --out one --epochs 1")
    assert (status, err.startswith(NATIVE)) == (0, True)
    assert head(Path("one")).items() >= {"trainer": "native", "numerics": 1, "compiler": "gcc 14"}.items()
    call("small/plain --trainer eager --out other --epochs 1")
    assert head(Path("other"))["trainer"] == "eager"
    assert head(Path("other")).keys().isdisjoint({"numerics", *GCC})


def test_why_it_is_eager_is_said(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "refusal", lambda step: "there is no compiler")
    _, _, err = call("small/plain --trainer auto --epochs 1")
    assert err.startswith(f"small/plain is trained by eager torch and not natively: there is no compiler{ON}")
    status, runs, err = call("small/plain --trainer native --epochs 1")
    assert (status, runs) == (2, [])
    assert err == (
        "python -m harness train: error: small/plain cannot be trained natively: there is no compiler; "
        "use --trainer eager\n"
    )


def test_the_line_before_a_training_says_its_threads_and_builds_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Plain, "model", None)
    cpu, said = torch.device("cpu"), "small/plain is trained by eager torch; on cpu, "
    assert f"{start_line(Plain, Choice('eager'), Local(cpu))}\n" == EAGER
    assert start_line(Plain, Choice("eager"), Processes([cpu] * 3)) == f"{said}1 thread, up to 3 at a time"


def stop(call: Call, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    """Interrupt a training after its second epoch."""
    with monkeypatch.context() as patch:
        patch.setattr(engines, "work", interrupted(3))
        assert call(line)[0] == 130


def test_a_native_run_goes_on_on_another_machine(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch)
    expected = call("small/plain --trainer native --out whole")
    stop(call, monkeypatch, "small/plain --trainer native")
    move_to(monkeypatch, "Apple M1", threads=8, torch="2.11.0")
    stand_in(monkeypatch, compiler="clang 19")
    assert call("small/plain --trainer auto --resume")[:2] == expected[:2]
    assert head()["hardware"] != "Apple M1"  # where it started


@needs_compiler
def test_a_run_of_the_kernels_that_was_interrupted_ends_as_one_that_was_not(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = call("small/plain --trainer native --out whole")
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(threads + 1)
        stop(call, monkeypatch, "small/plain --trainer auto")
    finally:
        torch.set_num_threads(threads)
    assert call("small/plain --trainer auto --resume")[:2] == expected[:2]
    assert expected[1]


def test_an_eager_run_does_not(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    stop(call, monkeypatch, "small/plain --trainer eager")
    move_to(monkeypatch, "Apple M1")
    status, _, err = call("small/plain --trainer eager --resume")
    assert status == 2
    assert "was made with hardware " in err


@pytest.mark.parametrize("numerics", [2, 0])
def test_a_native_run_of_another_arithmetic_does_not_go_on(
    call: Call, monkeypatch: pytest.MonkeyPatch, numerics: int
) -> None:
    stand_in(monkeypatch)
    stop(call, monkeypatch, "small/plain --trainer native")
    stand_in(monkeypatch, numerics)
    status, _, err = call("small/plain --trainer auto --resume")
    assert status == 2
    assert f"was made with numerics 1 (here {numerics}); go on with the same, or delete it to start anew" in err


@pytest.mark.parametrize(("trainer", "line"), [("eager", EAGER), ("native", NATIVE)])
def test_auto_resumes_with_the_trainer_of_the_checkpoint(
    call: Call, monkeypatch: pytest.MonkeyPatch, trainer: str, line: str
) -> None:
    stand_in(monkeypatch)
    stop(call, monkeypatch, f"small/plain --trainer {trainer}")
    status, [run], err = call("small/plain --trainer auto --resume")
    assert (status, len(run["epochs"])) == (0, 4)
    assert err.startswith(line)
    assert head()["trainer"] == trainer


def test_on_a_gpu_auto_does_not_take_the_trainer_of_what_a_cpu_left(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(monkeypatch)
    call("small/plain --trainer native --seed 0")
    found = [trainer_left(Plain, [0, 1], Path("runs"), torch.device(kind)) for kind in ("cpu", "cuda")]
    assert found == ["native", None]


def test_auto_takes_what_is_finished_as_it_is(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a training that is killed between two seeds leaves it."""
    stand_in(monkeypatch)
    call("small/plain --trainer eager")
    call("small/plain --trainer auto --seed 0 1 --resume --record")
    assert [run.provenance["trainer"] for run in record.runs(Plain)] == ["eager", "eager"]


def test_what_resumes_with_another_trainer_is_refused(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch)
    stop(call, monkeypatch, "small/plain --trainer eager")
    status, _, err = call("small/plain --trainer native --resume")
    assert status == 2
    assert "was made with trainer eager (here native); go on with the same" in err


def test_a_checkpoint_of_an_older_version_is_refused(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("harness.jobs.worker.made_by", lambda trainer: {})
        stop(call, monkeypatch, "small/plain --trainer eager")
    assert "trainer" not in head()
    [file] = Path("runs").glob("small/plain/*.jsonl")
    assert len(run_file.read(file, Plain).epochs) == 2  # it stays readable
    status, _, err = call("small/plain --resume")
    assert status == 2
    assert "was made with a version that did not record the trainer; go on with the same, or delete it" in err


def test_a_native_record_grows_on_any_machine(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch)
    assert call("small/plain --trainer auto --seed 1 --record")[0] == 0
    first = record.path_of(Plain).read_text()
    move_to(monkeypatch, "Apple M1", threads=8)
    stand_in(monkeypatch, compiler="clang 19")
    assert call("small/plain --trainer auto --seed 2 --record")[0] == 0
    saved = record.read(Plain)
    assert saved is not None
    assert set(saved.provenance) == {"fingerprint", "data", "trainer", "numerics"}
    here, there = (run.provenance for run in saved.runs)
    assert (here["hardware"] != "Apple M1", there["hardware"], there["threads"]) == (True, "Apple M1", 8)
    assert record.path_of(Plain).read_text().startswith(first.removesuffix("\n ]\n}\n"))


def test_runs_are_not_added_to_a_record_of_another_trainer(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    call("small/plain --trainer eager --record")
    stand_in(monkeypatch)
    monkeypatch.setattr(engines, "work", None)  # nothing is trained
    status, _, err = call("small/plain --trainer auto --seed 1 --record")
    assert status == 2
    assert "plain.json was made with trainer eager (here native); add to it with --trainer eager, or start it " in err


def test_an_older_record_takes_no_more_runs(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    record.add(small.run_of(0))
    with pytest.raises(HarnessError, match="a version that did not record the trainer; start it anew with: "):
        record.check(Plain, {**small.MADE, "trainer": "eager"}, [1])
    status, _, err = call("small/plain --trainer eager --seed 1 --record")
    assert status == 2
    assert "was made with a version that did not record the trainer, " in err
    assert err.endswith("; start it anew with: python -m harness train small/plain --seed 0 1 --record --replace\n")
