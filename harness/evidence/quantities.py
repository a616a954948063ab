"""What a claim is decided by: numbers of one run.

Of the accuracies in percent, *final* is the mean over the final epochs of the step, and *last* is after the last epoch.
What moves from epoch to epoch is looked at over the last five, as the published texts do. A quantity that a run does
not have, since an older version did not record it, is NaN.
"""

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from harness.errors import HarnessError
from harness.evidence.facts import drops
from harness.run import AccuracyKind, Run

LAST = 5  # epochs
TEST_DIGITS = (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009)
"""The number of test images of MNIST of each digit."""

COLLAPSED = 50.0
"""Percent, final: a run below it never learned. Chance is 10 %, and the worst run that did learn is above 90 %."""

LEAST_SPREAD = 0.01
"""Points: one test image. Accuracies that move by less do not move at all, and nothing has no logarithm."""

Quantity = Callable[..., float]
"""A number of a run, and maybe of an epoch, a digit or an accuracy."""
Values = dict[int, float]
"""A quantity of several runs, by seed."""


def values(runs: Iterable[Run], quantity: Quantity) -> Values:
    """A quantity of each run that has it."""
    return {run.seed: value for run in runs if not math.isnan(value := quantity(run))}


def collapsed(run: Run) -> bool:
    """Whether a run never learned: a set with such a run has two modes, and its mean is near neither."""
    return run.final_mean() < COLLAPSED


def gap(run: Run) -> float:
    """Final accuracy on training images as they are minus final test accuracy, in points.

    Where older versions did not record the first, the running training accuracy stands in for it, unless the recipe
    augments or the network drops: that accuracy is then of another task, and the gap is not known.
    """
    train = run.final_mean("clean")
    if math.isnan(train) and run.step.recipe.augmentation is None and not drops(run.step):
        train = run.final_mean("train")
    return train - run.final_mean()


def running_gap(run: Run) -> float:
    """Final running training accuracy minus final test accuracy, in points."""
    return run.final_mean("train") - run.final_mean()


def lowest_from(run: Run, epoch: int) -> float:
    """The lowest test accuracy from an epoch on."""
    return min(enough(run, epoch)[epoch - 1 :])


def best(run: Run, kind: AccuracyKind = "test", until: int | None = None) -> float:
    """The highest accuracy of all epochs, or of those up to one."""
    return max(enough(run, until or 1, kind)[:until])


def last(run: Run, kind: AccuracyKind = "test") -> float:
    """The accuracy after the last epoch."""
    return run.accuracies(kind)[-1]


def rise_after(run: Run, epoch: int) -> float:
    """How much higher the final test accuracy is than after an epoch, in points."""
    return run.final_mean() - enough(run, epoch)[epoch - 1]


def largest_fall(run: Run) -> float:
    """The most that test accuracy falls from one epoch to the next, in points; negative if it never does."""
    return float(-np.diff(enough(run, 2)).min())


def below_best(run: Run) -> float:
    """How far the last epoch's test accuracy is below the best, in points."""
    return max(run.accuracies()) - run.accuracies()[-1]


def range_over(run: Run, first: int, last: int) -> float:
    """Highest minus lowest test accuracy between two epochs, both included, in points."""
    return float(np.ptp(enough(run, last)[first - 1 : last]))


def spread(run: Run) -> float:
    """How much test accuracy moves from epoch to epoch over the last five, in points, whatever its trend.

    The root of half the mean squared successive difference (von Neumann, Annals of Mathematical Statistics, 1941): for
    independent accuracies their standard deviation, to which a steady rise adds little while it is small against it.
    At least one image.
    """
    return _moves(enough(run, LAST)[-LAST:], LEAST_SPREAD)


def loss_spread(run: Run) -> float:
    """How much the test loss moves from epoch to epoch over the last five, as `spread` has it."""
    enough(run, LAST)
    return _moves(run.test_losses[-LAST:], 1e-6)


def _moves(series: Sequence[float], least: float) -> float:
    moved = math.sqrt(float(np.square(np.diff(series)).mean()) / 2)
    return moved if math.isnan(moved) else max(moved, least)


def loss_range(run: Run, first: int, last: int) -> float:
    """Highest minus lowest test loss between two epochs, both included."""
    enough(run, last)
    return float(np.ptp(run.test_losses[first - 1 : last]))


def largest_loss_rise(run: Run, epoch: int) -> float:
    """The most that the test loss rises from one epoch to the next, from an epoch on; negative if it never does."""
    enough(run, epoch + 1)
    return float(np.diff(run.test_losses[epoch - 1 :]).max())


def loss_rise_after(run: Run, epoch: int) -> float:
    """How much higher the final test loss is than after an epoch."""
    enough(run, epoch)
    return float(np.mean(run.test_losses[-run.step.final_epochs :])) - run.test_losses[epoch - 1]


def loss_gap(run: Run) -> float:
    """Final test loss minus final running training loss."""
    losses = [one.test_loss - one.train_loss for one in run.epochs[-run.step.final_epochs :]]
    return float(np.mean(losses))


def slope(run: Run, kind: AccuracyKind = "test") -> float:
    """Least-squares slope of accuracy over the last five epochs, in points per epoch."""
    return float(np.polyfit(range(LAST), enough(run, LAST, kind)[-LAST:], 1)[0])


def epochs_to(run: Run, accuracy: float, until: int) -> float:
    """The first epoch with that test accuracy; one after `until` where it was not reached by then."""
    reached = (epoch for epoch, value in enumerate(run.accuracies()[:until], 1) if value >= accuracy)
    return float(next(reached, until + 1))


def confusions(run: Run, digit: int, taken_for: int) -> float:
    """How often a digit is taken for another, in times of the average over the ninety pairs of digits."""
    if run.errors is None:
        return math.nan
    return 90 * sum(error[1:] == (digit, taken_for) for error in run.errors) / max(len(run.errors), 1)


def missed_more(run: Run, digit: int) -> float:
    """Share of a digit's test images that are missed, minus the largest such share of another digit, in points."""
    if run.errors is None:
        return math.nan
    share = 100 * np.bincount([true for _, true, _ in run.errors], minlength=10) / np.array(TEST_DIGITS)
    return float(share[digit] - np.delete(share, digit).max())


def enough(run: Run, epochs: int, kind: AccuracyKind = "test") -> tuple[float, ...]:
    """The accuracy of each epoch of a run that has at least n of them."""
    if len(run.epochs) < epochs:
        raise HarnessError(
            f"{run.step.id}: a claim looks at {epochs} epochs, but the recipe has {len(run.epochs)}; reword the claim"
        )
    return run.accuracies(kind)
