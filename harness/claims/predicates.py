"""What holds of a run or does not: the words of the vocabulary that follow `in every run`, `in most runs` and the like.

Placeholders as in `harness.claims.about_runs`.
"""

import math
from collections.abc import Callable

import numpy as np

from harness.errors import HarnessError
from harness.evidence.quantities import (
    below_best,
    best,
    enough,
    epochs_to,
    largest_fall,
    largest_loss_rise,
    loss_range,
    lowest_from,
    missed_more,
    range_over,
)
from harness.run import Run

CLOSE = 0.15
"""Points. Two binomial standard errors of a test accuracy of 99.4 %: a best that is no further from a bound cannot be
told from it by one test."""

PREDICATES: dict[str, Callable[..., bool]] = {
    "holds the goal": lambda run: run.held,
    "misses the goal": lambda run: not run.held,
    "reaches X": lambda run, x: best(run) >= x,
    "reaches X by epoch N": lambda run, x, epoch: best(run, until=epoch) >= x,
    "reaches X in training": lambda run, x: best(run, "train") >= x,
    "stays below X": lambda run, x: best(run) < x,
    "stays below X until epoch N": lambda run, x, epoch: best(run, until=epoch) < x,
    "stays below X in training": lambda run, x: best(run, "train") < x,
    "stays below X in training until epoch N": lambda run, x, epoch: best(run, "train", epoch) < x,
    "stays far below X": lambda run, x: best(run) < round(x - CLOSE, 9),
    "comes close to X": lambda run, x: best(run) >= round(x - CLOSE, 9),
    "holds X from epoch N": lambda run, x, epoch: lowest_from(run, epoch) >= x,
    "does not hold X from epoch N": lambda run, x, epoch: lowest_from(run, epoch) < x,
    "falls by D in one epoch": lambda run, d: round(largest_fall(run), 9) >= d,
    "never falls by D in one epoch": lambda run, d: round(largest_fall(run), 9) < d,
    "falls below X after reaching it": lambda run, x: falls_below(run, x),
    "moves by D over epochs N to M": lambda run, d, n, m: round(range_over(run, n, m), 9) >= d,
    "moves by less than D over epochs N to M": lambda run, d, n, m: round(range_over(run, n, m), 9) < d,
    "test loss moves by L over epochs N to M": lambda run, d, n, m: round(loss_range(run, n, m), 9) >= d,
    "test loss moves by less than L over epochs N to M": lambda run, d, n, m: round(loss_range(run, n, m), 9) < d,
    "test loss rises by L in one epoch from epoch N": lambda run, d, n: round(largest_loss_rise(run, n), 9) >= d,
    "alternates every two epochs over epochs N to M": lambda run, n, m: alternates(run, n, m),
    "ends D below its best": lambda run, d: round(below_best(run), 9) >= d,
    "misses A the most": lambda run, digit: missed_more(run, digit) > 0,
}
"""What holds of a run or does not."""

COUNTED: dict[str, Callable[..., bool]] = {
    "falls below X after reaching it": lambda run, x: best(run) >= x,
    "misses A the most": lambda run, digit: not math.isnan(missed_more(run, digit)),
    "test loss moves by L over epochs N to M": lambda run, *_: has_test_losses(run),
    "test loss moves by less than L over epochs N to M": lambda run, *_: has_test_losses(run),
    "test loss rises by L in one epoch from epoch N": lambda run, *_: has_test_losses(run),
}
"""Of which runs it can be said: of those that come to what it speaks of, and whose record has that.

Older versions did not record all.
"""


def has_test_losses(run: Run) -> bool:
    """Whether all test losses of a run were recorded."""
    return not math.isnan(sum(run.test_losses))


def falls_below(run: Run, accuracy: float) -> bool:
    """Some epoch is below a test accuracy that an epoch before it has."""
    reached = int(epochs_to(run, accuracy, len(run.epochs)))
    return any(later < accuracy for later in run.accuracies()[reached:])


def alternates(run: Run, first: int, last: int) -> bool:
    """The means of test accuracy over pairs of epochs go up and down in turn, from one epoch to another.

    HarnessError if these are fewer than three pairs, which cannot go up and down.
    """
    if last - first < 5:
        raise HarnessError(f"epochs {first} to {last} are fewer than three pairs, which alternate; reword the claim")
    pairs = np.asarray(enough(run, last)[first - 1 : last])
    moves = np.diff(pairs[: len(pairs) // 2 * 2].reshape(-1, 2).mean(axis=1).round(9))
    return bool((moves[:-1] * moves[1:] < 0).all())
