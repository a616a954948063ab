"""How often verdicts are wrong, by simulation: what is not so is not called so in more than one of twenty worlds.

Every rule is asked many times in a world that is at its bound, where an error is most frequent. Of 2,000 independent
worlds in which an error has a probability of 5 %, more than 136 err with a probability below 1 in 5,000.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from harness.claims.about_runs import faster
from harness.claims.verdict import Verdict, above, between, every, most, reproduced, some
from harness.evidence.statistics import holm, prediction_interval, prediction_p, sign_p
from harness.run import Epoch, Run
from spec.harness.evidence.records_of import step_with

WORLDS = 2_000
MOST_ERRORS = int(stats.binom.isf(1 / 5_000, WORLDS, 0.05))


def errors(rule: Callable[[np.random.Generator], Verdict], *wrong: str) -> int:
    """In how many worlds the word of a rule is a wrong one."""
    random = np.random.default_rng(7)
    return sum(rule(random).word in wrong for _ in range(WORLDS))


@pytest.mark.parametrize("n", [3, 10, 20])
def test_a_mean_at_its_bound_is_decided_in_one_of_twenty_worlds(n: int) -> None:
    count = errors(lambda random: above(list(random.normal(99.4, 0.1, n)), 99.4), "supported", "refuted")
    assert WORLDS * 0.05 * 0.7 < count <= MOST_ERRORS


def test_a_mean_away_from_its_bound_is_decided_rightly() -> None:
    """With ten runs, two standard deviations of them are seen in nearly every world."""
    assert errors(lambda random: above(list(random.normal(99.2, 0.1, 10)), 99.4), "refuted") > 0.99 * WORLDS


@pytest.mark.parametrize("n", [5, 6, 10, 20])
def test_what_holds_of_half_of_all_runs_is_called_neither_most_nor_few(n: int) -> None:
    assert errors(lambda random: most(random.random(n) < 0.5), "supported", "refuted") <= MOST_ERRORS


def test_what_holds_of_most_runs_is_found() -> None:
    """Of ten runs nine or ten hold with a probability of 0.914, where each does with 0.95."""
    count = errors(lambda random: most(random.random(10) < 0.95), "supported")
    low, high = stats.binom.interval(0.9999, WORLDS, 0.9139)
    assert low <= count <= high


@pytest.mark.parametrize("n", [6, 10])
def test_what_holds_of_half_of_all_runs_is_not_said_of_every_run(n: int) -> None:
    assert errors(lambda random: every(random.random(n) < 0.5), "supported") <= MOST_ERRORS


def test_what_no_run_does_is_not_said_of_some() -> None:
    assert errors(lambda random: some(random.random(10) < 0.0), "supported", "refuted") == 0


def test_a_mean_at_the_edge_of_closeness_is_called_neither_close_nor_far() -> None:
    count = errors(lambda random: between(list(random.normal(0.05, 0.02, 10)), -0.05, 0.05), "supported", "refuted")
    assert count <= MOST_ERRORS


def test_a_mean_at_the_edge_of_closeness_is_called_far_with_a_small_p_value_as_seldom_as_it_says() -> None:
    """By which Holm's correction goes: that of the bound on the other side would nearly always be small."""
    random = np.random.default_rng(0)
    worlds = [between(list(random.normal(0.05, 0.02, 10)), -0.05, 0.05) for _ in range(WORLDS)]
    assert sum(one.word == "refuted" and one.p <= 0.01 for one in worlds) <= stats.binom.ppf(0.9999, WORLDS, 0.01)


@pytest.mark.parametrize("spread", [0.02, 0.1, 0.3])
def test_a_published_run_of_the_same_kind_is_refuted_in_one_of_twenty_worlds(spread: float) -> None:
    """Fewer where runs spread less than their binomial error, which is then taken for their spread."""

    def rule(random: np.random.Generator) -> Verdict:
        figures = random.normal(99.2, spread, 11)
        return reproduced(list(figures[1:]), figures[0], [90.0])

    assert errors(rule, "refuted") <= MOST_ERRORS


def test_the_run_of_a_neighbour_that_is_no_different_is_seldom_told_apart() -> None:
    """A figure of this step would be supported against it, as if they were two, in one of twenty worlds at most."""

    def rule(random: np.random.Generator) -> Verdict:
        figures = random.normal(99.2, 0.1, 12)
        return reproduced(list(figures[2:]), figures[0], [figures[1]])

    assert errors(rule, "supported") <= MOST_ERRORS


