"""The engine of processes, with stand-ins for them: what they say, and when they are taken to stand still."""

from collections import deque
from errno import EAGAIN
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from harness.jobs import engines, processes
from harness.jobs.job import Job, StepsDone, Update
from harness.jobs.processes import ALIVE, Processes
from harness.step import Step
from spec.harness.jobs import small

CPU = torch.device("cpu")


class Said:
    """A stand-in for a process, which says what a test has it say."""

    existing: list["Said"]

    def __init__(self, *_: Any, arrivals: "SimpleQueue[Said]") -> None:
        self.arrivals, self.messages, self.received = arrivals, deque[Any](), 0
        self.process = SimpleNamespace(kill=lambda: None)
        self.existing.append(self)

    def send(self, raw: bytes) -> None:
        self.received += 1
        if [one.received for one in self.existing] == [2, 2]:  # the images, and a job each
            self.existing[0].say(ALIVE)
            self.existing[1].say(StepsDone(0, 1000))

    def say(self, message: Any) -> None:
        self.messages.append(message)
        self.arrivals.put(self)

    def receive(self) -> Any:
        return self.messages.popleft()

    def end(self) -> None:
        pass


def test_a_worker_that_is_silent_while_another_says_much_is_not_taken_for_still(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A hundred messages within a moment are no three hundred seconds."""
    monkeypatch.setattr(Said, "existing", existing := list[Said](), raising=False)
    monkeypatch.setattr(processes, "Child", Said)
    engine = Processes([CPU, CPU])

    def on_steps(step: type[Step], seeds: Any, done: int, of: int) -> None:
        if done < 100:
            existing[1].say(StepsDone(done + 1, of))
            return
        for one in existing:
            one.say(Update(b"the end"))
            one.say(None)

    engine.on_steps = on_steps
    found = list(engine.run([Job(small.Plain, (seed,), 1) for seed in (0, 1)], small.images()))
    assert found == [(0, Update(b"the end")), (1, Update(b"the end"))]


def test_every_core_has_a_process_with_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "cores", lambda: 3)
    engine = engines.engine_of("processes", "cpu")
    assert isinstance(engine, Processes)
    assert (engine.workers, [str(one) for one in engine.devices]) == (3, ["cpu"] * 3)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)  # of this process, and not of its workers
    assert engine.provenance(small.Plain)["threads"] == 1


def test_a_worker_that_cannot_be_started_leaves_none_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []

    class Started:
        n = 0

        def __init__(self, *_: Any, **__: Any) -> None:
            Started.n += 1
            if Started.n == 2:
                raise BlockingIOError(EAGAIN, "Resource temporarily unavailable")
            self.number = Started.n

        def send(self, _: Any) -> None:
            pass

        def end(self) -> None:
            ended.append(self.number)

    monkeypatch.setattr(processes, "Child", Started)
    with pytest.raises(BlockingIOError):
        list(Processes([CPU] * 3).run([Job(small.Plain, (seed,), 1) for seed in range(3)], small.images()))
    assert ended == [1]
