"""Steps that train in a second, for tests that interrupt, distribute or break their training.

They are at the top of a module, so that a worker process can import them by name.
"""

import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness import Recipe, StepSpec, data, discovery, report
from harness.__main__ import main
from harness.data import MNIST
from harness.data.synthetic import synthetic
from harness.recipe import OneCycle, RandomAffine, StepLR
from harness.run import Epoch, Run
from harness.step import Step
from models.blocks import Conv, GlobalAverage, LogProbabilities

BATCH = 8
IMAGES = 3 * BATCH
DIES = "SPEC_DIES"  # the environment variable that names a file, which a network removes when it kills its process


class Network(nn.Sequential):
    """The layers of the ladders: convolution, batch normalization, dropout, pooling."""

    def __init__(self) -> None:
        super().__init__(
            Conv(1, 6, 3, "relu", "bn", 0.1),
            nn.MaxPool2d(2),
            Conv(6, 10, 3, "relu", "bn", 0.1, stride=2),
            Conv(10, 10, 1),
            GlobalAverage(),
            LogProbabilities(),
        )


class _Global(nn.Module):
    """A user's own dropout, which draws from torch's global generator."""

    def __init__(self) -> None:
        super().__init__()
        self.network = Network()

    def forward(self, images: Tensor) -> Tensor:
        log_probabilities: Tensor = self.network(F.dropout(images, 0.1, self.training))
        return log_probabilities


class _Mortal(Network):
    """Kills its process in the second epoch of seed 1 if a file exists, which it removes first."""

    def __init__(self) -> None:
        super().__init__()
        self.seed, self.batches = torch.initial_seed(), 0

    def forward(self, images: Tensor) -> Tensor:
        self.batches += self.training
        file = Path(os.environ.get(DIES, os.devnull))
        if self.seed == 1 and self.batches == 5 and file.is_file():
            file.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        log_probabilities: Tensor = super().forward(images)  # type: ignore[no-untyped-call]
        return log_probabilities


class _Still(Network):
    """In its second epoch, with seed 1 its process is stopped, and with seed 2 it waits for a lock that it has.

    Only if a file exists, which `DIES` names.
    """

    def __init__(self) -> None:
        super().__init__()
        self.seed, self.batches = torch.initial_seed(), 0

    def forward(self, images: Tensor) -> Tensor:
        self.batches += self.training
        if self.batches == 5 and Path(os.environ.get(DIES, os.devnull)).is_file():
            if self.seed == 1:
                os.kill(os.getpid(), signal.SIGSTOP)
            if self.seed == 2:
                lock = Lock()
                lock.acquire()
                lock.acquire()
        log_probabilities: Tensor = super().forward(images)  # type: ignore[no-untyped-call]
        return log_probabilities


class _Greedy(Network):
    """Allocates more memory than any machine has as soon as it trains."""

    def forward(self, images: Tensor) -> Tensor:
        if self.training:
            torch.empty(1 << 50, dtype=torch.uint8, device=images.device)
        log_probabilities: Tensor = super().forward(images)  # type: ignore[no-untyped-call]
        return log_probabilities


class _GreedyOnGpu(Network):
    """Likewise, on a GPU alone, which a stack of its networks on the CPU does not show beforehand."""

    in_graph = False

    def forward(self, images: Tensor) -> Tensor:
        if self.training and images.is_cuda and torch.cuda.is_current_stream_capturing() >= self.in_graph:
            torch.empty(1 << 50, dtype=torch.uint8, device=images.device)
        log_probabilities: Tensor = super().forward(images)  # type: ignore[no-untyped-call]
        return log_probabilities


class _GreedyInGraph(_GreedyOnGpu):
    """Likewise, once its steps are recorded."""

    in_graph = True


class _Brittle(nn.Module):
    """With seed 1, the loss of a batch with an all-white image is NaN."""

    def __init__(self) -> None:
        super().__init__()
        self.network = Network()
        self.register_buffer("limit", torch.tensor(2.0 if torch.initial_seed() == 1 else 1e6))
        self.limit: Tensor

    def forward(self, images: Tensor) -> Tensor:
        poison = torch.sqrt(self.limit - images.mean((1, 2, 3)))[:, None] * 0
        log_probabilities: Tensor = self.network(images) + poison
        return log_probabilities


