"""The rules of verdicts, on values that are written down: what is at a bound, few values, and values that are alike."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from harness.claims import Verdict
from harness.claims.verdict import above, below, between, every, most, mostly_above, reproduced, some


@pytest.mark.thorough
@pytest.mark.parametrize("n", range(3, 31))
def test_no_more_runs_are_said_to_decide_than_there_are(n: int) -> None:
    """Of whatever share, and of whatever mean in units of the standard error, Student's bound included."""
    shares = [most(held < k for held in range(n)) for k in range(n + 1)]
    spread = np.linspace(-1.0, 1.0, n) * np.sqrt(n) / np.std(np.linspace(-1.0, 1.0, n), ddof=1)
    means = [above(list(spread + mean), 0.0) for mean in np.linspace(0.0, stats.t.isf(0.025, n - 1), 20)]
    needed = [replace(verdict, planned=n).runs_needed for verdict in (*shares, *means)]
    assert all(number is None or number > n for number in needed)
    assert any(needed)


def test_a_figure_is_reproduced_where_those_of_the_neighbours_are_not() -> None:
    # 4.3027 x sqrt(4 / 3) = 4.968 times the standard deviation to either side
    assert reproduced([99.3, 99.4, 99.5], 99.89, [98.9]).word == "supported"  # 99.4 +- 0.497
    assert reproduced([99.3, 99.4, 99.5], 99.89, [98.9, 99.0]).word == "undecided"
    assert reproduced([99.3, 99.4, 99.5], 99.89, []).word == "undecided"
    assert reproduced([99.3, 99.4, 99.5], 99.9, [98.9]).word == "refuted"
    # in training the noise is that of 60,000 images: 4.968 x 0.0386 = 0.192 at 99.1 %
    assert reproduced([99.1] * 3, 99.3, [98.0]).word == "supported"
    assert reproduced([99.1] * 3, 99.3, [98.0], 60_000).word == "refuted"


def reproduces(values: list[float], value: float) -> Verdict:
    """A figure whose neighbours are far away."""
    return reproduced(values, value, [50.0])


@pytest.mark.parametrize(
    ("rule", "accuracy", "bound", "word"),
    [
        (reproduces, 0.0, 0.0, "supported"),  # an accuracy of nothing has no noise: an interval without width
        (reproduces, 0.0, 0.001, "refuted"),
        (reproduces, 100.0, 100.0, "supported"),
        (reproduces, 100.0, 99.999, "refuted"),
    ],
)
def test_a_figure_at_the_end_of_an_interval_is_inside(
    rule: Callable[[list[float], float], Verdict], accuracy: float, bound: float, word: str
) -> None:
    assert rule([accuracy] * 3, bound).word == word


def test_a_bound_belongs_to_what_is_at_it() -> None:
    values = [99.4, 99.5, 99.6]
    _, low, high = above(values, 0.0).interval
    found = [above(values, low), below(values, low), above(values, high), above(values, high + 1e-9)]
    assert [verdict.word for verdict in found] == ["supported", "refuted", "undecided", "refuted"]


def test_values_that_are_all_the_same_decide_nothing_by_a_mean() -> None:
    for values in ([99.4] * 10, [0.1 + 0.2, 0.3, 0.3]):  # the sum is 0.30000000000000004
        for verdict in (above(values, 99.0), below(values, 99.0), between(values, 99.0, 99.8)):
            assert (verdict.word, verdict.p, verdict.runs_needed) == ("undecided", 1.0, None)


def test_between_two_bounds_is_as_probably_wrong_as_the_less_certain_of_both() -> None:
    values = [0.30, 0.31, 0.33]  # far above 0, and less far below 0.4
    inside, outside = between(values, 0.0, 0.4), between(values, 0.4, 0.9)
    assert (inside.word, inside.p) == ("supported", below(values, 0.4).p)
    assert (outside.word, outside.p) == ("refuted", above(values, 0.4).p)
    assert above(values, 0.0).p < below(values, 0.4).p
    assert below(values, 0.9).p < above(values, 0.4).p


def test_what_shows_a_mean_between_two_bounds_has_to_tell_it_from_both() -> None:
    """By simulation: normal values that have just the mean and the spread of those that left it undecided."""
    values, low, high, worlds = [-0.6, -0.2, 0.0, 0.1, 0.2, 0.3, 0.4, 0.6, -0.4, 0.5], -0.15, 0.28, 20_000
    runs = replace(between(values, low, high), planned=len(values)).runs_needed
    nearer = replace(below(values, high), planned=len(values)).runs_needed
    assert runs is not None
    assert nearer is not None
    assert nearer < runs

    def shown(n: int) -> float:
        draws = np.random.default_rng(5).normal(np.mean(values), np.std(values, ddof=1), (worlds, n))
        ends = stats.t.interval(0.95, n - 1, draws.mean(axis=1), stats.sem(draws, axis=1))
        return float(np.mean((ends[0] >= low) & (ends[1] < high)))

    least, most = stats.binom.interval(0.9999, worlds, 0.8)
    assert shown(runs) * worlds >= least
    assert shown(runs - 2) * worlds < most
    outside = replace(between(values, 0.28, 0.9), planned=len(values))
    assert outside.word == "undecided"
    assert outside.runs_needed == replace(above(values, 0.28), planned=len(values)).runs_needed


def test_as_many_ties_as_pairs_are_told_with_them() -> None:
    evidence = mostly_above([1.0, 1.0, 1.0, 0.0, 0.0, 0.0], 0.0).evidence
    assert evidence == "3 of 3 pairs (95 % interval 29 to 100 %), 3 ties"


def test_what_one_run_settles_is_no_matter_of_chance() -> None:
    assert [(one.word, one.p) for one in (some([False, True]), every([True, False]))] == [
        ("supported", 0.0),
        ("refuted", 0.0),
    ]


def test_one_run_has_no_interval() -> None:
    assert above([0.25], 0.0).evidence == "0.25 points, n = 1"
    assert above([2.5], 0.0, "epochs").evidence == "2.5 epochs, n = 1"
