"""The vocabulary of claims that runs decide, with the thresholds and the reason for each.

A key of `RUN_CLAIMS` is a claim as it is written in a docstring, with placeholders in capitals: STEP is another step, X
an accuracy in percent, D a difference in points, L one of losses, N and M whole numbers, A and B digits. The function
of a claim takes the recorded runs of the step and the values of its placeholders in the order in which they stand, of a
STEP its runs.

A claim about one step says of which of its runs it speaks: `in every run`, `in most runs` and `in some runs` count the
runs of which it holds, and `on average` is about the mean over runs. A claim that compares two steps is about the mean
difference over common seeds. A claim that something `gives` a figure is about one more run.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from harness import discovery
from harness.claims.predicates import COUNTED, PREDICATES
from harness.claims.verdict import (
    Verdict,
    above,
    alike,
    below,
    between,
    every,
    most,
    mostly_above,
    reproduced,
    some,
)
from harness.evidence import paired, published
from harness.evidence.quantities import (
    Quantity,
    Values,
    best,
    collapsed,
    confusions,
    epochs_to,
    gap,
    last,
    loss_gap,
    loss_rise_after,
    loss_spread,
    rise_after,
    running_gap,
    slope,
    spread,
    values,
)
from harness.evidence.statistics import LEAST_RUNS, TRAINING_IMAGES, Interval
from harness.provenance import made_alike
from harness.run import Run
from harness.step import TEST_IMAGES, Step

Runs = Sequence[Run]

OVER_FITS = 0.2
"""Points of training over test accuracy: more than twice the binomial standard error of a test accuracy of 99.4 %."""

STILL_IMPROVES = 0.01
"""Points per epoch over the last five: one test image per epoch is the least that can be seen."""

CONFUSES = 2.0
"""Times the average over all ordered pairs of digits: a third of the pairs are above the average in a typical run."""

ABOUT = 0.5
"""A difference is about D if it is off by no more than this share of D."""


def counted(quantifier: Callable[..., Verdict], words: str) -> Callable[..., Verdict]:
    """The claim that a predicate holds of every run, of most or of some."""
    holds, is_counted = PREDICATES[words], COUNTED.get(words)

    def claim(runs: Runs, *details: float) -> Verdict:
        meant = [run for run in runs if is_counted is None or is_counted(run, *details)]
        return quantifier([holds(run, *details) for run in meant])

    return claim


def mean(
    quantity: Quantity, rule: Callable[..., Verdict], bound: float, unit: str = "points"
) -> Callable[..., Verdict]:
    """The claim that the mean of a quantity is `above` a bound or `below` it.

    Where a run never learned, runs have two modes, and where all give the same they have no spread: Student's interval
    of their mean says little then, and the exact sign test counts the runs on that side of the bound.
    """

    def claim(runs: Runs, *details: float) -> Verdict:
        found = values(runs, lambda run: quantity(run, *details))
        if any(map(collapsed, runs)) or alike(found.values()):
            return most(value >= bound if rule is above else value < bound for value in found.values())
        return rule(found.values(), bound, unit)

    return claim


def more(runs: Runs, other: Runs, quantity: Quantity, unit: str = "points", beyond: float = 0.0) -> Verdict:
    """A quantity is larger in one set of runs than in the other, over common seeds; refuted where it is smaller.

    By Student's interval of the mean difference, or, where a run of either set never learned and where all pairs differ
    by the same, by the exact sign test. Of one set of runs under two names it is larger in none.
    """
    found = differences(values(runs, quantity), values(other, quantity))
    if len(found) >= LEAST_RUNS and same_runs(runs, other).word == "supported":
        return Verdict("refuted", len(found), Interval(0.0, 0.0, 0.0), unit, p=0.0)
    return mostly_above(found, beyond) if counts(runs, other, found) else above(found, beyond, unit)


def within(runs: Runs, other: Runs, low: float, high: float) -> Verdict:
    """The mean difference in final test accuracy, in points, lies between two bounds; by the same rule as `more`."""
    found = differences(values(runs, Run.final_mean), values(other, Run.final_mean))
    if counts(runs, other, found):
        return most((low <= difference < high for difference in found), "pairs")
    return between(found, low, high)


def counts(runs: Runs, other: Runs, found: Sequence[float]) -> bool:
    """Whether the differences of two sets of runs are counted, as Student's interval of their mean says little."""
    return any(map(collapsed, [*runs, *other])) or alike(found)


