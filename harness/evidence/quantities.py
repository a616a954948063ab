"""What a claim is decided by: one number a run, read from a step's record, keyed by the seed.

Of the accuracies in percent, *final* is the mean over the final epochs of the step, and *last* is after the last epoch.
What moves from epoch to epoch is looked at over the last five, as the published texts do.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from harness.errors import HarnessError
from harness.evidence import record
from harness.step import Step

LAST = 5  # epochs
Values = dict[int, float]
Run = dict[str, Any]


def of(step: type[Step], quantity: Callable[[Run], float]) -> Values:
    """That quantity of each run in the record of a step; empty without a record."""
    kept = record.read(step)
    return {run["seed"]: quantity(run) for run in kept["runs"]} if kept else {}


def final(step: type[Step], kind: str = "test") -> Values:
    """Mean accuracy over the final epochs, "test" or "train"."""
    kept = record.read(step)
    return final_of(kept, step, kind) if kept else {}


def final_of(kept: dict[str, Any], step: type[Step], kind: str = "test") -> Values:
    """The same from any record of the step."""
    return {run["seed"]: float(np.mean(series(run, kind)[-step.final_epochs :])) for run in kept["runs"]}


def gap(step: type[Step]) -> Values:
    """Final training accuracy less final test accuracy, in points."""
    train, test = final(step, "train"), final(step)
    return {seed: train[seed] - test[seed] for seed in test}


def worst(step: type[Step]) -> Values:
    """The lowest test accuracy of the final epochs."""
    return of(step, lambda run: min(series(run)[-step.final_epochs :]))


def lowest_from(step: type[Step], epoch: int) -> Values:
    """The lowest test accuracy from an epoch on."""
    return of(step, lambda run: min(_enough(series(run), epoch)[epoch - 1 :]))


def best(step: type[Step], kind: str = "test", until: int | None = None) -> Values:
    """The highest accuracy of all epochs, or of those up to one."""
    return of(step, lambda run: max(series(run, kind)[:until]))


def last(step: type[Step], kind: str = "test") -> Values:
    """The accuracy after the last epoch."""
    return of(step, lambda run: series(run, kind)[-1])


def rise_after(step: type[Step], epoch: int) -> Values:
    """How much higher the final test accuracy is than after an epoch, in points."""
    after = of(step, lambda run: _enough(series(run), epoch)[epoch - 1])
    return {seed: accuracy - after[seed] for seed, accuracy in final(step).items()}


def largest_fall(step: type[Step]) -> Values:
    """The most that test accuracy falls from one epoch to the next, in points; negative if it never does."""
    return of(step, lambda run: float(-np.diff(_enough(series(run), 2)).min()))


def below_best(step: type[Step]) -> Values:
    """How far the last epoch's test accuracy is below the best, in points."""
    return of(step, lambda run: max(series(run)) - series(run)[-1])


def range_over(step: type[Step], first: int, last: int) -> Values:
    """Highest less lowest test accuracy between two epochs, both included, in points."""
    return of(step, lambda run: float(np.ptp(_enough(series(run), last)[first - 1 : last])))


def spread(step: type[Step]) -> Values:
    """Standard deviation of test accuracy over the last five epochs, in points."""
    return of(step, lambda run: float(np.std(_enough(series(run), LAST)[-LAST:], ddof=1)))


def slope(step: type[Step], kind: str = "test") -> Values:
    """Least-squares slope of accuracy over the last five epochs, in points an epoch."""
    return of(step, lambda run: float(np.polyfit(range(LAST), _enough(series(run, kind), LAST)[-LAST:], 1)[0]))


def epochs_to(step: type[Step], accuracy: float, until: int) -> Values:
    """The first epoch with that test accuracy; one after `until` where it was not reached by then."""
    return of(step, lambda run: float(_first_at(series(run)[:until], accuracy, until + 1)))


def confusions(step: type[Step], digit: int, taken_for: int) -> Values:
    """How often a digit is taken for another, in times of the average over the ninety pairs of digits."""
    pairs = 90
    return {
        seed: pairs * sum((true, guess) == (digit, taken_for) for _, true, guess in missed) / max(len(missed), 1)
        for seed, missed in _misses(step).items()
    }


def missed_more(step: type[Step], digit: int) -> Values:
    """Share of a digit's test images that are missed, less the largest such share of another digit, in points."""
    values = {}
    for seed, missed in _misses(step).items():
        count = np.bincount([true for _, true, _ in missed], minlength=10)
        share = 100 * count / np.array(TEST_DIGITS)
        values[seed] = float(share[digit] - np.delete(share, digit).max())
    return values


TEST_DIGITS = (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009)
"""How many test images of MNIST there are of each digit."""


def curves(step: type[Step]) -> dict[int, list[tuple[float, float]]]:
    """Training and test accuracy after each epoch."""
    kept = record.read(step) or {"runs": []}
    return {run["seed"]: list(zip(series(run, "train"), series(run), strict=True)) for run in kept["runs"]}


def series(run: Run, kind: str = "test") -> list[float]:
    """The accuracy after each epoch, "test" or "train"."""
    return [float(epoch[f"{kind}_accuracy"]) for epoch in run["epochs"]]


def _enough(accuracies: list[float], epochs: int) -> list[float]:
    if len(accuracies) < epochs:
        raise HarnessError(f"a claim looks at {epochs} epochs, but the recipe has {len(accuracies)}; reword the claim")
    return accuracies


def _misses(step: type[Step]) -> dict[int, list[tuple[int, int, int]]]:
    kept = record.read(step) or {"runs": []}
    return {run["seed"]: run["errors"] for run in kept["runs"] if "errors" in run}


def _first_at(accuracies: list[float], accuracy: float, otherwise: int) -> int:
    return next((epoch for epoch, value in enumerate(accuracies, 1) if value >= accuracy), otherwise)
