"""Where independent trainings run: in this process, in processes of this machine, or on a Ray cluster.

On the CPU the histories are the same whichever it is, for workers of one thread: a training depends on its seed and on
nothing beside it.
"""

from collections.abc import Generator, Sequence
from typing import Any, Protocol

import torch

from harness.data import MNIST
from harness.device import cores, device_of
from harness.errors import HarnessError
from harness.provenance import provenance
from harness.step import Step
from harness.work import News, Task, work

NAMES = ("local", "processes", "ray")
Results = Generator[tuple[int, News | HarnessError]]
"""The place of a task, and what is new of it; after an error there is nothing more of that task."""


class Engine(Protocol):
    """A place where tasks are trained."""

    device: torch.device
    """What kind of device it is."""
    workers: int
    """How many tasks are trained at once."""

    def provenance(self, step: type[Step]) -> dict[str, Any]:
        """What runs of the step are made with there, as far as it is known beforehand."""

    def run(self, tasks: Sequence[Task], data: MNIST) -> Results:
        """Train the tasks, and tell of all as it happens; closing the generator ends the workers."""


class Local:
    """The process that asks, one task after the other."""

    workers = 1

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def provenance(self, step: type[Step]) -> dict[str, Any]:
        """See `Engine`."""
        return provenance(step, self.device)

    def run(self, tasks: Sequence[Task], data: MNIST) -> Results:
        """See `Engine`."""
        there = data.to(self.device)
        for place, task in enumerate(tasks):
            try:
                for news in work(task, there):
                    yield place, news
            except HarnessError as error:
                yield place, error


def engine_of(name: str, device: str, ray_address: str | None = None) -> Engine:
    """The engine of that name on the device for a word of the user; see `harness.device.device_of`.

    Raises HarnessError for a device that is not there, and for Ray where it is not installed or cannot be reached.
    """
    if name == "ray":
        from harness.ray_engine import OnRay

        return OnRay(device, ray_address)
    if ray_address is not None:
        raise HarnessError("--ray-address is for --engine ray; leave it out, or name that engine")
    if name == "processes":
        from harness.processes import Processes

        return Processes(devices_of(device_of(device)))
    return Local(device_of(device))


def devices_of(device: torch.device) -> list[torch.device]:
    """A device for each worker process: a core or a GPU each, or the one GPU that was named."""
    if device.type == "cpu":
        return [device] * cores()
    if device.index is not None:
        return [device]
    return [torch.device("cuda", index) for index in range(torch.cuda.device_count())]
