"""Jobs are handed to an engine once, and each run is yielded once, with what the engine reported."""

import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.errors import HarnessError
from harness.jobs import dispatch, engines
from harness.jobs.dispatch import run_jobs
from harness.jobs.engines import Local
from harness.jobs.job import Job, Request, Results, Update
from harness.jobs.resume import Resumable
from harness.provenance import commit
from harness.run import Epoch, Run
from harness.step import Step
from spec.harness.jobs.scripted import scripted
from spec.harness.jobs.small import Plain, ignore, images, run_of

CPU = torch.device("cpu")
ACCURACIES = [99.1, 99.2, 99.3]


class Interleaved:
    """An engine whose jobs report in turn; one of these seeds never begins, and its worker has died."""

    device, workers, threads, here = CPU, 2, 1, False

    def __init__(self, dead: Sequence[int] = ()) -> None:
        self.dead, self.jobs, self.closed = dead, list[Job](), False

    def provenance(self, step: type[Step], trainer: str = "eager") -> dict[str, Any]:
        raise NotImplementedError

    def run(self, jobs: Sequence[Job], data: object) -> Results:
        self.jobs += jobs
        work = scripted(*ACCURACIES)
        updates = [work(job, data) for job in jobs if not set(self.dead) & set(job.seeds)]
        numbers = [n for n, job in enumerate(jobs) if not set(self.dead) & set(job.seeds)]
        for n, job in enumerate(jobs):
            if set(self.dead) & set(job.seeds):
                yield n, HarnessError(f"{job.name}: its worker died")
        try:
            for step in zip(*updates, strict=True):
                yield from zip(numbers, step, strict=True)
        finally:
            self.closed = True


@pytest.fixture
def shown() -> list[tuple[int, int]]:
    """The seed and the number of each epoch that was reported."""
    return []


def runs_of(
    engine: Any, folder: Path, shown: list[tuple[int, int]], seeds: Sequence[int], finished: Sequence[Run] = ()
) -> Iterator[Run]:
    return dispatch.run_jobs(
        Resumable(Request(Plain, seeds, 2, "native", folder), finished=list(finished)),
        engine,
        images(),
        lambda step, seed, epoch: shown.append((seed, epoch.epoch)),
    )


def test_each_seed_is_a_job_with_all_that_it_needs(tmp_path: Path, shown: list[tuple[int, int]]) -> None:
    engine = Interleaved()
    runs = list(runs_of(engine, tmp_path, shown, [0, 2]))
    assert [(job.step, job.seeds, job.epochs, job.checkpoint, job.trainer) for job in engine.jobs] == [
        (Plain, (seed,), 2, None, "native") for seed in (0, 2)
    ]
    assert all(job.head == commit() for job in engine.jobs)
    assert [(run.seed, run.accuracies()) for run in runs] == [(0, (99.1, 99.1)), (2, (99.3, 99.3))]
    assert shown == [(0, 1), (2, 1), (0, 2), (2, 2)]
    assert engine.closed


def test_finished_runs_come_first_and_are_not_trained(tmp_path: Path, shown: list[tuple[int, int]]) -> None:
    engine = Interleaved()
    first, second = runs_of(engine, tmp_path, shown, [1], finished=[run_of(0)])
    assert (first.as_json(), second.seed) == (run_of(0).as_json(), 1)
    assert [job.seeds for job in engine.jobs] == [(1,)]
    assert shown == [*((0, n) for n in range(1, 5)), (1, 1), (1, 2)]


def test_a_checkpoint_stays_until_the_next_run_is_asked_for(tmp_path: Path, shown: list[tuple[int, int]]) -> None:
    runs = runs_of(Interleaved(), tmp_path, shown, [0, 1])
    assert next(runs).seed == 0
    assert len(list(tmp_path.rglob("*.safetensors"))) == 2
    assert next(runs).seed == 1
    assert [path.name.split("-")[0] for path in tmp_path.rglob("*.safetensors")] == ["seed1"]
    assert list(runs) == []
    assert {path.suffix for path in tmp_path.rglob("*.*")} == {".jsonl"}


def test_whoever_stops_asking_ends_the_engine_and_keeps_the_checkpoints(
    tmp_path: Path, shown: list[tuple[int, int]]
) -> None:
    engine = Interleaved()
    runs = runs_of(engine, tmp_path, shown, [0, 1])
    next(runs)
    runs.close()  # type: ignore[attr-defined]
    assert engine.closed
    assert len(list(tmp_path.rglob("*.safetensors"))) == 2
    with pytest.raises(StopIteration):
        next(runs)


def test_a_network_that_is_no_classifier_of_digits_is_refused_before_a_file_is_written(
    tmp_path: Path, shown: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Plain, "model", lambda: torch.nn.Flatten())
    with pytest.raises(HarnessError, match="into 2 x 784, not 2 x 10"):
        next(runs_of(Interleaved(), tmp_path, shown, [0]))
    assert list(tmp_path.iterdir()) == []


def test_what_died_is_named_after_the_others_are_done(tmp_path: Path, shown: list[tuple[int, int]]) -> None:
    runs = runs_of(Interleaved(dead=[0, 2]), tmp_path, shown, [0, 1, 2])
    assert next(runs).seed == 1
    with pytest.raises(HarnessError) as raised:
        next(runs)
    assert str(raised.value) == "small/plain, seed 0: its worker died; small/plain, seed 2: its worker died"


def test_the_trainer_of_a_job_that_failed_is_gone_before_the_next_begins(tmp_path: Path) -> None:
    class Fails(Interleaved):
        def run(self, jobs: Sequence[Job], data: object) -> Results:
            error, trainer = HarnessError("out of memory"), Interleaved()
            error.trainer, kept = trainer, weakref.ref(trainer)  # type: ignore[attr-defined]
            del trainer
            yield 0, error
            del error
            assert kept() is None
            yield 1, HarnessError("as well")

    with pytest.raises(HarnessError, match="^out of memory; as well$"):
        list(runs_of(Fails(), tmp_path, [], [0, 1]))


def test_seeds_are_trained_in_their_order_for_as_many_epochs_and_by_whom_one_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def work(job: Job, data: object, *_: object) -> Iterator[Update]:
        made.append(job.trainer)
        yield from scripted(*ACCURACIES)(job, data)

    monkeypatch.setattr(engines, "work", work)
    shown: list[tuple[type[Step], int, Epoch]] = []
    engine, data = Local(CPU), images()
    whole = list(run_jobs(Resumable(Request(Plain, [2, 0], 4, "eager", tmp_path)), engine, data, ignore))
    assert [(run.seed, len(run.epochs)) for run in whole] == [(2, 4), (0, 4)]
    request = Request(Plain, [1], 1, "native", tmp_path)
    [short] = run_jobs(Resumable(request), engine, data, lambda *each: shown.append(each))
    assert made == ["eager", "eager", "native"]
    assert (short.seed, len(short.epochs)) == (1, 1)
    assert shown == [(Plain, 1, short.epochs[0])]
