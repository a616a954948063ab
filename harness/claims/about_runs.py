"""The vocabulary of claims that runs decide, with the thresholds and the reason for each.

A key of `RUN_CLAIMS` is a claim as it is written in a docstring, with placeholders in capitals: STEP is another step, X
an accuracy in percent, D a difference in points, N and M whole numbers, A and B digits. The function of a claim takes
the recorded runs of the step and the values of its placeholders in the order in which they stand, of a STEP its runs.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from harness.claims.verdict import Verdict, above, below, between, predicted, share
from harness.evidence import paired, statistics
from harness.evidence.quantities import (
    Values,
    below_best,
    best,
    confusions,
    epochs_to,
    final,
    gap,
    largest_fall,
    last,
    lowest_from,
    missed_more,
    range_over,
    rise_after,
    slope,
    spread,
)
from harness.evidence.statistics import TRAINING_IMAGES, Interval
from harness.run import Run

Runs = Sequence[Run]

OVER_FITS = 0.2
"""Points of training over test accuracy. The smallest gap that a published text calls over-fitting is 0.27; those that
deny it have none. It is also more than twice the binomial standard error of a test accuracy of 99.4 %."""

STILL_IMPROVES = 0.01
"""Points per epoch over the last five: one test image per epoch is the least that can be seen."""

UNDER_FITS = 0.0
"""Points of training over test accuracy: a network that does worse on what it is trained on, which dropout and
augmentation make harder, has nothing left to over-fit with."""

CONFUSES = 2.0
"""Times the average over all ordered pairs of digits: a third of the pairs are above the average in a typical run."""


def holds_goal(runs: Runs) -> Verdict:
    """Every run is at the goal in each of its final epochs: one that is not refutes it, and it takes five to show it.

    Five of five is where the exact one-sided 95 % bound for the share of runs that hold passes one half. To miss the
    goal is the opposite: not to hold it in every run.
    """
    if not runs:
        return Verdict("undecided")
    n, held = len(runs), sum(run.held for run in runs)
    shown = statistics.more_often_than_not(held, n)
    return share("refuted" if held < n else "supported" if shown else "undecided", held, n, "of runs hold")


def some_stay_below(runs: Runs, accuracy: float) -> Verdict:
    """At least one run never gets to the accuracy; one shows it, and no number of others refutes it."""
    if not runs:
        return Verdict("undecided")
    n, low = len(runs), sum(value < accuracy for value in best(runs).values())
    return share("supported" if low else "undecided", low, n, "of runs stay below")


def improves(runs: Runs, other: Runs, points: float = 0.0) -> Verdict:
    """Final test accuracy is above the other's by more than the points, over common seeds.

    Supported by the rule of `Comparison.improvement`, with the points added to the other's accuracies; refuted where
    Student's interval of the mean difference lies below the points.
    """
    theirs = {seed: accuracy + points for seed, accuracy in final(other).items()}
    verdict = more(final(runs), theirs)
    if verdict.word == "supported" and not paired(final(runs), theirs).improvement:
        verdict = replace(verdict, word="undecided")
    return replace(verdict, interval=Interval(*(value + points for value in verdict.interval)))


def more(ours: Values, theirs: Values, unit: str = "points") -> Verdict:
    """A quantity is larger in one set of runs than in the other, over common seeds; refuted where it is smaller."""
    verdict = above(differences(ours, theirs), 0.0, unit)
    # Runs that agree to the last digit have an interval without width, which supports nothing.
    return replace(verdict, word="undecided") if verdict.interval[1:] == (0, 0) else verdict


def differences(ours: Values, theirs: Values) -> list[float]:
    """Ours minus theirs, one value per common seed."""
    return [ours[seed] - theirs[seed] for seed in sorted(ours.keys() & theirs.keys())]


def faster(runs: Runs, accuracy: float, other: Runs) -> Verdict:
    """Gets to a test accuracy in fewer epochs than the other, over common seeds.

    A run that never gets there counts as if it did one epoch after the end of the shorter recipe: what comes later
    could be of one of the two alone, and a pair that never gets there is a tie.
    """
    end = min((run.step.recipe.epochs for run in (*runs, *other)), default=0)
    return more(epochs_to(other, accuracy, end), epochs_to(runs, accuracy, end), "epochs")


def same_runs(runs: Runs, other: Runs) -> Verdict:
    """Runs with common seeds have the same accuracies in every epoch, to the last digit; one pair can refute it."""
    ours, theirs = ({run.seed: (run.accuracies("train"), run.accuracies()) for run in both} for both in (runs, other))
    common = ours.keys() & theirs.keys()
    if not common:
        return Verdict("undecided")
    n, same = len(common), sum(ours[seed] == theirs[seed] for seed in common)
    return share("supported" if same == n else "refuted", same, n, "of pairs")


def needs_more(runs: Runs, epochs: int, accuracy: float) -> Verdict:
    """That number of further epochs would bring the final test accuracy to the one given.

    The slope of the last five epochs is extended, which is more than a curve that flattens out will do: the claim is
    refuted where even that stays below, and no shorter run can support it.
    """
    climb = slope(runs)
    verdict = above([accuracy + epochs * climb[seed] for seed, accuracy in final(runs).items()], accuracy)
    return verdict if verdict.word == "refuted" else replace(verdict, word="undecided")


RUN_CLAIMS: dict[str, Callable[..., Verdict]] = {
    "over-fits": lambda runs: above(gap(runs).values(), OVER_FITS, "points"),
    "does not over-fit": lambda runs: below(gap(runs).values(), OVER_FITS, "points"),
    "over-fits more than STEP": lambda runs, other: more(gap(runs), gap(other)),
    "over-fits less than STEP": lambda runs, other: more(gap(other), gap(runs)),
    "under-fits": lambda runs: below(gap(runs).values(), UNDER_FITS, "points"),
    "improves on STEP": improves,
    "improves on STEP by D": improves,
    "does not improve on STEP": lambda runs, other: improves(runs, other).negated,
    "does not improve on STEP by D": lambda runs, other, points: improves(runs, other, points).negated,
    "worsens on STEP": lambda runs, other: improves(other, runs),
    "worsens on STEP by D": lambda runs, other, points: improves(other, runs, points),
    "stays within D of STEP": lambda runs, points, other: between(differences(final(runs), final(other)), points),
    "trains higher than STEP": lambda runs, other: more(final(runs, "train"), final(other, "train")),
    "trains lower than STEP": lambda runs, other: more(final(other, "train"), final(runs, "train")),
    "holds the goal": holds_goal,
    "misses the goal": lambda runs: holds_goal(runs).negated,
    "holds X from epoch N": lambda runs, x, epoch: above(lowest_from(runs, epoch).values(), x),
    "does not hold X from epoch N": lambda runs, x, epoch: below(lowest_from(runs, epoch).values(), x),
    "reaches X": lambda runs, x: above(best(runs).values(), x),
    "reaches X by epoch N": lambda runs, x, epoch: above(best(runs, until=epoch).values(), x),
    "reaches X in training": lambda runs, x: above(best(runs, "train").values(), x),
    "stays below X": lambda runs, x: below(best(runs).values(), x),
    "some runs stay below X": some_stay_below,
    "stays below X until epoch N": lambda runs, x, epoch: below(best(runs, until=epoch).values(), x),
    "stays below X in training": lambda runs, x: below(best(runs, "train").values(), x),
    "stays below X in training until epoch N": lambda runs, x, n: below(best(runs, "train", n).values(), x),
    "faster to X than STEP": faster,
    "steadier than STEP": lambda runs, other: more(spread(other), spread(runs)),
    "moves by D over epochs N to M": lambda runs, d, n, m: above(range_over(runs, n, m).values(), d, "points"),
    "moves by less than D over epochs N to M": lambda runs, d, n, m: below(
        range_over(runs, n, m).values(), d, "points"
    ),
    "rises after epoch N": lambda runs, epoch: above(rise_after(runs, epoch).values(), 0.0, "points"),
    "falls after epoch N": lambda runs, epoch: below(rise_after(runs, epoch).values(), 0.0, "points"),
    "falls by D in one epoch": lambda runs, d: above(largest_fall(runs).values(), d, "points"),
    "never falls by D in one epoch": lambda runs, d: below(largest_fall(runs).values(), d, "points"),
    "ends D below its best": lambda runs, d: above(below_best(runs).values(), d, "points"),
    "still improves at the end": lambda runs: above(slope(runs).values(), STILL_IMPROVES, "points an epoch"),
    "still improves in training at the end": lambda runs: above(
        slope(runs, "train").values(), STILL_IMPROVES, "points an epoch"
    ),
    "improves no more at the end": lambda runs: below(slope(runs).values(), STILL_IMPROVES, "points an epoch"),
    "needs N more epochs for X": needs_more,
    "confuses A with B": lambda runs, a, b: above(confusions(runs, a, b).values(), CONFUSES, "times the average pair"),
    "misses A the most": lambda runs, digit: above(missed_more(runs, digit).values(), 0.0, "points"),
    "gives a best test of X": lambda runs, x: predicted(best(runs).values(), x),
    "gives a best train of X": lambda runs, x: predicted(best(runs, "train").values(), x, TRAINING_IMAGES),
    "gives a last test of X": lambda runs, x: predicted(last(runs).values(), x),
    "gives a last train of X": lambda runs, x: predicted(last(runs, "train").values(), x, TRAINING_IMAGES),
    "gives the runs of STEP": same_runs,
}
