"""Two steps, or one step twice, compared over the seeds that both were trained with; and one step on two devices."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.errors import HarnessError
from harness.evidence.statistics import LEAST_RUNS, Interval, bootstrap_interval, difference_interval, mean_interval
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

    That one decides of an improvement, beside Student's. It is too narrow to be told: of three to ten pairs that agree
    it has no width, and may miss P more often than not. `wins` are told with their exact interval.
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
    first, second = (np.array([values[seed] for seed in seeds]) for values in (a, b))
    difference = mean_interval(list(first - second))
    better = bootstrap_interval(np.where(first == second, 0.5, first > second))
    return Comparison(seeds, tuple(map(float, first)), tuple(map(float, second)), difference, better)


def beside_cpu(gpu: Sequence[Run], cpu: Sequence[Run]) -> str:
    """How much higher the final accuracy of a step is on a GPU than on a CPU, in words; one run or more of each.

    A seed is no pair: it draws other dropout and other distortions on the other device.
    """
    higher = difference_interval(*([run.final_mean() for run in runs] for runs in (gpu, cpu)))
    bounds = " (one run has no interval)" if math.isnan(higher.low) else ", 95 % interval of Welch"
    return f"GPU minus CPU: {higher:+.3f} points{bounds}, {len(gpu)} and {len(cpu)} runs"
