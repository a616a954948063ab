"""The engine of processes: one for each core, with one thread, or one for each GPU.

A worker is a fresh interpreter that is sent the data once and then one task after the other. What it sends back is
pickled by one process of ours for another, through a pipe that no one else can open.
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
from harness.step import Step

PATIENCE = 10.0  # seconds for a worker to end before it is killed


class Processes:
    """A process for each of the devices given, on which it trains task after task."""

    def __init__(self, devices: Sequence[torch.device]) -> None:
        self.devices, self.device, self.workers = list(devices), devices[0], len(devices)

    def provenance(self, step: type[Step]) -> dict[str, Any]:
        """See `harness.jobs.Engine`."""
        made = provenance(step, self.device)
        return {**made, "threads": 1} if self.device.type == "cpu" else made

    def run(self, tasks: Sequence[Job], data: MNIST) -> Results:
        """See `harness.jobs.Engine`. A worker that dies loses its task alone; another takes its place."""
        arrays = data.arrays()
        waiting = deque(range(len(tasks)))
        idle = [Worker(device) for device in self.devices[: len(tasks)]]
        busy: dict[Connection, tuple[Worker, int]] = {}
        try:
            for worker in idle:
                worker.send(arrays)
            while waiting or busy:
                while waiting and idle:
                    worker, place = idle.pop(), waiting.popleft()
                    busy[worker.connection] = worker, place
                    worker.send(tasks[place])
                for connection in wait(list(busy)):
                    worker, place = busy[connection]  # type: ignore[index]  # what was given to `wait`
                    news = worker.receive(tasks[place])
                    if news is not None:
                        yield place, news
                    if news is None or not worker.alive:
                        del busy[worker.connection]
                        if worker.alive:
                            idle.append(worker)
                        else:
                            worker.end()
                            if waiting:
                                idle.append(Worker(worker.device))
                                idle[-1].send(arrays)
        finally:
            for worker in [*idle, *(worker for worker, _ in busy.values())]:
                worker.end()


class Worker:
    """A process that trains, seen from the one that asked for it."""

    def __init__(self, device: torch.device) -> None:
        context = get_context("spawn")  # a fork would share locks and threads of torch in whatever state they are
        self.device = device
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs, str(device)), daemon=True)
        self.process.start()
        theirs.close()  # or the death of the process would not close the pipe
        self.alive = True

    def send(self, value: Any) -> None:
        """Send something; that the process is dead is noticed when it is to answer."""
        try:
            self.connection.send(value)
        except OSError:
            self.alive = False

    def receive(self, task: Job) -> Any:
        """What it sends next: news, an error, or None when the task is over; an error as well if it is dead."""
        try:
            return self.connection.recv()
        except (EOFError, OSError):
            self.alive = False
            self.process.join(PATIENCE)
            return HarnessError(f"{task.name}: its worker died ({how(self.process.exitcode)}); go on with --resume")

    def end(self) -> None:
        """End the process, and wait until it is gone."""
        self.process.terminate()
        self.process.join(PATIENCE)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.connection.close()


def how(status: int | None) -> str:
    """How a process ended, in words."""
    if status is not None and status < 0:
        return signal.Signals(-status).name
    return f"exit status {status}"


def serve(connection: Connection, device: str) -> None:
    """What a worker does until nobody is there to send it tasks."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the Ctrl-C of a terminal goes to all; who asked for us ends us
    if device == "cpu":
        torch.set_num_threads(1)
    try:
        data = MNIST.of_arrays(connection.recv()).to(device)
        while True:
            task = connection.recv()
            try:
                for news in work(task, data):
                    connection.send(news)
                connection.send(None)
            except HarnessError as error:
                connection.send(error)
                connection.send(None)
            except OSError:
                raise
            except Exception as error:  # whatever the network of a user raises
                traceback.print_exc()
                connection.send(HarnessError(f"{task.name}: {type(error).__name__}: {error}"))
                connection.send(None)
    except (EOFError, OSError):
        return  # whoever asked for the training is gone
