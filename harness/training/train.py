"""The one training loop: networks in training and tensors in memory, an epoch at a time.

The same seed, device and versions give the same numbers, bit for bit on the CPU with the same number of threads.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch

from harness.data import MNIST
from harness.errors import HarnessError
from harness.run import Epoch, Errors, Outcome, Progress, Run
from harness.step import Step
from harness.training.ensemble import together
from harness.training.evaluation import percent
from harness.training.trainer import Trainer, alone

OnEpoch = Callable[[type[Step], int, Epoch], None]


def train(step: type[Step], run: Trainer, progress: Progress, epochs: int) -> Iterator[dict[int, Outcome]]:
    """Train until every seed of `progress` has so many epochs or has failed; yield what each epoch adds to it.

    Whoever stops asking ends the training. Fewer epochs than the recipe has follow the schedule of the whole recipe.
    """
    seeds = list(progress.epochs)
    while not progress.over(epochs):
        yield progress.add(dict(zip(seeds, next_epoch(step, seeds, run), strict=True)))


def sound(histories: list[Run]) -> list[Run]:
    """The same histories; HarnessError if some of the runs failed."""
    failures = [history.failed for history in histories if history.failed]
    if failures:
        raise HarnessError("; ".join(failures))
    return histories


def groups(seeds: Iterable[int], device: torch.device, workers: int = 1) -> list[list[int]]:
    """The seeds that are trained together: each alone on a CPU, where that is faster, all that share a GPU on GPUs."""
    seeds = list(seeds)
    if device.type != "cuda":
        return [[seed] for seed in seeds]
    return [seeds[first::workers] for first in range(min(workers, len(seeds)))]


@contextmanager
def training(step: type[Step], seeds: Sequence[int], data: MNIST) -> Iterator[Trainer]:
    """The networks of seeds that are trained together, on the device where the data is, before their first epoch.

    torch's global generator is put back afterwards.
    """
    device = data.train_images.device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield trainer_of(step, seeds, data)


def trainer_of(step: type[Step], seeds: Sequence[int], data: MNIST) -> Trainer:
    """Stacked networks for several seeds, or on a GPU, and else a single one. Seeds torch's global generator."""
    if data.train_images.device.type == "cuda" or len(seeds) > 1:
        return together(step, seeds, data)
    return alone(step, seeds[0], data)


def next_epoch(step: type[Step], seeds: Sequence[int], run: Trainer) -> list[Outcome]:
    """Train and evaluate one epoch: what came of it for each seed."""
    began = time.perf_counter()
    passes = run.pass_of_each()
    wrong = run.errors_of_each()
    share = (time.perf_counter() - began) / len(seeds)
    return [
        check_loss(step, seed, run.epoch, loss, batch) or epoch_of(run.epoch, loss, correct, missing, share, run.data)
        for seed, (loss, correct), missing, batch in zip(seeds, passes, wrong, run.sound.tolist(), strict=True)
    ]


def epoch_of(number: int, loss: float, correct: int, wrong: Errors, seconds: float, data: MNIST) -> Epoch:
    """What an epoch came to, from the counts over the training and the test images."""
    return Epoch(
        epoch=number,
        train_accuracy=percent(correct, len(data.train_labels)),
        test_accuracy=percent(len(data.test_labels) - len(wrong), len(data.test_labels)),
        train_loss=round(loss, 6),
        seconds=round(seconds, 2),
        errors=wrong,
    )


def check_loss(step: type[Step], seed: int, epoch: int, loss: float, sound: int) -> HarnessError | None:
    """What is wrong with the mean loss of an epoch, of which so many batches were sound; None if it is finite."""
    if math.isfinite(loss):
        return None
    where = f"epoch {epoch}, batch {sound + 1}"
    return HarnessError(f"{step.id}, seed {seed}: the loss is {loss} in {where}; lower the rate")
