"""The verdict on a claim: a word and its evidence, reached by an interval or by a fact."""

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Literal

from harness.evidence import statistics
from harness.evidence.comparison import runs_for_improvement
from harness.evidence.statistics import Interval
from harness.step import TEST_IMAGES

Word = Literal["supported", "refuted", "undecided"]

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
    p: float = 1.0
    """How probable it is to be so wrong: the p-value of the test behind the word, 0 where no chance is involved."""
    far_p: float | None = None
    """That of the farther bound, of a mean that lies between two and is not shown to yet."""
    planned: int = 0
    """How many runs or pairs are to decide, as is laid down for the step; with fewer the word is provisional."""
    ties: int = 0
    """The pairs of equal runs, which are not among the n: they say nothing of a direction."""
    by: Literal["mean", "share", "improvement", ""] = ""
    """What more runs may yet decide: a mean, the share of runs of which something holds, or a gain and its wins."""
    across_trainers: bool = False
    """Whether native runs are compared with eager ones: the figure contains what the trainers differ by."""

    @property
    def evidence(self) -> str:
        """The evidence in words."""
        if self.found:
            return self.found
        if not self.n + self.ties:
            return "no runs"
        planned = f" of {self.planned} planned" if self.provisional else ""
        across = ", across trainers" if self.across_trainers else ""
        more = f"; {self.runs_needed:,} runs would probably decide it" if self.runs_needed else ""
        if self.unit in _SHARES:
            return f"{self._share}{f', {self.planned} planned' if planned else ''}{across}{more}"
        digits = ".2f" if self.unit == "%" else ".3g"  # accuracies near 100 differ in the second decimal
        return f"{self.interval:{digits}} {self.unit}".rstrip() + f", n = {self.n}{planned}{across}{more}"

    @property
    def provisional(self) -> bool:
        """Whether there are runs, and fewer than are to decide: the word is not the one that counts."""
        return 0 < self.n + self.ties < self.planned

    @property
    def _share(self) -> str:
        """Of how many runs or pairs something holds, and how many pairs are ties."""
        if not self.n:
            return f"{self.ties} of {self.ties} pairs are ties"
        k, (_, low, high) = round(self.interval.estimate * self.n), self.interval
        ties = f", {self.ties} tie{'s' if self.ties > 1 else ''}" if self.ties else ""
        return f"{k} of {self.n} {self.unit} (95 % interval {100 * low:.0f} to {100 * high:.0f} %){ties}"

    @property
    def runs_needed(self) -> int | None:
        """How many runs would decide, with a probability of 80 %, what as many as were planned left undecided.

        None if they decide it, if no number that anybody makes would, and if it is not their number that it lacks.
        """
        if self.word != "undecided" or not self.by or not 0 < self.planned <= self.n:
            return None
        if self.by == "share":
            return statistics.runs_for_share(self.interval.estimate)
        if self.by == "improvement":
            return runs_for_improvement(self.p, self.n)
        return statistics.runs_for_mean(self.n, self.p, *([] if self.far_p is None else [self.far_p]))

    @property
    def negated(self) -> "Verdict":
        """The verdict on the opposite claim."""
        opposite: dict[Word, Word] = {"supported": "refuted", "refuted": "supported", "undecided": "undecided"}
        return replace(self, word=opposite[self.word])


_SHARES = ("runs", "pairs")


def above(values: Collection[float], bound: float, unit: str = "points") -> Verdict:
    """Whether the mean of independent runs is at the bound or above: by the 95 % Student interval of that mean.

    Supported where all of the interval is, refuted where none of it is, undecided in between. Values that are all the
    same have no such interval, and leave it undecided.
    """
    if not values:
        return Verdict("undecided")
    # Rounded, since means of equal accuracies may come out a millionth of a millionth off the bound that they are at.
    interval = Interval(*(round(value, 9) + 0.0 for value in statistics.mean_interval(list(values))))
    if len(values) < 2 or alike(values):
        return Verdict("undecided", len(values), Interval(interval.estimate), unit)
    word: Word = "undecided"
    if len(values) >= statistics.LEAST_RUNS:
        word = "supported" if interval.low >= bound else "refuted" if interval.high < bound else "undecided"
    return Verdict(word, len(values), interval, unit, p=statistics.mean_p(list(values), bound), by="mean")


