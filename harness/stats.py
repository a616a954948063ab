"""The accuracy rule and the intervals that go with a figure; scipy underneath."""

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

GOAL = 99.40  # percent of the 10,000 test images
TEST_IMAGES = 10_000


def holds(final: Sequence[float]) -> bool:
    """Whether a run holds the goal: test accuracy in percent at 99.40 or above in every one of its final epochs."""
    return len(final) > 0 and min(final) >= GOAL


def binomial_interval(k: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Exact two-sided interval for a probability after k of n (Clopper and Pearson, Biometrika 1934)."""
    interval = stats.binomtest(k, n).proportion_ci(confidence_level=confidence, method="exact")
    return float(interval.low), float(interval.high)


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float, float]:
    """The mean of independent runs and Student's interval for it; one run alone has no interval (NaN)."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, math.nan, math.nan
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    reach = float(stats.t.ppf((1 + confidence) / 2, len(values) - 1)) * error
    return mean, mean - reach, mean + reach


def standard_error(accuracy: float, n: int = TEST_IMAGES) -> float:
    """Binomial standard error, in points, of an accuracy in percent measured on n images."""
    share = accuracy / 100
    return 100 * math.sqrt(share * (1 - share) / n)


def prediction_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """Where one more run like these should fall: accuracies in percent.

    Student's prediction interval, mean +- t s sqrt(1 + 1/n) (Hahn and Meeker, Statistical Intervals, 1991). The spread
    s is never taken as less than the binomial standard error of the mean: a handful of runs that happen to agree
    says little about the next one, and a single run says nothing.
    """
    n, mean = len(values), float(np.mean(values))
    noise = standard_error(mean)
    spread = max(noise, float(np.std(values, ddof=1))) if n > 1 else noise
    quantile = stats.t.ppf((1 + confidence) / 2, n - 1) if n > 1 else stats.norm.ppf((1 + confidence) / 2)
    reach = float(quantile) * spread * math.sqrt(1 + 1 / n)
    return mean - reach, mean + reach


def contradicts(claims_goal: bool, held: int, n: int) -> bool:
    """Whether held k of n runs contradict what the step says of the goal.

    A step that claims the goal must hold it in every run. One that says it misses is contradicted when its runs show,
    at 95 %, that it holds more often than not: never by a lucky run, always by five of five.
    """
    if claims_goal:
        return held < n
    return binomial_interval(held, n, confidence=0.90)[0] > 0.5
