"""The throughput of a step: rounds of a fixed number of training steps, timed by pytest-benchmark.

A round is an epoch of a small training set, with the trainer that the device has in real training, and without
evaluation. It waits for the device only before and after: waiting after each step would measure the waiting. The labels
are random, so that nothing can be learnt and the last round does the arithmetic of the first.
"""

import gc
import math
import os
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch

from harness.benchmark.gpu import Gpu, State, doubts, unknowns
from harness.data.synthetic import unteachable
from harness.device import forked
from harness.errors import HarnessError
from harness.step import Step
from harness.training.choice import choose
from harness.training.philox import mask_facts
from harness.training.train import trainer_of

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

STEPS = {"cuda": 200, "cpu": 20}
"""Training steps per round, so that a round takes some tenths of a second."""
ROUNDS = 10
WARMUP = 3  # rounds that are not timed: libraries choose algorithms, memory is allocated, a graph is recorded


@dataclass(frozen=True)
class Throughput:
    """The result of a measurement."""

    step: str
    device: str
    trainer: str
    images_per_second: float
    """Training images over the median time of a round."""
    seconds_per_step: float
    peak_memory: int | None
    """The most bytes of tensors on a CUDA device; None on the CPU."""
    invalid: list[str]
    """Why the times cannot be trusted; empty if they can."""
    unknown: list[str]
    """What was not visible and could be a reason not to trust them."""


class Rounds:
    """A step in training; a call trains one round.

    Raises HarnessError if the network's output is not N x 10, or the trainer of that name does not train it.
    """

    def __init__(self, step: type[Step], device: torch.device, trainer: str = "auto") -> None:
        self.device, self.name = device, choose(trainer, step, device).name
        data = unteachable(STEPS[device.type] * step.recipe.batch_size)
        self.trainer = trainer_of(step, [0], data.to(device), self.name)
        # Fewer where the recipe holds images out.
        self.steps, self.images = self.trainer.steps_per_epoch, self.trainer.images_per_epoch
        self.device_seconds: list[float] = []
        """Time between CUDA events around the steps of each round so far; empty on the CPU."""
        self.loss = 0.0
        """The mean loss of the last round."""

    def wait(self) -> None:
        """Wait until the device is idle."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def __call__(self) -> None:
        """Train one round and wait for the device."""
        if self.device.type != "cuda":
            return self._train()
        stream = torch.cuda.current_stream(self.device)
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record(stream)
        self._train()
        end.record(stream)
        self.wait()
        self.device_seconds.append(begin.elapsed_time(end) / 1000)
        return None

    def launch(self) -> None:
        """Launch a round, without waiting for it."""
        self.trainer.epoch = 0  # there are more rounds than epochs in the schedule
        self.trainer.launch_epoch()

    def _train(self) -> None:
        self.trainer.epoch = 0
        [(self.loss, _)] = self.trainer.train_epoch()


def measure(
    step: type[Step], device: torch.device, benchmark: "BenchmarkFixture", trainer: str = "auto"
) -> Throughput | None:
    """Time `ROUNDS` rounds and add the result and its conditions to the extra_info of the benchmark.

    None if benchmarks are disabled: a round is trained then, but not timed. Raises HarnessError if the network is no
    classifier of 28 x 28 images or its loss is not finite.
    """
    with forked(device):
        torch.manual_seed(0)
        held = held_before(device)
        rounds = Rounds(step, device, trainer)
        watch = Watch(rounds)
        benchmark.group, benchmark.name = step.ladder, step.id
        # Not benchmark(...), which calibrates by calling its target, and every call trains the network.
        benchmark.pedantic(rounds, setup=rounds.wait, rounds=ROUNDS, warmup_rounds=WARMUP, iterations=1)
        timed = rounds.device_seconds[-ROUNDS:]
        watch.end()
        if not math.isfinite(rounds.loss):
            raise HarnessError(f"{step.id}: the loss became {rounds.loss}; a network that diverged is not timed")
    if benchmark.stats is None:
        return None
    median = benchmark.stats.stats.median
    result = Throughput(
        step=step.id,
        device=str(device),
        trainer=rounds.name,
        images_per_second=rounds.images / median,
        seconds_per_step=median / rounds.steps,
        peak_memory=torch.cuda.max_memory_allocated(device) - held if device.type == "cuda" else None,
        invalid=watch.doubts,
        unknown=watch.unknown,
    )
    benchmark.extra_info.update(asdict(result) | _conditions(step, rounds) | watch.seen | {"device_seconds": timed})
    return result


def held_before(device: torch.device) -> int:
    """Bytes of a GPU that earlier tests still hold, once what they left is gone: a peak is to be of one test alone."""
    if device.type != "cuda":
        return 0
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    return torch.cuda.memory_allocated(device)


def _conditions(step: type[Step], rounds: Rounds) -> dict[str, Any]:
    # What the time of a round depends on and may differ between two runs on one machine.
    return {
        "parameters": step.parameters,
        "batch_size": step.recipe.batch_size,
        "steps_per_round": rounds.steps,
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
        "threads": torch.get_num_threads(),
        **mask_facts(rounds.device),
    }


class Watch:
    """Reads the state of the GPU under load, before and after the timed rounds; does nothing on a CPU."""

    def __init__(self, rounds: Rounds) -> None:
        self.rounds = rounds
        self.doubts: list[str] = []
        self.unknown: list[str] = []
        self.seen: dict[str, Any] = {}
        self._before = self._read("gpu_before")
        self._began = time.monotonic()

    def end(self) -> None:
        """Read the state again, and add to `doubts` what makes the measurement invalid."""
        after = self._read("gpu_after")
        if self._before and after:
            seconds = time.monotonic() - self._began
            self.doubts += doubts(self._before, after, seconds, os.getpid())
            self.unknown = unknowns(self._before, after)

    def _read(self, name: str) -> State | None:
        if self.rounds.device.type != "cuda":
            return None
        try:
            gpu = Gpu(str(torch.cuda.get_device_properties(self.rounds.device).uuid))
            self.rounds()  # the first round leaves the GPU idle: it loads kernels and records a graph
            self.rounds.launch()
            state = gpu.state()
        except HarnessError as error:
            self.doubts = [f"the state of the GPU is not known: {error}"]
            return None
        finally:
            self.rounds.wait()
        self.seen[name] = asdict(state)
        return state
