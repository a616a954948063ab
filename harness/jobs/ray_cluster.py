"""The engine of Ray: the jobs of a step on all nodes of a cluster, with one core or one whole GPU per job.

The data goes to the object store once. If a node dies, its job starts again on another node; it gives the same numbers
again, so the updates that arrived before remain valid. Whoever can reach the ports of a Ray cluster can run code on it,
so a cluster that is started here listens on the loopback address only.

Ray itself runs in a process of its own: it prints to standard output, and ends its process where its daemons die.
"""

import os
import socket
import weakref
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib.util import find_spec
from multiprocessing.connection import Connection
from typing import Any

import torch

from harness.child import Child, pickled
from harness.data import MNIST
from harness.data.download import Arrays
from harness.device import cores, known
from harness.errors import HarnessError, described, foreign
from harness.jobs.job import AGAIN, Job, Results, StepsDone, Update
from harness.jobs.worker import PERIOD, work
from harness.provenance import provenance
from harness.run import EAGER
from harness.step import Step
from harness.training import OnSteps, ignore_steps
from harness.training.choice import made_by

PATIENCE = 30.0  # seconds that a cluster which was started here has to stop
RETRIES = 3  # how often a job is started again after the death of its node
NODE_FACTS = {"hardware", "cpu", "capability", "platform", "python", "threads"}  # may differ from node to node
LOOPBACK = {"127.0.0.1", "localhost"}

# Send no usage statistics to the makers of Ray, and do not warn about tasks without a GPU.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")


class RayCluster:
    """Trains on the Ray cluster at an address, or on one that is started on this machine and ends with this engine."""

    threads, here = 1, False

    def __init__(self, device: str, address: str | None) -> None:
        self._address = address
        if address is None or _reachable_host(address) in LOOPBACK:
            # Ray's own switch for a cluster on one machine. Without it, Ray listens on every interface and replaces a
            # loopback address by another one. Ray reads it when it is imported.
            os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
        if find_spec("ray") is None:
            raise HarnessError("--engine ray needs Ray; install it with: pip install ray")
        if known(device).startswith("cuda:"):
            raise HarnessError(f"--engine ray gives each task a GPU of its own; name --device cuda, not {device}")
        self.on_steps: OnSteps = ignore_steps
        cpus, gpus = self._join()
        if device == "cuda" and not gpus:
            self._leave()
            raise HarnessError("cuda was asked for, but the Ray cluster has no GPU; use --device cpu")
        self.device = torch.device("cuda" if gpus and device != "cpu" else "cpu")
        self.workers = gpus if self.device.type == "cuda" else cpus

    def _join(self) -> tuple[int, int]:
        """Start the process that talks to Ray, which ends with this engine; how many cores and GPUs the cluster has."""
        self._driver = Child(_drive, self._address)
        self._leave = weakref.finalize(self, self._driver.end, PATIENCE)
        try:
            cpus, gpus = self._receive()
        except HarnessError:
            self._leave()
            raise
        return cpus, gpus

    def _receive(self) -> Any:
        """What Ray answers; HarnessError if that is an error, or if its process ended."""
        try:
            answer = self._driver.receive()
        except EOFError as end:
            raise HarnessError(f"the Ray cluster is lost: a daemon of Ray died ({end}); {AGAIN}") from end
        if isinstance(answer, HarnessError):
            raise answer
        return answer

    def provenance(self, step: type[Step], trainer: str = EAGER) -> dict[str, Any]:
        """The provenance of a run, without what may differ from node to node."""
        made = provenance(step, torch.device("cpu"), made_by(trainer))
        return {**{key: made[key] for key in made.keys() - NODE_FACTS}, "device": self.device.type}

    def run(self, jobs: Sequence[Job], data: MNIST) -> Results:
        """Train the jobs, and stay in the cluster for the next ones; what ends this before they do leaves it."""
        if not jobs:
            return
        if not self._leave.alive:
            self._join()
        try:
            with foreign("sending jobs", "Ray"):
                self._driver.send(pickled((list(jobs), data.arrays(), self.device.type)))
            while (received := self._receive()) is not None:
                index, message = received
                if isinstance(message, StepsDone):
                    self.on_steps(jobs[index].step, jobs[index].seeds, *message)
                else:
                    yield index, message
        except BaseException:  # the end of an abandoned generator too: what is left of its jobs would go on
            self._leave()
            raise


