"""The one training loop: a recipe, a network and tensors in memory, an epoch at a time.

The same seed, device and versions give the same numbers, bit for bit on the CPU with the same number of threads.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch

from harness.data import MNIST, load
from harness.errors import HarnessError
from harness.evaluation import percent
from harness.history import Epoch, Errors, History, Outcome, Progress, finite
from harness.step import Step
from harness.trainer import Training, alone

OnEpoch = Callable[[type[Step], int, Epoch], None]


def train(
    step: type[Step],
    seeds: Iterable[int],
    device: torch.device | str = "cpu",
    *,
    epochs: int | None = None,
    data: MNIST | None = None,
    on_epoch: OnEpoch | None = None,
) -> list[History]:
    """Train the step once a seed and return the histories in the order of the seeds.

    `epochs` shortens the run: the schedule stays that of the whole recipe. `data` defaults to MNIST, found or fetched.
    `on_epoch` is called after each epoch with the step, the seed and the epoch.

    Raises HarnessError if the data cannot be had, the model's output is not N x 10, or, once all seeds are trained,
    the loss of some was not finite.
    """
    data = (data or load()).to(device)
    histories: list[History] = []
    for group in groups(seeds, data.train_images.device):
        progress = Progress(group)
        with training(step, group, data) as run:
            while not progress.over(epochs or step.recipe.epochs):
                outcomes = dict(zip(group, next_epoch(step, group, run), strict=True))
                for seed, outcome in progress.add(outcomes).items():
                    if on_epoch is not None and isinstance(outcome, Epoch):
                        on_epoch(step, seed, outcome)
        histories += progress.histories(step)
    return sound(histories)


def sound(histories: list[History]) -> list[History]:
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
def training(step: type[Step], seeds: Sequence[int], data: MNIST) -> Iterator[Training]:
    """The networks of seeds that are trained together, on the device where the data is, before their first epoch.

    torch's global generator is put back afterwards.
    """
    device = data.train_images.device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        if device.type == "cuda":
            from harness.together import together  # which builds on this module

            yield together(step, seeds, data)
        else:
            [seed] = seeds
            yield alone(step, seed, data)


def next_epoch(step: type[Step], seeds: Sequence[int], run: Training) -> list[Outcome]:
    """Train and evaluate one epoch: what came of it for each seed."""
    began = time.perf_counter()
    passes = run.pass_of_each()
    wrong = run.errors_of_each()
    share = (time.perf_counter() - began) / len(seeds)
    return [
        check_loss(step, seed, run.epoch, loss, batch) or epoch_of(run.epoch, loss, correct, missing, share, run.data)
        for seed, (loss, correct), missing, batch in zip(seeds, passes, wrong, run.sound.tolist(), strict=True)
    ]


def epochs_of(step: type[Step], seed: int, data: MNIST, epochs: int | None = None) -> Iterator[Epoch]:
    """Train one seed on the device where the data is, yielding each epoch; HarnessError once a loss is not finite."""
    device = data.train_images.device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        run = alone(step, seed, data)
        while run.epoch < (epochs or step.recipe.epochs):
            [outcome] = next_epoch(step, [seed], run)
            yield finite(outcome)


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