class Plain(StepSpec):
    """Every kind of randomness and of state that a recipe can ask for."""

    model: ClassVar[Callable[[], nn.Module]] = Network
    parameters = 752
    receptive_field = 28
    recipe = Recipe(
        lr=0.05,
        batch_size=BATCH,
        epochs=4,
        nesterov=True,
        weight_decay=1e-4,
        schedule=OneCycle(),
        augmentation=RandomAffine(degrees=10),
        average=0.9,
    )


class Simple(Plain):
    """Without momentum, augmentation or average."""

    recipe = Recipe(lr=0.05, batch_size=BATCH, epochs=4, momentum=0.0, schedule=StepLR(2, 0.1))


class Warming(Plain):
    """With an average of weights only, whose decay rises all the time."""

    recipe = replace(Plain.recipe, average=0.99, average_buffers=False, average_warmup=True)


class WithGlobal(Plain):
    """With a network that draws from torch's global generator."""

    model = _Global


class Dying(Plain):
    """With a network that kills its process."""

    model = _Mortal


class Standing(Plain):
    """With a network that stands still."""

    model = _Still


class Hungry(Plain):
    """With a network that needs too much memory."""

    model = _Greedy


class HungryOnGpu(Plain):
    """With a network that needs too much memory on a GPU."""

    model = _GreedyOnGpu


class HungryInGraph(Plain):
    """With a network that needs too much memory in a recorded graph."""

    model = _GreedyInGraph


class Failing(Plain):
    """With a network whose loss is NaN for one seed and one image."""

    model = _Brittle


STEPS = {
    f"small/{step.__name__.lower()}": step for step in (Plain, Simple, WithGlobal, Dying, Standing, Hungry, Failing)
}
for step_id, step in STEPS.items():
    step.id = step_id


def images(n: int = IMAGES) -> MNIST:
    """Synthetic images, by default three batches."""
    return synthetic(n)


def poisoned(index: int) -> MNIST:
    """The same with one all-white training image, whose pixels are (1 - 0.1307) / 0.3081 = 2.8 once normalized."""
    data = images()
    data.train_images[index] = 255
    return data


def ignore(step: type[Step], seed: int, epoch: Epoch) -> None:
    """The callback of whoever shows no progress."""


MADE = {"hardware": "a processor", "torch": "2.15.0", "fingerprint": "0123"}
Call = Callable[..., tuple[int, list[dict[str, Any]], str]]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Run `train` in an empty folder: returns the exit status, the JSON without seconds, and standard error.

    Where the line names no trainer, eager torch trains, and the line that says so is left out of standard error.
    """
    for step in STEPS.values():
        monkeypatch.setattr(step, "source", tmp_path / "small" / "test_01_small.py")
    (tmp_path / "small").mkdir()
    monkeypatch.setattr(discovery, "steps", lambda: STEPS)
    monkeypatch.setattr(data, "load", lambda path=None: images())
    monkeypatch.setattr(report, "rewrite", list)
    monkeypatch.chdir(tmp_path)

    def run(line: str) -> tuple[int, list[dict[str, Any]], str]:
        named = "--trainer" in line
        status = main(f"train {line} {'' if named else '--trainer eager'} --device cpu --json".split())
        out, err = capsys.readouterr()
        if not named:
            err = re.sub(r"^small/\w+ is trained by eager torch; on .*\n", "", err)
        runs = [json.loads(text) for text in out.splitlines()]
        for printed in runs:
            for epoch in printed["epochs"]:
                del epoch["seconds"]
        return status, runs, err

    return run


def run_of(seed: int, accuracy: float = 99.4) -> Run:
    """A complete run of `Plain`."""
    epochs = tuple(Epoch(n, 99.0, accuracy, 0.1, 1.5, ((18, 3, 8),)) for n in range(1, 5))
    return Run(Plain, seed, epochs, provenance=MADE)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As the workers have; more threads would sum in another order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def by_seed(runs: list[Run]) -> dict[int, Run]:
    """The runs without their seconds."""
    return {run.seed: replace(run, epochs=tuple(replace(epoch, seconds=0.0) for epoch in run.epochs)) for run in runs}
