"""Intervals, from the functions of scipy, and the rules that are built on them.

The distributions of `scipy.stats` would take a second to load, and a hundred times as long for a number.
"""

import bisect
import functools
import math
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import special

from harness.step import TEST_IMAGES

TRAINING_IMAGES = 60_000

LEAST_RUNS = 3
"""Fewer runs decide nothing about a mean: one has no interval, and that of two, 12.7 standard errors to either side by
Student's t with one degree of freedom, decides only when they happen to agree."""


class Interval(NamedTuple):
    """An estimate and its interval, of 95 % unless another confidence is asked for; NaN bounds for a single value.

    Formatted as `99.42 [99.38, 99.46]`, each of the three numbers as the format says, or as `99.42` without bounds.
    """

    estimate: float
    low: float = math.nan
    high: float = math.nan

    def __format__(self, spec: str) -> str:
        bounds = "" if math.isnan(self.low) else f" [{self.low:{spec}}, {self.high:{spec}}]"
        return f"{self.estimate:{spec}}{bounds}"


@functools.cache
def binomial_interval(k: int, n: int, confidence: float = 0.95) -> Interval:
    """The share of k in n, and the exact two-sided interval for it (Clopper and Pearson, Biometrika 1934)."""
    tail = (1 - confidence) / 2
    low = float(special.betaincinv(k, n - k + 1, tail)) if k else 0.0
    high = float(special.betaincinv(k + 1, n - k, 1 - tail)) if k < n else 1.0
    return Interval(k / n, low, high)


def mean_interval(values: Sequence[float]) -> Interval:
    """The mean of independent values, and Student's interval for it."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return Interval(mean)
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    reach = _quantile(0.975, len(values) - 1) * error
    return Interval(mean, mean - reach, mean + reach)


@functools.cache
def _quantile(share: float, degrees: float) -> float:
    """Below which Student's t lies with that probability."""
    return float(special.stdtrit(degrees, share))


def _below(t: float, degrees: int) -> float:
    """The probability that Student's t lies below that."""
    return float(special.stdtr(degrees, t))


def difference_interval(a: Sequence[float], b: Sequence[float]) -> Interval:
    """The mean of independent values less that of others, and Welch's interval for it (Biometrika, 1947).

    Of Student's kind, for samples whose spreads need not be alike. Without bounds where either has a single value.
    """
    difference = float(np.mean(a)) - float(np.mean(b))
    if min(len(a), len(b)) < 2:
        return Interval(difference)
    errors = [float(np.var(values, ddof=1)) / len(values) for values in (a, b)]
    if not any(errors):
        return Interval(difference, difference, difference)
    shares = [error**2 / (len(values) - 1) for error, values in zip(errors, (a, b), strict=True)]
    reach = _quantile(0.975, sum(errors) ** 2 / sum(shares)) * math.sqrt(sum(errors))
    return Interval(difference, difference - reach, difference + reach)


def mean_p(values: Sequence[float], bound: float) -> float:
    """The two-sided p-value of Student's test that the mean of two independent values or more is the bound.

    They must not all be the same: the test measures by their spread.
    """
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return 2 * _below(-abs(float(np.mean(values)) - bound) / error, len(values) - 1)


@functools.cache
def sign_p(k: int, n: int) -> float:
    """The two-sided p-value of the exact sign test: k of n, where a half of all would be expected by chance."""
    return min(1.0, 2 * float(special.bdtr(min(k, n - k), n, 0.5)))


POWER = 0.8
"""The probability with which a test is to decide where there is something to decide."""

MOST_RUNS = 10_000
"""More runs than anybody makes: what would take them is not to be decided."""


