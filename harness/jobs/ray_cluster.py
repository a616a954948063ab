"""The engine of Ray: the tasks of a step on all nodes of a cluster, one processor or one whole GPU each.

The data goes to the object store once. A task whose node dies is run again on another, from where it had begun; since
it comes to the same numbers, what was heard of it before stays true. Whoever can reach the ports of a Ray cluster can
run code on it, so that one that is started here has the loopback address.
"""

import os
import socket
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from harness.data import MNIST
from harness.data.download import Arrays
from harness.device import cores, known
from harness.errors import HarnessError
from harness.jobs.job import Job, Results, Update
from harness.jobs.worker import work
from harness.provenance import provenance
from harness.step import Step

RETRIES = 3  # deaths of a node that a task survives
OF_A_NODE = {"hardware", "platform", "python", "threads"}  # what may be different on another machine

LOOPBACK = {"127.0.0.1", "localhost"}

# No report of our use to the makers of Ray, and no warning of what it will do about GPUs in tasks that have none.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")


class OnRay:
    """A Ray cluster: the one at an address, or one that is started on this machine for as long as it is needed."""

    def __init__(self, device: str, address: str | None) -> None:
        if address is None or reachable(address) in LOOPBACK:
            # Ray's own switch for a cluster on one machine: without it, it listens on every interface, and turns an
            # address on the loopback into another one. It is read when Ray is imported.
            os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
        try:
            import ray
        except ImportError as error:
            raise HarnessError("--engine ray needs Ray; install it with: pip install 'mnist-ladders[ray]'") from error
        if known(device).startswith("cuda:"):
            raise HarnessError(f"--engine ray gives each task a GPU of its own; name --device cuda, not {device}")
        self.ray: Any = ray
        self._connect(address)
        there = self.ray.cluster_resources()
        gpus = int(there.get("GPU", 0))
        if device == "cuda" and not gpus:
            self.stop()
            raise HarnessError("cuda was asked for, but the Ray cluster has no GPU; use --device cpu")
        self.device = torch.device("cuda" if gpus and device != "cpu" else "cpu")
        self.workers = gpus if self.device.type == "cuda" else int(there.get("CPU", 1))

    def _connect(self, address: str | None) -> None:
        """Connect to a cluster, or start one; HarnessError if it cannot be reached."""
        own: dict[str, Any] = {"num_cpus": cores(), "include_dashboard": False, "_node_ip_address": "127.0.0.1"}
        options = own if address is None else {"address": address}
        try:
            self.ray.init(**{"address": "local", **options}, log_to_driver=False, logging_level="ERROR")
        except (ConnectionError, ValueError, RuntimeError, OSError) as error:
            what = f"the Ray cluster at {address} cannot be reached" if address else "Ray cannot be started"
            raise HarnessError(f"{what}: {' '.join(str(error).split())[:200]}") from error

    def stop(self) -> None:
        """Leave the cluster, which ends what it does for us; one that was started here ends with it."""
        self.ray.shutdown()

    def provenance(self, step: type[Step]) -> dict[str, Any]:
        """See `harness.jobs.Engine`; of what may differ from node to node nothing is said."""
        made = provenance(step, torch.device("cpu"))
        return {**{key: made[key] for key in made.keys() - OF_A_NODE}, "device": self.device.type}

    def run(self, tasks: Sequence[Job], data: MNIST) -> Results:
        """See `harness.jobs.Engine`."""
        ray = self.ray
        gpus = 1 if self.device.type == "cuda" else 0
        remote = ray.remote(num_cpus=1, num_gpus=gpus, max_retries=RETRIES, num_returns="streaming")(stream)
        try:
            held = ray.put(data.arrays())
            streams = {remote.remote(task, held, self.device.type): place for place, task in enumerate(tasks)}
            while streams:
                [ready], _ = ray.wait(list(streams), num_returns=1)
                place = streams[ready]
                try:
                    news = ray.get(next(ready))
                except StopIteration:
                    del streams[ready]
                    continue
                except ray.exceptions.RayError as error:
                    del streams[ready]
                    news = HarnessError(f"{tasks[place].name}: {type(error).__name__}: {first_line(error)}")
                yield place, news
        finally:
            self.stop()


def reachable(address: str) -> str:
    """The host of an address HOST:PORT at which somebody listens; HarnessError if it is none, or nobody does."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise HarnessError(f"--ray-address {address} is not of the form HOST:PORT")
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except OSError as error:
        # Ray itself would try for minutes.
        raise HarnessError(f"the Ray cluster at {address} cannot be reached: {error.strerror or error}") from error
    return host


def first_line(error: Exception) -> str:
    """What went wrong: of the error of a task its own last line, of one of Ray the first."""
    lines = str(getattr(error, "cause", None) or error).strip().splitlines() or [""]
    return lines[0][:200]


def stream(task: Job, data: Arrays, device: str) -> Iterator[Update | HarnessError]:
    """What a worker does for a task."""
    if device == "cpu":
        torch.set_num_threads(1)
    try:
        yield from work(task, MNIST.of_arrays(data).to(device))
    except HarnessError as error:
        yield error