def test_a_wide_set_of_runs_reproduces_nothing() -> None:
    """Whatever the published figure is, one more run could give it; that is no support."""

    def rule(random: np.random.Generator) -> Verdict:
        return reproduced(list(random.normal(98.0, 1.0, 10)), 98.2, [98.9])

    assert errors(rule, "supported") <= MOST_ERRORS


def test_a_run_that_never_learned_makes_the_sign_test_err_no_more_often() -> None:
    """Two steps that are the same, of which one run in five stays at chance: the pairs are a coin that is fair."""

    def rule(random: np.random.Generator) -> Verdict:
        ours, theirs = (np.where(random.random(10) < 0.2, 10.0, random.normal(98.8, 0.2, 10)) for _ in range(2))
        return most((ours > theirs)[ours != theirs], "pairs")

    assert errors(rule, "supported", "refuted") <= MOST_ERRORS


STEP = step_with(Path(), "mine/a")


def runs_that_arrive(random: np.random.Generator, epochs: list[int]) -> list[Run]:
    """Runs that get to 99.4 % in these epochs, and are unlike in training."""
    return [
        Run(STEP, seed, tuple(Epoch(n, train, 99.4 if n >= at else 99.0, 0.1, 1.0) for n in range(1, 7)))
        for seed, (at, train) in enumerate(zip(epochs, random.normal(99.0, 0.1, len(epochs)), strict=True))
    ]


def faster_by(random: np.random.Generator, apart: list[int], chances: list[float], n: int) -> Verdict:
    """The verdict that a step is faster, where each of n runs is some epochs apart from the other's, with chances."""
    ours = runs_that_arrive(random, list(3 - random.choice(apart, n, p=chances)))
    return faster(ours, 99.4, runs_that_arrive(random, [3] * n))


@pytest.mark.thorough
@pytest.mark.parametrize("n", [3, 6, 10])
@pytest.mark.parametrize("share", [0.5, 0.2])
def test_of_two_steps_that_are_equally_fast_neither_is_called_faster(n: int, share: float) -> None:
    """A pair is an epoch apart in the one direction with this probability, in the other with the same, or a tie."""
    chances = [share, 1 - 2 * share, share]
    count = errors(lambda random: faster_by(random, [1, 0, -1], chances, n), "supported", "refuted")
    assert count <= MOST_ERRORS


@pytest.mark.thorough
@pytest.mark.parametrize("n", [3, 10])
def test_a_step_that_is_an_epoch_faster_now_and_then_is_not_called_slower_where_all_pairs_are_ties(n: int) -> None:
    """With three pairs, which are ties in 34 of 100 worlds."""
    assert errors(lambda random: faster_by(random, [1, 0], [0.3, 0.7], n), "refuted") == 0


def test_of_many_claims_that_are_all_wrong_holm_lets_one_stand_in_one_of_twenty_worlds() -> None:
    """Eighty means at their bounds: at 5 % each four are decided, and nearly every world has one."""
    runs = np.random.default_rng(7).normal(0.0, 1.0, (WORLDS, 80, 10))
    worlds = np.asarray(stats.ttest_1samp(runs, 0.0, axis=2).pvalue).tolist()
    each = sum(min(p) <= 0.05 for p in worlds)
    together = sum(any(holm(p)) for p in worlds)
    assert each > 0.9 * WORLDS
    assert together <= MOST_ERRORS


def test_holm_steps_down_from_the_smallest() -> None:
    # By hand, with 0.05 / 4, / 3, / 2, / 1: 0.0125, 0.01667, 0.025, 0.05
    assert holm([0.04, 0.0125, 0.016, 0.026]) == [False, True, True, False]
    assert holm([0.013, 0.001, 0.02, 0.03]) == [True, True, True, True]
    assert holm([0.0126] * 4) == [False] * 4
    assert holm([]) == []


def test_p_values_are_those_of_the_intervals() -> None:
    random = np.random.default_rng(7)
    for _ in range(200):
        values = list(random.normal(99.3, 0.1, 10))
        verdict = above(values, 99.35)
        assert (verdict.word == "undecided") is (verdict.p > 0.05)
        interval = prediction_interval(values)
        assert prediction_p(values, interval.low) == pytest.approx(0.05)
        assert prediction_p(values, values[0]) > 0.01
    assert sign_p(9, 10) == pytest.approx(22 / 1024)  # 2 x (1 + 10) / 2^10, by counting