def runs_for_mean(n: int, *p: float) -> int | None:
    """How many runs would decide about a mean, if n that left it undecided with that p-value are typical.

    The fewest with which Student's two-sided test at 5 % decides in the direction of the estimate with a probability of
    80 %, by the noncentral t distribution (Cohen, Statistical Power Analysis, 1988); None beyond 10,000. A mean that is
    to lie between two bounds has two p-values, and has to be told from both: the probabilities to miss either are added
    (Boole's inequality), as hardly ever both are missed at once.
    """
    typical = [effect(one, n) for one in p]

    def power(m: int) -> float:
        return 1.0 - sum(float(special.nctdtr(m - 1, one * math.sqrt(m), _quantile(0.975, m - 1))) for one in typical)

    return _fewest(power, LEAST_RUNS)


def effect(p: float, n: int) -> float:
    """How many standard deviations the mean of n values is from a bound, by the two-sided p-value of Student's test."""
    return -_quantile(p / 2, n - 1) / math.sqrt(n)


def runs_for_share(share: float) -> int | None:
    """How many runs would show that something holds of most, or of few, if it holds of that share of all runs.

    The fewest with which the exact 95 % interval lies on one side of one half with a probability of 80 %.
    """
    runs = np.arange(6, 1_000)
    too_few = np.ceil(special.bdtrik(0.975, runs, 0.5))  # so that the interval reaches one half
    enough = special.bdtrc(too_few, runs, max(share, 1 - share)) >= POWER
    return int(runs[enough.argmax()]) if enough.any() else None


def _fewest(power: Callable[[int], float], least: int) -> int | None:
    """The smallest number of runs with enough power, which grows with them; None beyond `MOST_RUNS`."""
    if power(MOST_RUNS) < POWER:
        return None
    return bisect.bisect_left(range(MOST_RUNS + 1), POWER, lo=least, key=power)


def holm(p: Sequence[float]) -> list[bool]:
    """Which of several hypotheses are rejected so that all rejections hold at once, with 95 %.

    From the smallest p-value up, the i-th of m (from 0) is compared with 0.05 / (m - i), until the first that is
    larger (Holm, Scandinavian Journal of Statistics, 1979). Nothing is assumed of how the tests depend on each other.
    """
    rejected = [False] * len(p)
    for i, at in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        if p[at] > 0.05 / (len(p) - i):
            break
        rejected[at] = True
    return rejected


def accuracy_interval(values: Sequence[float]) -> Interval:
    """The `mean_interval` of accuracies in percent, cut off at 0 and 100: one run at chance would reach beyond."""
    mean, low, high = mean_interval(values)
    return Interval(mean) if math.isnan(low) else Interval(mean, max(low, 0.0), min(high, 100.0))


def standard_error(accuracy: float, n: int = TEST_IMAGES) -> float:
    """Binomial standard error, in points, of an accuracy in percent measured on n images."""
    share = accuracy / 100
    return 100 * math.sqrt(share * (1 - share) / n)


def prediction_interval(values: Sequence[float], images: int = TEST_IMAGES) -> Interval:
    """Where one more run like these should fall: accuracies in percent on n images, within 0 to 100.

    Student's prediction interval, mean +- t s sqrt(1 + 1/n) (Hahn and Meeker, Statistical Intervals, 1991). The spread
    s is never taken as less than the binomial standard error of the mean: a handful of runs that happen to agree
    says little about the next one, and a single run says nothing.
    """
    mean, error = _prediction(values, images)
    reach = error * (_quantile(0.975, len(values) - 1) if len(values) > 1 else float(special.ndtri(0.975)))
    return Interval(mean, max(mean - reach, 0.0), min(mean + reach, 100.0))


def prediction_p(values: Sequence[float], value: float, images: int = TEST_IMAGES) -> float:
    """The probability that one more run like these lies as far from their mean as the value does, or further."""
    mean, error = _prediction(values, images)
    distance = abs(value - mean)
    if error == 0:
        return float(distance == 0)
    far = -distance / error
    return 2 * (_below(far, len(values) - 1) if len(values) > 1 else float(special.ndtr(far)))


