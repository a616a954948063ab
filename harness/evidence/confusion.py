"""Which digits are taken for which, and which test images are missed, from the errors of runs."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from harness.evidence.quantities import TEST_DIGITS
from harness.run import Run


@dataclass(frozen=True)
class Confusion:
    """The confusion matrix of some runs on the test set: a row per digit, a column per digit that it was taken for.

    `counts` are images per run on average, 10 x 10; those on the diagonal were right.
    """

    counts: tuple[tuple[float, ...], ...]
    runs: int

    @property
    def largest(self) -> float:
        """The largest count off the diagonal."""
        return max(self.counts[i][j] for i in range(10) for j in range(10) if i != j)

    def missed(self, digit: int) -> float:
        """The share of a digit's images that is missed, in percent."""
        return 100 * (1 - self.counts[digit][digit] / TEST_DIGITS[digit])


@dataclass(frozen=True)
class Missed:
    """A test image that is missed: its index, its digit, what it is taken for most often, and in how many runs."""

    index: int
    digit: int
    predicted: int
    runs: int


def confusion(runs: Sequence[Run]) -> Confusion | None:
    """The confusion matrix of the runs that name their errors; None if none does."""
    named = [run.errors for run in runs if run.errors is not None]
    if not named:
        return None
    pairs = Counter((digit, predicted) for errors in named for _, digit, predicted in errors)
    wrong = Counter(digit for errors in named for _, digit, _ in errors)
    counts = [
        tuple(
            TEST_DIGITS[row] - wrong[row] / len(named) if row == column else pairs[row, column] / len(named)
            for column in range(10)
        )
        for row in range(10)
    ]
    return Confusion(tuple(counts), len(named))


def missed(runs: Sequence[Run]) -> list[Missed]:
    """The images that any run misses, those missed by most runs first and then by index."""
    guesses: dict[tuple[int, int], Counter[int]] = {}
    for run in runs:
        for index, digit, predicted in run.errors or ():
            guesses.setdefault((index, digit), Counter())[predicted] += 1
    found = [Missed(*image, _most_common(count), count.total()) for image, count in guesses.items()]
    return sorted(found, key=lambda image: (-image.runs, image.index))


def missed_by_all(runs: Sequence[Run]) -> list[Missed]:
    """The images that every run misses, of those runs that name their errors, by index."""
    n = sum(run.errors is not None for run in runs)
    return [image for image in missed(runs) if image.runs == n]


def _most_common(count: Counter[int]) -> int:
    """The digit with the highest count; of equals the smallest, whatever the order of the runs."""
    return min(count, key=lambda digit: (-count[digit], digit))
