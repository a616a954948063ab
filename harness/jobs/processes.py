"""The engine of processes: one process of one thread per core, or one process per GPU.

A worker is a fresh interpreter. It receives the data once and then one job after the other. Updates are pickled by one
process of ours for another, and go through a pipe that nobody else can open.
"""

import signal
import traceback
from collections import deque
from collections.abc import Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any

import torch

from harness.data import MNIST
from harness.errors import HarnessError
from harness.jobs.job import Job, Results
from harness.jobs.worker import work
from harness.provenance import provenance
from harness.run import EAGER
from harness.step import Step
from harness.training.choice import made_by

PATIENCE = 10.0  # seconds that a worker has to end before it is killed


class Processes:
    """Trains in one process per device."""

    def __init__(self, devices: Sequence[torch.device]) -> None:
        self.devices, self.device, self.workers = list(devices), devices[0], len(devices)

    def provenance(self, step: type[Step], trainer: str = EAGER) -> dict[str, Any]:
        """The provenance of a run in a worker, which has one thread on the CPU."""
        made = provenance(step, self.device, made_by(trainer))
        return {**made, "threads": 1} if self.device.type == "cpu" else made

    def run(self, jobs: Sequence[Job], data: MNIST) -> Results:
        """Train the jobs. A worker that dies loses its own job and no other; a new worker takes its place."""
        arrays = data.arrays()
        waiting = deque(range(len(jobs)))
        idle = [_Worker(device) for device in self.devices[: len(jobs)]]
        busy: dict[Connection, tuple[_Worker, int]] = {}
        try:
            for worker in idle:
                worker.send(arrays)
            while waiting or busy:
                while waiting and idle:
                    worker, index = idle.pop(), waiting.popleft()
                    busy[worker.connection] = worker, index
                    worker.send(jobs[index])
                for connection in wait(list(busy)):
                    worker, index = busy[connection]  # type: ignore[index]  # `wait` returns what it was given
                    update = worker.receive(jobs[index])
                    if update is not None:
                        yield index, update
                    if update is None or not worker.alive:
                        del busy[worker.connection]
                        if worker.alive:
                            idle.append(worker)
                        else:
                            worker.end()
                            if waiting:
                                idle.append(_Worker(worker.device))
                                idle[-1].send(arrays)
        finally:
            for worker in [*idle, *(worker for worker, _ in busy.values())]:
                worker.end()


class _Worker:
    """A process that trains, as the process that started it sees it."""

    def __init__(self, device: torch.device) -> None:
        context = get_context("spawn")  # a fork would copy torch's locks in whatever state they are
        self.device = device
        self.connection, remote = context.Pipe()
        self.process = context.Process(target=_serve, args=(remote, str(device)), daemon=True)
        self.process.start()
        remote.close()  # else the death of the process would not close the pipe
        self.alive = True

    def send(self, value: Any) -> None:
        """Send a value; if the process is dead, `receive` says so."""
        try:
            self.connection.send(value)
        except OSError:
            self.alive = False

    def receive(self, job: Job) -> Any:
        """The next update, an error if the job failed or the worker died, or None once the job is over."""
        try:
            return self.connection.recv()
        except (EOFError, OSError):
            self.alive = False
            self.process.join(PATIENCE)
            reason = exit_reason(self.process.exitcode)
            return HarnessError(f"{job.name}: its worker died ({reason}); go on with --resume")

    def end(self) -> None:
        """End the process and wait until it is gone."""
        self.process.terminate()
        self.process.join(PATIENCE)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.connection.close()


def exit_reason(status: int | None) -> str:
    """How a process ended: the name of a signal, or its exit status."""
    if status is not None and status < 0:
        return signal.Signals(-status).name
    return f"exit status {status}"


def _serve(connection: Connection, device: str) -> None:
    """Receive jobs and train them, until the other end of the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends Ctrl-C to all; our parent ends us
    if device == "cpu":
        torch.set_num_threads(1)
    try:
        data = MNIST.of_arrays(connection.recv()).to(device)
        while True:
            job = connection.recv()
            try:
                for update in work(job, data):
                    connection.send(update)
                connection.send(None)
            except HarnessError as error:
                connection.send(error)
                connection.send(None)
            except OSError:
                raise
            except Exception as error:  # a user's network may raise anything
                traceback.print_exc()
                connection.send(HarnessError(f"{job.name}: {type(error).__name__}: {error}"))
                connection.send(None)
    except (EOFError, OSError):
        return  # our parent is gone
