"""Two steps, or one step twice, compared over the seeds that both were trained with; and one step on two devices."""

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from harness.errors import HarnessError
from harness.evidence.statistics import (
    LEAST_RUNS,
    POWER,
    Interval,
    bootstrap_interval,
    difference_interval,
    effect,
    mean_interval,
)
from harness.run import Run

BETTER_THAN_EVEN = 0.5
MEANINGFUL = 0.75
"""P(A > B) from which an improvement is worth the name (Bouthillier et al., arXiv 2103.03098)."""


@dataclass(frozen=True)
class Comparison:
    """A paired comparison: the values of A and B in the order of `seeds`, and what follows from them."""

    seeds: tuple[int, ...]
    a: tuple[float, ...]
    b: tuple[float, ...]
    difference: Interval
    """The mean of A - B, with Student's interval."""
    better: Interval
    """P(A > B), the share of pairs in which A is above B, ties counted half, with its percentile bootstrap interval.

    That one decides of an improvement, beside Student's. It is too narrow to be reported: of three to ten pairs that
    agree it has no width, and may miss P more often than not. `wins` are reported with their exact interval.
    """

    @property
    def wins(self) -> tuple[int, int]:
        """In how many pairs A is above B, and of how many: those that are no ties."""
        pairs = list(zip(self.a, self.b, strict=True))
        return sum(a > b for a, b in pairs), sum(a != b for a, b in pairs)

    @property
    def improvement(self) -> bool:
        """Whether A may be called an improvement on B.

        The interval of P(A > B) must lie above 0.5 and reach beyond 0.75. A bootstrap of a few pairs that all agree
        has no width at all, so there must be three pairs, and Student's interval of the mean difference must exclude
        zero too.
        """
        convincing = self.better.low > BETTER_THAN_EVEN and self.better.high > MEANINGFUL
        return len(self.seeds) >= LEAST_RUNS and convincing and self.difference.low > 0


def paired(a: Mapping[int, float], b: Mapping[int, float]) -> Comparison:
    """Compare two sets of values, such as accuracies in percent, keyed by seed.

    Raises HarnessError if they have no seed in common.
    """
    seeds = tuple(sorted(a.keys() & b.keys()))
    if not seeds:
        have = " and ".join(", ".join(map(str, sorted(values))) or "none" for values in (a, b))
        raise HarnessError(f"no seed in common: the two have {have}; train both with the same seeds (--seed)")
    # Means of the same accuracies in another order differ in the last bit, and would be no tie.
    first, second = (np.array([round(values[seed], 9) for seed in seeds]) for values in (a, b))
    difference = mean_interval(list(first - second))
    better = bootstrap_interval(np.where(first == second, 0.5, first > second))
    return Comparison(seeds, tuple(map(float, first)), tuple(map(float, second)), difference, better)


MOST_PAIRS = 100
"""With more, an improvement that is worth the name would long be shown."""


@functools.cache
def runs_for_improvement(p: float, n: int) -> int | None:
    """How many pairs would show an improvement, if n that left it undecided with that p-value of Student are typical.

    The fewest of which both conditions of `Comparison.improvement` hold in four of five simulated worlds, where
    differences are normal. None where that takes more than 100, as where A wins fewer than three of four pairs: then
    the more pairs there are, the surer it is that the improvement is not worth the name.
    """
    differences = np.random.default_rng(0).normal(effect(p, n), 1.0, (10_000, MOST_PAIRS))
    sums, squares, wins = (
        value.cumsum(axis=1)[:, LEAST_RUNS - 1 :] for value in (differences, np.square(differences), differences > 0)
    )
    pairs = np.arange(LEAST_RUNS, MOST_PAIRS + 1)
    t = sums / np.sqrt((pairs * squares - np.square(sums)) / (pairs - 1))
    gains, convincing = t > special.stdtrit(pairs - 1, 0.975), wins >= [_convincing_wins(m) for m in pairs.tolist()]
    enough = (gains & convincing).mean(axis=0) >= POWER
    return int(pairs[enough.argmax()]) if enough.any() else None


def _convincing_wins(n: int) -> int:
    """The fewest wins of n pairs whose bootstrap interval lies above 0.5 and reaches beyond 0.75; n + 1 if none does.

    The number of wins in a resample is binomial, so that the ends of the interval are its quantiles.
    """
    shares = np.arange(n + 1) / n
    above = special.bdtr(math.floor(BETTER_THAN_EVEN * n), n, shares) < 0.025
    beyond = special.bdtr(math.floor(MEANINGFUL * n), n, shares) < 0.975
    return n + 1 - int((above & beyond).sum())


def beside_cpu(gpu: Sequence[Run], cpu: Sequence[Run]) -> str:
    """How much higher the final accuracy of a step is on a GPU than on a CPU, in words; one run or more of each.

    A seed is no pair: it draws other dropout and other distortions on the other device.
    """
    higher = difference_interval(*([run.final_mean() for run in runs] for runs in (gpu, cpu)))
    bounds = " (one run has no interval)" if math.isnan(higher.low) else ", 95 % interval of Welch"
    return f"GPU minus CPU: {higher:+.3f} points{bounds}, {len(gpu)} and {len(cpu)} runs"
