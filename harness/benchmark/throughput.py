"""How fast a step trains: rounds of a fixed number of training steps, timed by pytest-benchmark.

A round is an epoch of a small training set, trained as `harness.training.train` would on that device, which is waited
for at the ends of a round only: waiting after each step would measure the waiting. The images are noise with labels
drawn at random, from which nothing can be learnt, so that the last round does the arithmetic of the first, and the
network is thrown away. Evaluation is not part of a round.
"""

import math
import os
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch

from harness.benchmark.gpu import Gpu, State, doubts
from harness.data.synthetic import unteachable
from harness.errors import HarnessError
from harness.step import Step
from harness.training.train import trainer_of

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

STEPS = {"cuda": 200, "cpu": 20}
"""Training steps a round, so that a round lasts some tenths of a second."""
ROUNDS = 10
WARMUP = 3  # rounds before them: the choice of algorithms, the allocator, graphs that are captured


@dataclass(frozen=True)
class Throughput:
    """What a measurement came to."""

    step: str
    device: str
    images_per_second: float
    """Training images over the median time of a round."""
    seconds_per_step: float
    peak_memory: int | None
    """Bytes that tensors took on a CUDA device at most; None on the CPU."""
    invalid: list[str]
    """Why the figures are not to be trusted; empty if they are."""


class Rounds:
    """A step in training, called once a round.

    Raises HarnessError if the network's output is not N x 10.
    """

    def __init__(self, step: type[Step], device: torch.device) -> None:
        self.device, self.steps = device, STEPS[device.type]
        self.images = self.steps * step.recipe.batch_size
        self.run = trainer_of(step, [0], unteachable(self.images).to(device))
        self.device_seconds: list[float] = []
        """Time between CUDA events around the steps of each round so far; empty on the CPU."""
        self.loss = 0.0
        """The mean loss of the round before."""

    def wait(self) -> None:
        """Wait until the device has nothing left to do."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def __call__(self) -> None:
        """Train one round and wait for it."""
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
        self.run.epoch = 0  # there are more rounds than the schedule has epochs
        self.run.launch_epoch()

    def _train(self) -> None:
        self.run.epoch = 0
        [(self.loss, _)] = self.run.train_epoch()


def measure(step: type[Step], device: torch.device, benchmark: "BenchmarkFixture") -> Throughput | None:
    """Time `ROUNDS` rounds and put what they depend on into the extra_info of the benchmark.

    None where benchmarks are disabled: a round was trained, and nothing measured. Raises HarnessError if the network is
    no classifier of 28 x 28 images or its loss is not finite.
    """
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(0)
        if device.type == "cuda":
            torch.cuda.empty_cache()  # what tests before this one left behind is not this one's peak
            torch.cuda.reset_peak_memory_stats(device)
        rounds = Rounds(step, device)
        watch = Watch(rounds)
        benchmark.group, benchmark.name = step.ladder, step.id
        # Not benchmark(...), which would calibrate: call the target as often as it likes, and thereby train.
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
        images_per_second=rounds.images / median,
        seconds_per_step=median / rounds.steps,
        peak_memory=torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None,
        invalid=watch.doubts,
    )
    benchmark.extra_info.update(asdict(result) | conditions(step, rounds) | watch.seen | {"device_seconds": timed})
    return result


def conditions(step: type[Step], rounds: Rounds) -> dict[str, Any]:
    """What the time of a round depends on and may change from one run to the next on the same machine."""
    return {
        "parameters": step.parameters,
        "batch_size": step.recipe.batch_size,
        "steps_per_round": rounds.steps,
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
        "threads": torch.get_num_threads(),
    }


class Watch:
    """The state of the GPU before and after the timed rounds, read under load; on the CPU it sees nothing."""

    def __init__(self, rounds: Rounds) -> None:
        self.rounds = rounds
        self.doubts: list[str] = []
        self.seen: dict[str, Any] = {}
        self._before = self._read("gpu_before")
        self._began = time.monotonic()

    def end(self) -> None:
        """Read the state once more and note what speaks against the measurement."""
        after = self._read("gpu_after")
        if self._before and after:
            seconds = time.monotonic() - self._began
            self.doubts += doubts(self._before, after, seconds, os.getpid())

    def _read(self, name: str) -> State | None:
        """A state that cannot be read is a doubt too: nobody knows what the figures are worth."""
        if self.rounds.device.type != "cuda":
            return None
        try:
            gpu = Gpu(str(torch.cuda.get_device_properties(self.rounds.device).uuid))
            self.rounds()  # the first one loads kernels and records a graph, and the GPU waits
            self.rounds.launch()
            state = gpu.state()
        except HarnessError as error:
            self.doubts = [f"the state of the GPU is not known: {error}"]
            return None
        finally:
            self.rounds.wait()
        self.seen[name] = asdict(state)
        return state
