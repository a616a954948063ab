"""Where independent jobs train: in this process, in processes of this machine, or on a Ray cluster.

With workers of one thread on the CPU, the runs are the same wherever they train: a run depends on nothing but its seed.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch

from harness.data import MNIST
from harness.device import cores, device_of, gpus
from harness.errors import HarnessError
from harness.jobs.job import Engine, Job, Results
from harness.jobs.processes import Processes
from harness.jobs.worker import work
from harness.machine import hardware
from harness.provenance import provenance
from harness.run import EAGER
from harness.step import Step
from harness.training import OnSteps, ignore_steps
from harness.training.choice import made_by


class Local:
    """Trains in this process, one job after the other."""

    workers, here = 1, True

    def __init__(self, device: torch.device) -> None:
        self.device, self.threads = device, torch.get_num_threads()
        self.on_steps: OnSteps = ignore_steps

    def provenance(self, step: type[Step], trainer: str = EAGER) -> dict[str, Any]:
        """The provenance of a run in this process."""
        return provenance(step, self.device, made_by(trainer))

    def run(self, jobs: Sequence[Job], data: MNIST) -> Results:
        """Train the jobs in order; one that fails does not stop the others."""
        data = data.to(self.device)
        for index, job in enumerate(jobs):
            try:
                for update in work(job, data, partial(self.on_steps, job.step, job.seeds)):
                    yield index, update
            except HarnessError as error:
                yield index, error


def engine_of(name: str, device: str, ray_address: str | None = None) -> Engine:
    """The engine with that name, on the device that a user's word means; see `harness.device.device_of`.

    Raises HarnessError if there is no such device, and if Ray is not installed or cannot be reached.
    """
    if name == "ray":
        from harness.jobs.ray_cluster import RayCluster  # which sets environment variables of Ray

        return RayCluster(device, ray_address)
    if ray_address is not None:
        raise HarnessError("--ray-address is for --engine ray; leave it out, or name that engine")
    if name == "processes":
        return Processes(_devices_of(device_of(device)))
    return Local(device_of(device))


def _devices_of(device: torch.device) -> list[torch.device]:
    """One device per worker process: the CPU once per core, the GPU that was named, or all that are like the first.

    The runs of one record are of one kind of GPU.
    """
    if device.type == "cpu":
        return [device] * cores()
    if device.index is not None:
        return [device]
    first, *others = gpus()
    return [first, *(gpu for gpu in others if hardware(gpu) == hardware(first))]