def differences(ours: Values, theirs: Values) -> list[float]:
    """Ours minus theirs, one value per common seed."""
    return [round(ours[seed] - theirs[seed], 9) for seed in sorted(ours.keys() & theirs.keys())]


def improves(runs: Runs, other: Runs, points: float = 0.0) -> Verdict:
    """Final test accuracy is above the other's by more than the points, over common seeds.

    By `more`, and supported only where `Comparison.improvement`, with the points added to the other's accuracies, says
    so too; refuted where Student's interval of the mean difference lies below the points.
    """
    verdict = more(runs, other, Run.final_mean, beyond=points)
    if verdict.unit != "points" or verdict.word == "refuted" or not verdict.interval.estimate > points:
        return verdict
    if verdict.word == "undecided":
        return replace(verdict, by="improvement")
    theirs = {seed: accuracy + points for seed, accuracy in values(other, Run.final_mean).items()}
    improvement = paired(values(runs, Run.final_mean), theirs).improvement
    return verdict if improvement else replace(verdict, word="undecided", by="")


def improves_about(runs: Runs, other: Runs, points: float) -> Verdict:
    """The mean difference in final test accuracy lies within half of the points to either side of them."""
    return within(runs, other, (1 - ABOUT) * points, (1 + ABOUT) * points)


def steadier(runs: Runs, other: Runs, quantity: Quantity) -> Verdict:
    """What is left of the movement from epoch to epoch is smaller than in the other: by the mean of its logarithm.

    The evidence is the ratio, this step's over the other's.
    """
    verdict = more(other, runs, lambda run: math.log(quantity(run)), "times as much")
    if verdict.unit == "pairs" or not verdict.n:
        return verdict
    estimate, low, high = verdict.interval
    return replace(verdict, interval=Interval(math.exp(-estimate), math.exp(-high), math.exp(-low)))


def faster(runs: Runs, accuracy: float, other: Runs) -> Verdict:
    """Gets to a test accuracy in fewer epochs than the other, over common seeds.

    A run that never gets there counts as if it did one epoch after the end of the shorter recipe: what comes later
    could be of one of the two alone, and a pair that never gets there is a tie.
    """
    end = min((run.step.recipe.epochs for run in (*runs, *other)), default=0)
    return more(other, runs, lambda run: epochs_to(run, accuracy, end), "epochs")


def same_runs(runs: Runs, other: Runs) -> Verdict:
    """Runs with common seeds have the same accuracies in every epoch, to the last digit; one pair can refute it.

    Only pairs that were made alike are counted: others differ whatever the steps are.
    """
    theirs = {run.seed: run for run in other}
    pairs = [(run, theirs[run.seed]) for run in runs if run.seed in theirs]
    outcomes = [
        (a.accuracies("train"), a.accuracies()) == (b.accuracies("train"), b.accuracies())
        for a, b in pairs
        if made_alike(a.provenance, b.provenance)
    ]
    verdict = every(outcomes, "pairs")
    return replace(verdict, word="supported", p=0.0) if outcomes and all(outcomes) else verdict


def gives(quantity: Quantity, images: int = TEST_IMAGES) -> Callable[..., Verdict]:
    """The claim that a figure of the published run could be that of one more run like the recorded ones.

    It is held against the same figure of the steps before and after: see `reproduced`.
    """

    def claim(runs: Runs, figure: float, *details: int) -> Verdict:
        near = [published.read(step) for step in neighbours(runs[0].step)] if runs else []
        theirs = [quantity(one.log, *details) for one in near if one]
        return reproduced(list(values(runs, lambda run: quantity(run, *details)).values()), figure, theirs, images)

    return claim


