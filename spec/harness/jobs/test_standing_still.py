"""A worker that stands still is ended and named; one that computes is left alone, however long it takes."""

import os
import re
import signal
import struct
import threading
import time
from itertools import count
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.child import unpickled
from harness.errors import HarnessError
from harness.jobs import Request, Resumable, find_resumable, processes, run_jobs
from harness.jobs.engines import Local
from harness.jobs.job import Engine, Job, Update
from harness.jobs.processes import ALIVE, CALLS, SILENCE, START, Processes, heartbeat
from harness.run import Run
from harness.training import ignore_steps
from spec.harness.jobs import small
from spec.harness.jobs.faults import Note
from spec.harness.jobs.faults import note as note
from spec.harness.jobs.small import by_seed, ignore
from spec.harness.jobs.small import one_thread as one_thread

CPU = torch.device("cpu")
SEEDS = [0, 1, 2, 3]


def test_a_process_that_computes_nothing_sends_no_sign_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    """By processor times that the test makes up: nothing for five periods, then a tenth of a second."""
    ours, theirs = Pipe()
    asked = count()
    monkeypatch.setattr(time, "process_time", lambda: 7.0 if next(asked) < 6 else 7.1)
    monkeypatch.setattr(time, "thread_time", lambda: 0.5)
    with heartbeat(ours, period=0.001) as send:
        assert theirs.recv() == ALIVE
        assert next(asked) > 6
        send("an update")
        assert theirs.recv() == "an update"  # and no second sign for the same work
    ours.close()
    with pytest.raises(EOFError):
        theirs.recv()


def test_the_work_of_the_thread_that_looks_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = Pipe()
    whole, own, looked = count(10.0), count(), threading.Event()

    def thread_time() -> float:
        if (seconds := next(own)) > 5:
            looked.set()
        return float(seconds)

    monkeypatch.setattr(time, "process_time", lambda: next(whole))
    monkeypatch.setattr(time, "thread_time", thread_time)
    with heartbeat(ours, period=0.001):
        assert looked.wait(60)
    ours.close()
    with pytest.raises(EOFError):
        theirs.recv()


class _Process:
    """What `_Worker.call` needs of a process."""

    def __init__(self) -> None:
        self.killed = False

    def kill(self) -> None:
        self.killed = True


def worker(heard: bool) -> Any:
    """A worker with a job and no process."""
    made: Any = processes._Worker.__new__(processes._Worker)
    made.child = type("Child", (), {"process": _Process()})()
    made.task = (3, Job(small.Plain, (7,), 4))
    made.heard, made.lost, made.missed, made.period = heard, False, 0, SILENCE / CALLS
    return made


@pytest.mark.parametrize(("heard", "calls"), [(True, CALLS), (False, round(CALLS * START / SILENCE))])
def test_a_worker_is_ended_after_so_many_calls_in_silence(heard: bool, calls: int) -> None:
    silent = worker(heard)
    assert [update for _ in range(calls) for update in silent.call(SILENCE)] == []
    assert not silent.child.process.killed
    [(index, error)] = silent.call(SILENCE)
    assert (index, silent.child.process.killed, silent.lost, silent.task) == (3, True, True, None)
    seconds = 300 if heard else 600
    assert str(error) == (
        f"small/plain, seed 7: its worker stood still for {seconds} seconds, stopped or waiting for a lock, "
        "and was ended; start it again, with --resume for train"
    )


def test_what_a_worker_without_a_job_says_or_dies_of_is_of_no_job() -> None:
    idle = worker(heard=False)
    idle.task = None
    said = iter([ALIVE])
    idle.child.receive = lambda: next(said)
    assert list(idle.receive(ignore_steps)) == []
    assert (idle.heard, idle.lost) == (True, False)

    def ended() -> None:
        raise EOFError("SIGKILL")

    idle.child.receive = ended
    assert list(idle.receive(ignore_steps)) == []
    assert idle.lost  # so that the next job gets another process


def test_a_step_that_a_worker_could_not_import_is_said_and_leaves_the_worker_free() -> None:
    class Inner(small.Plain):
        """A step that only this function has."""

    free, sent = worker(heard=False), list[bytes]()
    free.task, free.child.send = None, sent.append
    [(index, error)] = free.take(2, Job(Inner, (7,), 4))
    assert (index, free.task, sent) == (2, None, [])
    assert re.search(r"seed 7: sending it to a worker raised \w+: Can't \w+ local object", str(error))


def stops_half_way(connection: Connection, device: str, period: float) -> None:
    """Of a message of a million bytes, send the length and the first part; another worker answers at once."""
    connection.recv()
    job = unpickled(connection.recv_bytes())
    if job.seeds == (0,):
        connection.send(ALIVE)
        os.write(connection.fileno(), struct.pack("!i", 1_000_000) + bytes(50_000))
        os.kill(os.getpid(), signal.SIGSTOP)
    connection.send(Update(b"whole"))
    connection.send(None)
    connection.recv()


@pytest.mark.end_to_end
def test_a_worker_that_is_stopped_half_way_through_a_message_costs_its_own_seed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(processes, "_serve", stops_half_way)
    jobs = [Job(small.Plain, (seed,), epochs=2) for seed in (0, 1)]
    found = dict(Processes([CPU, CPU], silence=2.0).run(jobs, small.images()))
    assert found[1] == Update(b"whole")
    assert str(found[0]).startswith("small/plain, seed 0: its worker stood still for 2 seconds, stopped or waiting")


def train(engine: Engine, folder: Path, resume: bool = False) -> list[Run]:
    """The runs of four seeds; those that are finished when an error comes are in the list of the caller."""
    request = Request(small.Standing, SEEDS, 4, "eager", folder)
    resumable = find_resumable(request, engine) if resume else Resumable(request)
    runs: list[Run] = []
    try:
        runs.extend(run_jobs(resumable, engine, small.images(), ignore))
    except HarnessError as error:
        raise StandingError(runs, str(error)) from error
    return runs


class StandingError(Exception):
    """The runs that were finished all the same, and the error."""


@pytest.mark.slow
def test_workers_that_stand_still_cost_their_own_seeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, note: Note
) -> None:
    expected = by_seed(train(Local(CPU), tmp_path / "local"))
    stands = tmp_path / "stands"
    stands.touch()
    monkeypatch.setenv(small.DIES, str(stands))
    with pytest.raises(StandingError) as lost:
        train(Processes([CPU, CPU], silence=5), tmp_path / "processes")
    runs, message = lost.value.args
    for seed in (1, 2):
        assert f"small/standing, seed {seed}: its worker stood still for 5 seconds" in message
    assert by_seed(runs) == {seed: run for seed, run in expected.items() if seed not in (1, 2)}
    stands.unlink()
    assert by_seed(train(Local(CPU), tmp_path / "processes", resume=True)) == expected
    note(
        "workers stand still",
        "in the second epoch one of two workers is stopped by SIGSTOP, and later one waits for a lock that it has",
        2,
        "each is ended after a silence, here of 5 seconds, and named with its seed; the other two runs are those of "
        "`--engine local` bit for bit; `--resume` ends with all four",
    )
