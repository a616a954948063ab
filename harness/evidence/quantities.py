"""What a claim is decided by: one number per run, by seed.

Of the accuracies in percent, *final* is the mean over the final epochs of the step, and *last* is after the last epoch.
What moves from epoch to epoch is looked at over the last five, as the published texts do.
"""

from collections.abc import Sequence

import numpy as np

from harness.errors import HarnessError
from harness.run import Kind, Run

LAST = 5  # epochs
TEST_DIGITS = (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009)
"""The number of test images of MNIST of each digit."""

Values = dict[int, float]


def final(runs: Sequence[Run], kind: Kind = "test") -> Values:
    """Mean accuracy over the final epochs."""
    return {run.seed: run.final_mean(kind) for run in runs}


def gap(runs: Sequence[Run]) -> Values:
    """Final training accuracy minus final test accuracy, in points."""
    return {run.seed: run.final_mean("train") - run.final_mean() for run in runs}


def lowest_from(runs: Sequence[Run], epoch: int) -> Values:
    """The lowest test accuracy from an epoch on."""
    return {run.seed: min(_enough(run, epoch)[epoch - 1 :]) for run in runs}


def best(runs: Sequence[Run], kind: Kind = "test", until: int | None = None) -> Values:
    """The highest accuracy of all epochs, or of those up to one."""
    return {run.seed: max(run.accuracies(kind)[:until]) for run in runs}


def last(runs: Sequence[Run], kind: Kind = "test") -> Values:
    """The accuracy after the last epoch."""
    return {run.seed: run.accuracies(kind)[-1] for run in runs}


def rise_after(runs: Sequence[Run], epoch: int) -> Values:
    """How much higher the final test accuracy is than after an epoch, in points."""
    return {run.seed: run.final_mean() - _enough(run, epoch)[epoch - 1] for run in runs}


def largest_fall(runs: Sequence[Run]) -> Values:
    """The most that test accuracy falls from one epoch to the next, in points; negative if it never does."""
    return {run.seed: float(-np.diff(_enough(run, 2)).min()) for run in runs}


def below_best(runs: Sequence[Run]) -> Values:
    """How far the last epoch's test accuracy is below the best, in points."""
    return {run.seed: max(run.accuracies()) - run.accuracies()[-1] for run in runs}


def range_over(runs: Sequence[Run], first: int, last: int) -> Values:
    """Highest minus lowest test accuracy between two epochs, both included, in points."""
    return {run.seed: float(np.ptp(_enough(run, last)[first - 1 : last])) for run in runs}


def spread(runs: Sequence[Run]) -> Values:
    """Standard deviation of test accuracy over the last five epochs, in points."""
    return {run.seed: float(np.std(_enough(run, LAST)[-LAST:], ddof=1)) for run in runs}


def slope(runs: Sequence[Run], kind: Kind = "test") -> Values:
    """Least-squares slope of accuracy over the last five epochs, in points per epoch."""
    return {run.seed: float(np.polyfit(range(LAST), _enough(run, LAST, kind)[-LAST:], 1)[0]) for run in runs}


def epochs_to(runs: Sequence[Run], accuracy: float, until: int) -> Values:
    """The first epoch with that test accuracy; one after `until` where it was not reached by then."""
    return {run.seed: float(_first_at(run.accuracies()[:until], accuracy, until + 1)) for run in runs}


def confusions(runs: Sequence[Run], digit: int, taken_for: int) -> Values:
    """How often a digit is taken for another, in times of the average over the ninety pairs of digits."""
    pairs = 90
    return {
        run.seed: pairs * sum(error[1:] == (digit, taken_for) for error in run.errors) / max(len(run.errors), 1)
        for run in runs
        if run.errors is not None
    }


def missed_more(runs: Sequence[Run], digit: int) -> Values:
    """Share of a digit's test images that are missed, minus the largest such share of another digit, in points."""
    values = {}
    for run in runs:
        if run.errors is not None:
            count = np.bincount([true for _, true, _ in run.errors], minlength=10)
            share = 100 * count / np.array(TEST_DIGITS)
            values[run.seed] = float(share[digit] - np.delete(share, digit).max())
    return values


def _enough(run: Run, epochs: int, kind: Kind = "test") -> tuple[float, ...]:
    """The accuracy of each epoch of a run that has at least n of them."""
    if len(run.epochs) < epochs:
        raise HarnessError(f"a claim looks at {epochs} epochs, but the recipe has {len(run.epochs)}; reword the claim")
    return run.accuracies(kind)


def _first_at(accuracies: Sequence[float], accuracy: float, otherwise: int) -> int:
    return next((epoch for epoch, value in enumerate(accuracies, 1) if value >= accuracy), otherwise)
