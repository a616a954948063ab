"""Intervals by simulation and by published values; the rules for the goal from literals."""

import math

import numpy as np
import pytest

from harness.stats import (
    binomial_interval,
    contradicts,
    holds,
    mean_interval,
    prediction_interval,
    standard_error,
)


@pytest.mark.parametrize(
    ("final", "held"), [((99.4,), True), ((99.4, 99.39), False), ((99.5, 99.4, 99.41), True), ((), False)]
)
def test_the_goal_is_99_40_in_every_final_epoch(final: tuple[float, ...], held: bool) -> None:
    assert holds(final) is held


def test_9940_of_10000_is_exactly_the_goal() -> None:
    assert holds([round(100 * 9940 / 10_000, 4)])
    assert not holds([round(100 * 9939 / 10_000, 4)])


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    # n of n: the lower end is (alpha / 2)^(1 / n) in closed form; 2 of 10 is the value of Clopper and Pearson's tables
    [(5, 5, 0.025 ** (1 / 5), 1.0), (0, 20, 0.0, 1 - 0.025 ** (1 / 20)), (2, 10, 0.0252, 0.5561)],
)
def test_the_binomial_interval_is_exact(k: int, n: int, low: float, high: float) -> None:
    assert binomial_interval(k, n) == pytest.approx((low, high), abs=5e-5)


def test_the_mean_interval_covers_as_often_as_it_says() -> None:
    draws = np.random.default_rng(0).normal(99.4, 0.05, size=(2000, 5))
    inside = [low <= 99.4 <= high for _, low, high in (mean_interval(list(row)) for row in draws)]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.015)


def test_one_run_has_no_interval() -> None:
    mean, low, high = mean_interval([99.4])
    assert mean == 99.4
    assert math.isnan(low)
    assert math.isnan(high)


def test_the_prediction_interval_covers_the_next_run_as_often_as_it_says() -> None:
    draws = np.random.default_rng(1).normal(99.4, 0.3, size=(2000, 6))  # wide enough that the floor plays no part
    inside = [low <= row[-1] <= high for row in draws for low, high in [prediction_interval(list(row[:-1]))]]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.015)


def test_runs_that_agree_still_leave_the_noise_of_the_test_set() -> None:
    low, high = prediction_interval([99.4, 99.4, 99.4])
    assert high - low == pytest.approx(2 * 4.3027 * 0.0772 * math.sqrt(4 / 3), abs=2e-3)


def test_the_standard_error_at_the_goal_is_0_077_points() -> None:
    assert standard_error(99.4) == pytest.approx(0.0772, abs=1e-4)


@pytest.mark.parametrize(
    ("claims_goal", "held", "n", "contradicted"),
    [
        (True, 5, 5, False),
        (True, 4, 5, True),
        (True, 1, 1, False),
        (False, 0, 5, False),
        (False, 1, 1, False),  # one lucky run shows nothing
        (False, 4, 5, False),
        (False, 5, 5, True),
        (False, 15, 20, True),
    ],
)
def test_runs_contradict_a_claim_in_both_directions(claims_goal: bool, held: int, n: int, contradicted: bool) -> None:
    assert contradicts(claims_goal, held, n) is contradicted