def alike(values: Collection[float]) -> bool:
    """Whether several values are all the same: that they agree may be chance, of which they show no measure."""
    return len(values) > 1 and max(values) - min(values) < 1e-9


def below(values: Collection[float], bound: float, unit: str = "points") -> Verdict:
    """Whether the mean of independent runs is below the bound."""
    return above(values, bound, unit).negated


def between(values: Collection[float], low: float, high: float) -> Verdict:
    """Whether the mean of independent values lies between two bounds: supported where all of its interval does."""
    over, under = above(values, low), below(values, high)
    words = {over.word, under.word}
    word: Word = "refuted" if "refuted" in words else "undecided" if "undecided" in words else "supported"
    far, near = sorted((over.p, under.p))  # the p-value of the nearer bound is larger, outside of them too
    return replace(over, word=word, p=near, far_p=far if low <= over.interval.estimate < high else None)


def most(held: Iterable[bool], unit: str = "runs") -> Verdict:
    """Whether something holds of more than half of all runs, or pairs of runs, like these.

    Supported where the exact 95 % interval for their share lies above one half, which takes six of six or nine of ten,
    and refuted where it lies below.
    """
    outcomes = list(held)
    if not outcomes:
        return Verdict("undecided")
    k, n = sum(outcomes), len(outcomes)
    interval = statistics.binomial_interval(k, n)
    word: Word = "supported" if interval.low > 0.5 else "refuted" if interval.high < 0.5 else "undecided"
    return Verdict(word, n, interval, unit, p=statistics.sign_p(k, n), by="share")


def mostly_above(values: Collection[float], bound: float) -> Verdict:
    """Whether more than half of all pairs of runs have a difference above a bound: by `most`, without the ties."""
    untied = [value > bound for value in values if value != bound]
    return replace(most(untied, "pairs"), unit="pairs", ties=len(values) - len(untied))


def every(held: Iterable[bool], unit: str = "runs") -> Verdict:
    """Whether something holds of every run: one of which it does not refutes it.

    No number of runs can show that the next will not fail: supported means that it holds of all, and of most by `most`.
    """
    outcomes = list(held)
    verdict = most(outcomes, unit)
    return verdict if all(outcomes) else replace(verdict, word="refuted", p=0.0)


def some(held: Iterable[bool]) -> Verdict:
    """Whether something holds of at least one run: one shows it, and no number of others refutes it."""
    outcomes = list(held)
    verdict = most(outcomes)
    if any(outcomes):
        return replace(verdict, word="supported", p=0.0)
    return replace(verdict, word="undecided", p=1.0, by="")


def reproduced(
    values: Collection[float], value: float, neighbours: Collection[float], images: int = TEST_IMAGES
) -> Verdict:
    """Whether one more run could give a value that was published, and none of those of the steps next to it.

    By the 95 % prediction interval of accuracies in percent. Refuted where the value is outside. That it is inside says
    nothing yet, as a wide interval holds everything: supported where all the neighbours' values are outside.
    """
    if not values:
        return Verdict("undecided")
    interval = _, low, high = statistics.prediction_interval(list(values), images=images)
    inside = [low <= one <= high for one in (value, *neighbours)]
    word: Word = "undecided"
    if len(values) >= statistics.LEAST_RUNS:
        word = "refuted" if not inside[0] else "supported" if neighbours and not any(inside[1:]) else "undecided"
    chances = [statistics.prediction_p(list(values), one, images=images) for one in (value, *neighbours)]
    return Verdict(
        word, len(values), interval, "%", p=chances[0] if word == "refuted" else max(chances[1:], default=1.0)
    )


def fact(is_so: bool, found: str) -> Verdict:
    """A verdict that needs no run: `found` says what the network or the recipe has."""
    return Verdict("supported" if is_so else "refuted", found=found)