def best_until(run: Run, epoch: int) -> float:
    """The highest test accuracy of the epochs up to one."""
    return best(run, until=epoch)


def neighbours(step: type[Step]) -> list[type[Step]]:
    """The step before, and those that follow."""
    return [one for one in discovery.steps().values() if one.id == step.follows or one.follows == step.id]


trained = partial(Run.final_mean, kind="train")

QUANTIFIERS: dict[str, Callable[..., Verdict]] = {"in every run": every, "in most runs": most, "in some runs": some}
"""What decides that a predicate holds of runs, by the words before it."""

AVERAGES: dict[str, Callable[..., Verdict]] = {
    "on average over-fits": mean(gap, above, OVER_FITS),
    "on average does not over-fit": mean(gap, below, OVER_FITS),
    "on average trains above its test accuracy": mean(running_gap, above, 0.0),
    "on average trains below its test accuracy": mean(running_gap, below, 0.0),
    "on average has a test loss above its training loss": mean(loss_gap, above, 0.0, ""),
    "on average rises after epoch N": mean(rise_after, above, 0.0),
    "on average falls after epoch N": mean(rise_after, below, 0.0),
    "on average test loss rises after epoch N": mean(loss_rise_after, above, 0.0, ""),
    "on average test loss falls after epoch N": mean(loss_rise_after, below, 0.0, ""),
    "on average still improves at the end": mean(slope, above, STILL_IMPROVES, "points per epoch"),
    "on average still improves in training at the end": mean(
        partial(slope, kind="train"), above, STILL_IMPROVES, "points per epoch"
    ),
    "on average improves no more at the end": mean(slope, below, STILL_IMPROVES, "points per epoch"),
    "on average confuses A with B": mean(confusions, above, CONFUSES, "times the average pair"),
}
"""What the mean over runs decides."""

COMPARISONS: dict[str, Callable[..., Verdict]] = {
    "over-fits more than STEP": lambda runs, other: more(runs, other, gap),
    "over-fits less than STEP": lambda runs, other: more(other, runs, gap),
    "improves on STEP": improves,
    "improves on STEP by D": improves,
    "improves on STEP by about D": improves_about,
    "does not improve on STEP": lambda runs, other: improves(runs, other).negated,
    "does not improve on STEP by D": lambda runs, other, points: improves(runs, other, points).negated,
    "worsens on STEP": lambda runs, other: improves(other, runs),
    "worsens on STEP by D": lambda runs, other, points: improves(other, runs, points),
    "stays within D of STEP": lambda runs, points, other: within(runs, other, -points, points),
    "trains higher than STEP": lambda runs, other: more(runs, other, trained),
    "trains lower than STEP": lambda runs, other: more(other, runs, trained),
    "faster to X than STEP": faster,
    "steadier than STEP": lambda runs, other: steadier(runs, other, spread),
    "test loss steadier than STEP": lambda runs, other: steadier(runs, other, loss_spread),
    "gives the runs of STEP": same_runs,
}
"""What pairs of runs with the same seeds decide."""

FIGURES: dict[str, Callable[..., Verdict]] = {
    "gives a best test of X": gives(best),
    "gives a best test of X by epoch N": gives(best_until),
    "gives a best train of X": gives(partial(best, kind="train"), TRAINING_IMAGES),
    "gives a last test of X": gives(last),
    "gives a last train of X": gives(partial(last, kind="train"), TRAINING_IMAGES),
}
"""What one more run decides."""

RUN_CLAIMS: dict[str, Callable[..., Verdict]] = {
    **{
        f"{prefix} {words}": counted(quantifier, words)
        for prefix, quantifier in QUANTIFIERS.items()
        for words in PREDICATES
    },
    **AVERAGES,
    **COMPARISONS,
    **FIGURES,
}