def _prediction(values: Sequence[float], images: int) -> tuple[float, float]:
    """The mean of accuracies in percent, and the standard error of one more."""
    n, mean = len(values), float(np.mean(values))
    noise = standard_error(mean, images)
    spread = max(noise, float(np.std(values, ddof=1))) if n > 1 else noise
    return mean, spread * math.sqrt(1 + 1 / n)


def chance_below(values: Sequence[float], bound: float) -> float:
    """The probability that one more independent run like these lies below the bound; NaN for fewer than three.

    Student's prediction: that of t < (bound - mean) / (s sqrt(1 + 1/n)) with n - 1 degrees of freedom (Hahn and Meeker,
    Statistical Intervals, 1991), for normal values. Few runs that agree leave it high, as they may agree by luck.
    """
    n = len(values)
    if n < LEAST_RUNS:
        return math.nan
    distance, spread = bound - float(np.mean(values)), float(np.std(values, ddof=1))
    if spread == 0:
        return float(distance > 0)
    return _below(distance / (spread * math.sqrt(1 + 1 / n)), n - 1)


def bootstrap_interval(
    values: Sequence[float] | np.ndarray[Any, Any], confidence: float = 0.95, draws: int = 10_000
) -> Interval:
    """The mean of independent values and its percentile bootstrap interval (Efron and Tibshirani, 1993, chapter 13).

    Resampled with a fixed seed, so that the same values always give the same interval.
    """
    sample = np.asarray(values, dtype=float)
    chosen = np.random.default_rng(0).integers(len(sample), size=(draws, len(sample)))
    low, high = np.quantile(sample[chosen].mean(axis=1), [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(sample.mean()), float(low), float(high))


def independent_spread(errors: Sequence[Collection[int]], n: int = TEST_IMAGES) -> float:
    """Standard deviation over runs, in points, that test accuracy would have if images were missed independently.

    `errors` are the indices of the images missed, one collection per run. With p_i the probability that a
    run misses image i, the variance is (1 / n^2) sum p_i (1 - p_i) (Jordan, arXiv 2304.01910), of which the share of R
    runs that miss it, times R / (R - 1), is the unbiased estimate. An observed spread well above it means that runs
    differ as wholes; one about as large is the noise of a finite test set. Raises ValueError for fewer than two runs.
    """
    runs = len(errors)
    if runs < 2:
        raise ValueError("the spread over runs takes at least two")
    counts = np.bincount([image for missed in errors for image in missed])
    share = counts / runs
    variance = float((share * (1 - share)).sum()) * runs / (runs - 1) / n**2
    return 100 * math.sqrt(variance)


def highest_plausible(reference: Sequence[float]) -> float:
    """The accuracy in percent above which one more run is too good to be like the runs of its reference.

    Four standard deviations above the mean of the reference, its own uncertainty included; infinite for fewer than
    three runs, which know too little of their spread. The spread is never taken as less than the binomial standard
    error, which is more than independent seeds show (`independent_spread`). Of runs that spread no more than that
    fewer than one in 30,000 lies so high, so that a leak of test images into the training is the likelier cause.

    Of runs that spread more, three or five often tell too little of it: at 0.2 points about one in 300 lies above what
    three of its kind make plausible around 98.7 %, one in 80 around 99.4 %, and where the binomial error plays no part
    at all Student's one in 35.
    """
    if len(reference) < LEAST_RUNS:
        return math.inf
    mean, error = _prediction(reference, TEST_IMAGES)
    return mean + 4 * error


def contradicts(claims_goal: bool, held: int, n: int) -> bool:
    """Whether held k of n runs contradict what the step says of the goal.

    A step that claims the goal must hold it in every run. One that says it misses is contradicted when its runs show,
    at 95 %, that it holds more often than not: never by a lucky run, always by five of five.
    """
    return held < n if claims_goal else more_often_than_not(held, n)


def more_often_than_not(k: int, n: int) -> bool:
    """Whether k of n show a probability above one half: by its exact one-sided 95 % bound; none of none do not."""
    return n > 0 and binomial_interval(k, n, confidence=0.90).low > 0.5
