"""The verdict on a claim: a word and its evidence, reached by an interval or by a fact."""

import math
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal

from harness.evidence import statistics
from harness.evidence.statistics import Interval
from harness.step import TEST_IMAGES

Word = Literal["supported", "refuted", "undecided"]

REPRODUCES = 0.5
"""Points to either side. The steps of a ladder are a few tenths of a point apart: an interval that reaches further
would take the figure of the step before for that of this one."""

UNKNOWN = Interval(math.nan)


@dataclass(frozen=True)
class Verdict:
    """A word and its evidence: from runs, their number and an estimate with its interval; of a fact, what was found."""

    word: Word
    n: int = 0
    """The number of runs, or of pairs of runs; 0 for a fact and without a record."""
    interval: Interval = UNKNOWN
    unit: str = ""
    found: str = ""
    """What the network or the recipe has, for a fact; empty otherwise."""

    @property
    def evidence(self) -> str:
        """The evidence in words."""
        if self.found:
            return self.found
        if self.n == 0:
            return "no runs"
        digits = ".2f" if self.unit == "%" else ".3g"  # accuracies near 100 differ in the second decimal
        return f"{self.interval:{digits}} {self.unit}, n = {self.n}"

    @property
    def negated(self) -> "Verdict":
        """The verdict on the opposite claim."""
        opposite: dict[Word, Word] = {"supported": "refuted", "refuted": "supported", "undecided": "undecided"}
        return replace(self, word=opposite[self.word])


def above(values: Collection[float], bound: float, unit: str = "%") -> Verdict:
    """Whether the mean of independent runs is at the bound or above: by the 95 % Student interval of that mean.

    Supported where all of the interval is, refuted where none of it is, undecided in between.
    """
    if not values:
        return Verdict("undecided")
    # Rounded, since means of equal accuracies may come out a millionth of a millionth off the bound that they are at.
    interval_of = statistics.accuracy_interval if unit == "%" else statistics.mean_interval
    interval = Interval(*(round(value, 9) + 0.0 for value in interval_of(list(values))))
    word: Word = "undecided"
    if len(values) >= statistics.LEAST_RUNS:
        word = "supported" if interval.low >= bound else "refuted" if interval.high < bound else "undecided"
    return Verdict(word, len(values), interval, unit)


def below(values: Collection[float], bound: float, unit: str = "%") -> Verdict:
    """Whether the mean of independent runs is below the bound."""
    return above(values, bound, unit).negated


def between(values: Collection[float], reach: float, unit: str = "points") -> Verdict:
    """Whether the mean of independent values lies within +- reach: supported where all of its interval does."""
    verdict = above(values, -reach, unit)
    words = {verdict.word, below(values, reach).word}
    word: Word = "refuted" if "refuted" in words else "undecided" if "undecided" in words else "supported"
    return replace(verdict, word=word)


def predicted(values: Collection[float], value: float, images: int = TEST_IMAGES) -> Verdict:
    """Whether one more run could give the value: by the 95 % prediction interval of accuracies in percent.

    Refuted where the value is outside, supported where it is inside an interval that is narrow enough to say something.
    """
    if not values:
        return Verdict("undecided")
    interval = mean, low, high = statistics.prediction_interval(list(values), images=images)
    word: Word = "undecided"
    if len(values) >= statistics.LEAST_RUNS:
        narrow = max(mean - low, high - mean) <= REPRODUCES
        word = "refuted" if not low <= value <= high else "supported" if narrow else "undecided"
    return Verdict(word, len(values), interval, "%")


def share(word: Word, k: int, n: int, unit: str) -> Verdict:
    """A verdict by the share of n runs, or pairs of them, k of which are as claimed, with its exact interval."""
    return Verdict(word, n, statistics.binomial_interval(k, n), unit)


def fact(is_so: bool, found: str) -> Verdict:
    """A verdict that needs no run: `found` says what the network or the recipe has."""
    return Verdict("supported" if is_so else "refuted", found=found)
