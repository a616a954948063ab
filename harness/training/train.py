"""The training loop: seeds of one step in memory, one epoch at a time.

The same seed, device and versions give the same numbers, bit for bit on the CPU with the same number of threads.
"""

import math
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor

from harness.data import MNIST
from harness.device import current, forked
from harness.errors import HarnessError, foreign
from harness.run import EAGER, LARGEST_LOSS, NATIVE, Epoch, Outcome, Progress
from harness.step import TEST_IMAGES, Step
from harness.training import native
from harness.training.ensemble import ensemble_trainer
from harness.training.evaluation import Evaluation, percent
from harness.training.stacking import refusal
from harness.training.trainer import Trainer, single_trainer

OnEpoch = Callable[[type[Step], int, Epoch], None]
"""Called with a seed and its epoch that is over."""
OnSteps = Callable[[type[Step], Sequence[int], int, int], None]
"""Called within an epoch with seeds that train together, how many of its training steps are done, and of how many."""


def ignore_steps(step: type[Step], seeds: Sequence[int], done: int, of: int) -> None:
    """The OnSteps of whoever shows nothing."""


def train_one(
    step: type[Step],
    seed: int,
    data: MNIST,
    trainer_name: str = EAGER,
    epochs: int | None = None,
    on_steps: OnSteps = ignore_steps,
) -> Iterator[Outcome]:
    """Train one seed for all epochs of the recipe, or fewer; yield each epoch, or last of all why it has none."""
    with training(step, [seed], data, trainer_name) as trainer:
        trainer.on_steps = partial(on_steps, step, [seed])
        for outcomes in train(step, trainer, Progress([seed]), epochs or step.recipe.epochs):
            yield outcomes[seed]


def train(step: type[Step], trainer: Trainer, progress: Progress, epochs: int) -> Iterator[dict[int, Outcome]]:
    """Train until every seed of `progress` has finished `epochs` epochs or has failed; yield what each epoch adds.

    To end the training early, stop iterating. With fewer epochs than the recipe has, the learning rate still follows
    the schedule of the whole recipe.
    """
    seeds = list(progress.epochs)
    while not progress.over(epochs):
        yield progress.add(dict(zip(seeds, next_epoch(step, seeds, trainer), strict=True)))


def next_epoch(step: type[Step], seeds: Sequence[int], trainer: Trainer) -> list[Outcome]:
    """Train and evaluate one epoch; the result for each seed."""
    began = time.perf_counter()
    n = min(TEST_IMAGES, len(trainer.data.train_labels))  # as many as are tested, so that the error is the same
    with foreign("its recipe", label_of(step, seeds)):
        trained = trainer.train_epoch()
        clean = trainer.evaluate(trainer.data.train_images[:n], trainer.data.train_labels[:n])
        tested = trainer.test()
        trainer.observe(tested)
    seconds = (time.perf_counter() - began) / len(seeds)
    return [
        _loss_error(step, seed, trainer.epoch, loss, finite)
        or Epoch(
            epoch=trainer.epoch,
            train_accuracy=percent(correct, trainer.images_per_epoch),
            test_accuracy=_accuracy(test, trainer.data.test_labels),
            train_loss=round(loss, 6),
            seconds=round(seconds, 2),
            errors=test.errors if step.recipe.validation == 0 else (),  # which are known as test images
            # One image that is held to be impossible makes it infinite, which is no failure of the training.
            test_loss=round(test.loss, 6) if abs(test.loss) <= LARGEST_LOSS else math.nan,
            clean_train_accuracy=_accuracy(train, trainer.data.train_labels[:n]),
        )
        for seed, (loss, correct), train, test, finite in zip(
            seeds, trained, clean, tested, trainer.finite.tolist(), strict=True
        )
    ]


def _accuracy(evaluation: Evaluation, labels: Tensor) -> float:
    return percent(len(labels) - len(evaluation.errors), len(labels))


def _loss_error(step: type[Step], seed: int, epoch: int, loss: float, finite: int) -> HarnessError | None:
    if math.isfinite(loss):
        return None
    where = f"epoch {epoch}, batch {finite + 1}"
    return HarnessError(f"{step.id}, seed {seed}: the loss is {loss} in {where}; lower the rate")


def label_of(step: type[Step], seeds: Sequence[int]) -> str:
    """What error messages call seeds of a step that train together."""
    return f"{step.id}, seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"


@contextmanager
def training(step: type[Step], seeds: Sequence[int], data: MNIST, trainer_name: str = EAGER) -> Iterator[Trainer]:
    """The trainer of the seeds, on the device of the data, made current; restores torch's global generator at the end.

    It does not repeat, in every worker, a warning that the check of the network gave already.
    """
    device = data.train_images.device
    with warnings.catch_warnings(), current(device), forked(device):
        warnings.filterwarnings("ignore", "Implicit dimension choice")
        with foreign("its recipe", label_of(step, seeds)):
            trainer = trainer_of(step, seeds, data, trainer_name)
        yield trainer


def trainer_of(step: type[Step], seeds: Sequence[int], data: MNIST, trainer_name: str = EAGER) -> Trainer:
    """The trainer of that name: of eager ones an ensemble for several seeds or a GPU, else a single network.

    Seeds torch's global generator. Raises HarnessError if the native trainer is asked for what it does not do, and if
    several networks are that cannot be stacked; `groups` gives these a trainer each.
    """
    if trainer_name == NATIVE:
        if data.train_images.device.type != "cpu" or len(seeds) > 1:
            raise HarnessError(f"{step.id}: the native trainer trains one seed at a time, on a CPU")
        return native.native_trainer(step, seeds[0], data)
    if data.train_images.device.type == "cuda" or len(seeds) > 1:
        why = refusal(step, data.train_images.device)
        if why is None:
            return ensemble_trainer(step, seeds, data)
        if len(seeds) > 1:
            raise HarnessError(
                f"{step.id} trains one seed after the other, not several at once: {why}; use --engine local"
            )
    return single_trainer(step, seeds[0], data)


WIDEST_STACKED = 100_000
"""Parameters above which a network should keep a GPU busy alone; stacked, its convolutions would be grouped ones."""


def groups(
    step: type[Step], seeds: Iterable[int], device: torch.device, workers: int = 1, *, here: bool = True
) -> list[list[int]]:
    """Which seeds share a trainer: on a GPU all of its worker's, if their networks can be stacked and are not wide.

    On a CPU none do, since that is faster there. Where other processes train, whether they can be stacked is tried on
    the CPU alone: to try it on a GPU takes memory there until this process ends.
    """
    seeds = list(seeds)
    tried = device if here else torch.device("cpu")
    with foreign("stacking its networks", step.id):
        alone = device.type != "cuda" or _parameters(step) > WIDEST_STACKED or refusal(step, tried) is not None
    if alone:
        return [[seed] for seed in seeds]
    return [seeds[first::workers] for first in range(min(workers, len(seeds)))]


def _parameters(step: type[Step]) -> int:
    with torch.random.fork_rng(devices=[]):
        return sum(weight.numel() for weight in step.network().parameters())
