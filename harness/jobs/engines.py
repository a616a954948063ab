"""Where independent trainings run: in this process, in processes of this machine, or on a Ray cluster.

On the CPU the histories are the same whichever it is, for workers of one thread: a training depends on its seed and on
nothing beside it.
"""

from collections.abc import Sequence
from typing import Any

import torch

from harness.data import MNIST
from harness.device import cores, device_of
from harness.errors import HarnessError
from harness.jobs.job import Engine, Job, Results
from harness.jobs.processes import Processes
from harness.jobs.worker import work
from harness.provenance import provenance
from harness.step import Step

NAMES = ("local", "processes", "ray")


class Local:
    """The process that asks, one task after the other."""

    workers = 1

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def provenance(self, step: type[Step]) -> dict[str, Any]:
        """See `harness.jobs.Engine`."""
        return provenance(step, self.device)

    def run(self, tasks: Sequence[Job], data: MNIST) -> Results:
        """See `harness.jobs.Engine`."""
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
        from harness.jobs.ray_cluster import OnRay  # which sets environment variables of Ray

        return OnRay(device, ray_address)
    if ray_address is not None:
        raise HarnessError("--ray-address is for --engine ray; leave it out, or name that engine")
    if name == "processes":
        return Processes(devices_of(device_of(device)))
    return Local(device_of(device))


def devices_of(device: torch.device) -> list[torch.device]:
    """A device for each worker process: a core or a GPU each, or the one GPU that was named."""
    if device.type == "cpu":
        return [device] * cores()
    if device.index is not None:
        return [device]
    return [torch.device("cuda", index) for index in range(torch.cuda.device_count())]
