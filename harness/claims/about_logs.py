"""The vocabulary of what a Note quotes from a published log, `[log: best test 99.46 in epochs 10 and 11]`.

Placeholders as in `harness.claims.about_runs`, and: WHICH is `test` or `train`, an accuracy in percent, or `test loss`
or `train loss`; X is a figure as it is quoted, to whose digits the log is rounded; LIST is several of them, and EPOCHS
one epoch or several. Means and deviations over epochs are those of a sample, with n - 1.
"""

from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_EVEN, Decimal

import numpy as np

from harness.claims.verdict import Verdict, fact
from harness.evidence.published import Published

SERIES = {
    "test": "test_accuracy",
    "train": "train_accuracy",
    "test loss": "test_loss",
    "train loss": "train_loss",
}


def series(published: Published, which: str) -> list[float]:
    """A figure of each epoch."""
    return [getattr(epoch, SERIES[which]) for epoch in published.log.epochs]


def as_quoted(value: float, quoted: Decimal) -> Decimal:
    """A value of the log, rounded to the digits of a figure that is quoted."""
    return Decimal(repr(round(value, 9))).quantize(quoted, ROUND_HALF_EVEN)


def in_epochs(published: Published, which: str, quoted: Sequence[Decimal], first: int, last: int) -> Verdict:
    """The figures of some epochs in a row, each of them."""
    there = series(published, which)[first - 1 : last]
    found = ", ".join(f"{value:g}" for value in there)
    same = [as_quoted(value, figure) for value, figure in zip(there, quoted, strict=False)] == list(quoted)
    return fact(same and len(there) == len(quoted) == last - first + 1, found)


def extremes(published: Published, which: str, low: Decimal, high: Decimal, first: int, last: int) -> Verdict:
    """The lowest and the highest of some epochs in a row."""
    there = series(published, which)[first - 1 : last]
    is_so = (as_quoted(min(there), low), as_quoted(max(there), high)) == (low, high)
    return fact(is_so, f"{min(there):g} to {max(there):g}")


def best_in(published: Published, which: str, quoted: Decimal, epochs: list[int]) -> Verdict:
    """The highest accuracy, or the lowest loss, and all epochs that have it."""
    there = series(published, which)
    best = min(there) if "loss" in which else max(there)
    having = [epoch for epoch, value in enumerate(there, 1) if value == best]
    return fact((as_quoted(best, quoted), having) == (quoted, epochs), f"{best:g} in {epochs_text(having)}")


def at_least_in(published: Published, which: str, quoted: Decimal, epochs: list[int]) -> Verdict:
    """All the epochs that are at a figure or above."""
    having = [epoch for epoch, value in enumerate(series(published, which), 1) if value >= float(quoted)]
    return fact(having == epochs, f"{quoted} or more in {epochs_text(having)}")


def mean_over(published: Published, which: str, quoted: Decimal, n: int) -> Verdict:
    """The mean over the last n epochs."""
    value = float(np.mean(series(published, which)[-n:]))
    return fact(as_quoted(value, quoted) == quoted, f"{value:.4f}")


def deviation_over(published: Published, which: str, quoted: Decimal, n: int) -> Verdict:
    """The standard deviation over the last n epochs."""
    value = float(np.std(series(published, which)[-n:], ddof=1))
    return fact(as_quoted(value, quoted) == quoted, f"{value:.4f}")


def gap_in(published: Published, quoted: Decimal, epoch: int) -> Verdict:
    """Training less test accuracy after an epoch, in points."""
    value = series(published, "train")[epoch - 1] - series(published, "test")[epoch - 1]
    return fact(as_quoted(value, quoted) == quoted, f"{value:.2f}")


def digit_at(published: Published, digit: int, quoted: Decimal) -> Verdict:
    """The test accuracy of a digit after the last epoch, in percent."""
    found = published.digits[digit] if published.digits else None
    return fact(found is not None and as_quoted(found, quoted) == quoted, f"{found}")


def epochs_text(epochs: Sequence[int]) -> str:
    """Epochs as a claim names them."""
    return f"epoch {epochs[0]}" if len(epochs) == 1 else f"epochs {', '.join(map(str, epochs))}"


LOG_CLAIMS: dict[str, Callable[..., Verdict]] = {
    "WHICH X in epoch N": lambda published, which, x, n: in_epochs(published, which, [x], n, n),
    "WHICH LIST in epochs N to M": in_epochs,
    "WHICH between X and X in epochs N to M": extremes,
    "best WHICH X in EPOCHS": best_in,
    "WHICH at X or above in EPOCHS only": at_least_in,
    "mean WHICH X over the last N epochs": mean_over,
    "deviation of WHICH X over the last N epochs": deviation_over,
    "gap of X in epoch N": gap_in,
    "digit A at X": digit_at,
}