def _reachable_host(address: str) -> str:
    """The host in HOST:PORT; HarnessError if the address has another form, or nobody listens there."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise HarnessError(f"--ray-address {address} is not of the form HOST:PORT")
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except (OSError, UnicodeError) as error:
        # Ray itself would keep trying for minutes.
        why = getattr(error, "strerror", None) or error
        raise HarnessError(f"the Ray cluster at {address} cannot be reached: {why}") from error
    return host


def _drive(connection: Connection, address: str | None) -> None:
    """Connect to a cluster, say how many cores and GPUs it has, and train one set of jobs after the other."""
    for output in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), output)
    import ray

    try:
        connection.send(_connect(ray, address))
        while True:
            for message in _results(ray, *connection.recv()):
                connection.send(message)
            connection.send(None)
    except EOFError:
        pass  # our parent is gone
    except HarnessError as error:
        connection.send(HarnessError(str(error)))
    finally:
        ray.shutdown()


def _connect(ray: Any, address: str | None) -> tuple[int, int]:
    """Connect to a cluster, or start one; how many cores and GPUs it has."""
    own = {"address": "local", "num_cpus": cores(), "include_dashboard": False, "_node_ip_address": "127.0.0.1"}
    with foreign("starting it" if address is None else f"the cluster at {address}", "Ray"):
        ray.init(**(own if address is None else {"address": address}), log_to_driver=False, logging_level="ERROR")
        resources = ray.cluster_resources()
        return int(resources.get("CPU", 1)), int(resources.get("GPU", 0))


class _Board:
    """Where tasks note how many of their training steps are done, in a process of its own.

    Not in their streams, which Ray resumes by the number of messages after a node has died: that of epochs is the same
    each time, and that of notes depends on the clock.
    """

    def __init__(self) -> None:
        self.notes: dict[int, StepsDone] = {}

    def put(self, index: int, note: StepsDone) -> None:
        self.notes[index] = note

    def take(self) -> dict[int, StepsDone]:
        notes, self.notes = self.notes, {}
        return notes


def _results(
    ray: Any, jobs: list[Job], arrays: Arrays, device: str
) -> Iterator[tuple[int, Update | HarnessError | StepsDone]]:
    """The updates of all jobs and their steps; HarnessError if something is wrong that is not of one of them."""
    gpus = 1 if device == "cuda" else 0
    remote = ray.remote(num_cpus=1, num_gpus=gpus, max_retries=RETRIES, num_returns="streaming")(_work)
    with foreign("training", "Ray"):
        shared, board = ray.put(arrays), ray.remote(num_cpus=0, max_restarts=-1)(_Board).remote()
        streams = {remote.remote(job, shared, device, index, board): index for index, job in enumerate(jobs)}
        while streams:
            finished, _ = ray.wait(list(streams), num_returns=1, timeout=PERIOD)
            with suppress(ray.exceptions.RayError):  # its node died, and it starts again on another
                yield from ray.get(board.take.remote(), timeout=PATIENCE).items()
            for ready in finished:
                index = streams[ready]
                try:
                    update = ray.get(next(ready))
                except StopIteration:
                    del streams[ready]
                    continue
                except ray.exceptions.RayError as error:
                    del streams[ready]
                    update = HarnessError(f"{jobs[index].name}: {described(getattr(error, 'cause', None) or error)}")
                yield index, update


def _work(job: Job, data: Arrays, device: str, index: int, board: Any) -> Iterator[Update | HarnessError]:
    """Train a job on a node, and note on the board how far it is."""
    if device == "cpu":
        torch.set_num_threads(1)
    try:
        yield from work(
            job, MNIST.of_arrays(data).to(device), lambda done, of: board.put.remote(index, StepsDone(done, of))
        )
    except HarnessError as error:
        yield error
