"""All cores are measured in processes that start together, end with their parent, and are not taken for the recipe."""

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing import Pipe
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import torch

from harness import Recipe, StepSpec, steps
from harness.benchmark import all_cores
from harness.benchmark.implementations import IMPLEMENTATIONS
from harness.child import pickled, unpickled
from harness.data.synthetic import synthetic
from harness.errors import HarnessError
from spec.harness.jobs.small import Network
from spec.harness.support.paths import ROOT
from spec.harness.support.processes import alive_in

PIDS = "SPEC_PIDS"  # the environment variable that names a file with the processes that trained


class Plain(StepSpec):
    """A step that a worker finds in this module."""

    model = Network
    recipe = Recipe(lr=0.1, batch_size=32, epochs=4)


class _Mortal(Network):
    """Kills its process if that is a worker."""

    def __init__(self) -> None:
        super().__init__()
        if multiprocessing.parent_process() is not None:
            os.kill(os.getpid(), signal.SIGKILL)


class Dying(Plain):
    """A step whose workers die before they are ready."""

    model = _Mortal


class _Noted(Network):
    """Notes the process that it is in."""

    def __init__(self) -> None:
        super().__init__()
        with open(os.environ[PIDS], "a") as file:
            file.write(f"{os.getpid()}\n")


class Noted(Plain):
    """A step that notes the processes in which it is measured."""

    model = _Noted


