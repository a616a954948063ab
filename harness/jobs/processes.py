"""The engine of processes: one process of one thread per core, or one process per GPU.

A worker receives the data once and then one job after the other. While it computes it says so again and again, so that
one that stands still, stopped by a signal or waiting for a lock for ever, is found and ended like one that died.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing.connection import Connection
from queue import Empty, SimpleQueue
from threading import Event, Lock, Thread
from typing import Any

import torch

from harness.child import Child, pickled, unpickled
from harness.data import MNIST
from harness.errors import HarnessError, foreign
from harness.jobs.job import AGAIN, Job, Results, StepsDone
from harness.jobs.worker import work
from harness.provenance import provenance
from harness.run import EAGER
from harness.step import Step
from harness.training import OnSteps, ignore_steps
from harness.training.choice import made_by

SILENCE = 300.0  # seconds; a compiler that a worker waits for takes less
START = 600.0  # seconds until the first sign of life; a cold disk takes long to load torch
CALLS = 30  # in that time
ALIVE = "alive"


class Processes:
    """Trains in one process per device, and ends a worker that has been silent for some seconds."""

    threads, here = 1, False

    def __init__(self, devices: Sequence[torch.device], silence: float = SILENCE) -> None:
        self.devices, self.device, self.workers = list(devices), devices[0], len(devices)
        self.silence, self.period = silence, silence / CALLS
        self.on_steps: OnSteps = ignore_steps

    def provenance(self, step: type[Step], trainer: str = EAGER) -> dict[str, Any]:
        """The provenance of a run in a worker, which has one thread on the CPU."""
        made = provenance(step, self.device, made_by(trainer))
        return {**made, "threads": self.threads} if self.device.type == "cpu" else made

    def run(self, jobs: Sequence[Job], data: MNIST) -> Results:
        """Train the jobs. A worker that dies or stands still loses its own job and no other; a new one replaces it."""
        arrays, waiting, arrivals = pickled(data.arrays()), deque(enumerate(jobs)), SimpleQueue[Child]()
        start = partial(_Worker, period=self.period, arrays=arrays, arrivals=arrivals)
        workers: list[_Worker] = []
        try:
            for device in self.devices[: len(jobs)]:
                workers.append(start(device))
            called = time.monotonic()
            while True:
                yield from _hand_out(waiting, workers, start)
                if all(worker.task is None for worker in workers):
                    return
                of_child = {worker.child: worker for worker in workers}
                for child in _arrived(arrivals, self.period):
                    if child in of_child:  # and not one that was replaced
                        yield from of_child[child].receive(self.on_steps)
                if time.monotonic() - called >= self.period:
                    called = time.monotonic()
                    for worker in workers:
                        yield from worker.call(self.silence)
        finally:
            for worker in workers:
                worker.child.end()


def _hand_out(
    waiting: deque[tuple[int, Job]], workers: "list[_Worker]", start: "Callable[[torch.device], _Worker]"
) -> Results:
    """Give each idle worker the next job that can be sent to it, and put a new one in the place of one that is lost."""
    for place in range(len(workers)):
        while waiting and workers[place].task is None:
            if workers[place].lost:
                workers[place].child.end()
                workers[place] = start(workers[place].device)
            yield from workers[place].take(*waiting.popleft())


def _arrived(arrivals: "SimpleQueue[Child]", period: float) -> list[Child]:
    """The processes of which there is a message, once for each, in order; none after a period without one."""
    try:
        first = arrivals.get(timeout=period)
    except Empty:
        return []
    return [first, *(arrivals.get() for _ in range(arrivals.qsize()))]


class _Worker:
    """A process that trains, and the job that it has, if any."""

    def __init__(self, device: torch.device, period: float, arrays: bytes, arrivals: "SimpleQueue[Child]") -> None:
        self.device, self.period = device, period
        self.child = Child(_serve, str(device), period, arrivals=arrivals)
        self.child.send(arrays)
        self.task: tuple[int, Job] | None = None
        self.heard, self.lost, self.missed = False, False, 0

    def take(self, index: int, job: Job) -> Results:
        """Begin a job, or yield why it cannot be sent: a step that its process could not import, for example."""
        try:
            with foreign("sending it to a worker", job.name):
                self.child.send(pickled(job))
        except HarnessError as error:
            yield index, error
        else:
            self.task, self.missed = (index, job), 0

    def receive(self, on_steps: OnSteps) -> Results:
        """Receive a message, and yield it if it is an update or an error; after the last one the task is over."""
        try:
            message = self.child.receive()
        except EOFError as end:
            yield from self._lose(f"its worker died ({end}); {AGAIN}")
            return
        self.heard, self.missed = True, 0
        if self.task is None:  # a last sign of life
            return
        if message is None:
            self.task = None
        elif isinstance(message, StepsDone):
            on_steps(self.task[1].step, self.task[1].seeds, *message)
        elif message != ALIVE:
            yield self.task[0], message

    def call(self, silence: float) -> Results:
        """Count a call since the last message; after as many as make the silence too long, end the process.

        Calls are counted and not seconds, of which a machine that was suspended would miss many at once.
        """
        self.missed += 1
        patience = silence if self.heard else START
        if self.task is not None and self.missed * self.period > patience:
            self.child.process.kill()  # one that was stopped would not heed SIGTERM
            yield from self._lose(
                f"its worker stood still for {patience:.0f} seconds, stopped or waiting for a lock, and was ended; "
                f"{AGAIN}"
            )

    def _lose(self, what: str) -> Results:
        self.lost = True
        if self.task is not None:
            (index, job), self.task = self.task, None
            yield index, HarnessError(f"{job.name}: {what}")


def _serve(connection: Connection, device: str, period: float) -> None:
    """Receive jobs and train them, until the other end of the pipe is closed."""
    if device == "cpu":
        torch.set_num_threads(1)
    with suppress(EOFError, OSError):  # of the connection alone: our parent is gone
        arrays, data = connection.recv(), None
        while True:
            raw = connection.recv_bytes()
            with heartbeat(connection, period) as send:
                try:
                    with foreign("loading it"):
                        job = unpickled(raw)
                        data = data or MNIST.of_arrays(arrays).to(device)
                    for update in work(job, data, lambda done, of: send(StepsDone(done, of))):
                        send(update)
                except HarnessError as error:
                    send(HarnessError(str(error)))
                send(None)


@contextmanager
def heartbeat(connection: Connection, period: float) -> Iterator[Callable[[Any], None]]:
    """Send ALIVE in every period in which this process computed something; gives a function that sends the rest.

    What it computed is what the processor did for all other threads: it tells a long epoch from a deadlock.
    """
    lock, over = Lock(), Event()

    def send(value: Any) -> None:
        with lock:
            connection.send(value)

    def beat() -> None:
        before = time.process_time() - time.thread_time()
        while not over.wait(period):
            spent = time.process_time() - time.thread_time()
            if spent - before > period / 1000:
                before = spent
                with suppress(OSError):
                    send(ALIVE)

    thread = Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield send
    finally:
        over.set()
        thread.join()