class Clock:
    """A clock that a training step moves by 20 ms."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now

    def steps(self, fails_at: int = -1) -> Iterator[None]:
        while True:
            self.now += 0.02
            if round(self.now / 0.02) == fails_at:
                raise ValueError("of the recipe")
            yield


class StandIn:
    """An implementation whose steps are those of a clock."""

    def __init__(self, clock: Clock, fails_at: int = -1) -> None:
        self.clock, self.fails_at = clock, fails_at

    def steps(self) -> Iterator[None]:
        return self.clock.steps(self.fails_at)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(all_cores, "time", clock)
    monkeypatch.setattr(torch, "set_num_threads", lambda n: None)
    return clock


@pytest.fixture
def worker() -> Iterator[Any]:
    """The pipe to a worker in a thread, which has the images."""
    ours, theirs = Pipe()
    thread = Thread(target=all_cores._measure, args=(theirs, "mine/step"))
    thread.start()
    ours.send(synthetic(64).arrays())
    assert ours.recv() == all_cores.READY
    yield ours
    ours.close()
    thread.join(30)
    assert not thread.is_alive()


def test_a_worker_measures_once_it_is_told_to(clock: Clock, worker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(IMPLEMENTATIONS, "eager", lambda *_: StandIn(clock))
    for taken in (10, 10 + 50 + 10):
        worker.send_bytes(pickled(("eager", Plain, 1, 50)))
        assert worker.recv() == all_cores.READY
        assert clock.now == pytest.approx(0.02 * taken)  # warm, and waiting
        worker.send(all_cores.START)
        assert worker.recv() == pytest.approx(32 / 0.02)


@pytest.mark.parametrize(("fails_at", "answers"), [(5, 0), (30, 1)])
def test_what_a_recipe_raises_is_an_answer(
    clock: Clock, worker: Any, monkeypatch: pytest.MonkeyPatch, fails_at: int, answers: int
) -> None:
    """In the warm-up or later; the worker is there for the next question."""
    monkeypatch.setitem(IMPLEMENTATIONS, "eager", lambda *_: StandIn(clock, fails_at))
    worker.send_bytes(pickled(("eager", Plain, 1, 50)))
    for _ in range(answers):
        assert worker.recv() == all_cores.READY
        worker.send(all_cores.START)
    error = worker.recv()
    assert isinstance(error, HarnessError)
    assert str(error).startswith("mine/step: its recipe raised ValueError: of the recipe (test_all_cores.py, line ")
    worker.send_bytes(b"no pickle")
    assert str(worker.recv()).startswith("mine/step: loading it raised UnpicklingError: ")


class Scripted:
    """A worker with prepared answers; EOFError for one that dies."""

    made: list["Scripted"]
    scripts: list[list[Any]]

    def __init__(self, *_: object) -> None:
        self.answers = iter(self.scripts[len(self.made)])
        self.asked: list[Any] = []
        self.ended = 0
        self.made.append(self)

    def send(self, raw: bytes) -> None:
        self.asked.append(unpickled(raw))

    def receive(self) -> Any:
        answer = next(self.answers)
        if isinstance(answer, EOFError):
            raise answer
        return answer

    def end(self) -> None:
        self.ended += 1


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> type[Scripted]:
    """Two cores, and workers that follow a script."""
    Scripted.made = []
    monkeypatch.setattr(all_cores, "cores", lambda: 2)
    monkeypatch.setattr(all_cores, "Child", Scripted)
    return Scripted


def test_rates_are_summed_over_processes_and_the_median_of_turns(scripted: type[Scripted]) -> None:
    def answers(*rates: float) -> list[Any]:
        return [all_cores.READY, *(answer for rate in rates for answer in (all_cores.READY, rate))]

    # in each turn: one thread, one process of two, two processes
    scripted.scripts = [answers(10, 14, 9, 30, 16, 8, 11, 15, 7), answers(9, 9, 5)]
    rows = all_cores.on_all_cores(Plain, synthetic(64), ["eager"], 3, 50)
    assert [(row["processes"], row["threads"], row["images_per_s"]) for row in rows] == [
        (1, 1, 11),
        (1, 2, 15),
        (2, 1, 17),
    ]
    assert [one.asked.count(all_cores.START) for one in scripted.made] == [9, 3]
    assert [one.ended for one in scripted.made] == [1, 1]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (EOFError("SIGKILL"), f"{Plain.id}: a process that measured it died (SIGKILL)"),
        (HarnessError("its recipe raised"), "its recipe raised"),
    ],
)
def test_where_a_worker_is_never_ready_no_other_starts(
    scripted: type[Scripted], answer: BaseException, message: str
) -> None:
    ready = all_cores.READY
    scripted.scripts = [[ready, ready, 10, ready, 14, ready], [ready, answer]]
    with pytest.raises(HarnessError) as error:
        all_cores.on_all_cores(Plain, synthetic(64), ["eager"], 3, 50)
    assert str(error.value) == message
    assert [one.asked[-1] for one in scripted.made] == [("eager", Plain, 1, 50)] * 2
    assert [one.ended for one in scripted.made] == [1, 1]


@pytest.mark.end_to_end
def test_all_cores_are_measured_as_threads_and_as_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the folder of temporary files has a longer name than a socket can have."""
    long = tmp_path / ("x" * 120)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    monkeypatch.setenv("TMPDIR", str(long))
    monkeypatch.setattr(all_cores, "cores", lambda: 2)
    rows = all_cores.on_all_cores(steps()["frontier/step6"], synthetic(64), ["native"], 2, 2)
    settings = [(row["way"], row["processes"], row["threads"]) for row in rows]
    assert settings == [("native", 1, 1), ("native", 1, 2), ("native", 2, 1)]
    assert all(row["images_per_s"] > 0 for row in rows)


@pytest.mark.end_to_end
def test_a_worker_that_dies_is_one_line_and_leaves_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(all_cores, "cores", lambda: 2)
    with pytest.raises(HarnessError) as error:
        all_cores.on_all_cores(Dying, synthetic(64), ["eager"], 1, 1)
    assert str(error.value) == f"{Dying.id}: a process that measured it died (SIGKILL)"
    assert multiprocessing.active_children() == []


ENDLESS = """
from harness.benchmark import all_cores
from harness.data.synthetic import synthetic
from spec.harness.benchmark.test_all_cores import Noted

if __name__ == "__main__":
    all_cores.cores = lambda: 2
    all_cores.on_all_cores(Noted, synthetic(64), ["eager"], 1_000_000, 2)
"""


@pytest.mark.end_to_end
def test_workers_end_with_their_parent(tmp_path: Path) -> None:
    (tmp_path / "endless.py").write_text(ENDLESS)
    pids = tmp_path / "pids"
    process = subprocess.Popen(
        [sys.executable, "endless.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), PIDS: str(pids)},
        process_group=0,
    )
    deadline = time.monotonic() + 160
    while not pids.exists() or len(set(pids.read_text().split())) < 2:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.terminate()
    assert process.wait(30) == -signal.SIGTERM
    deadline = time.monotonic() + 30
    while alive_in(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive_in(process.pid)
