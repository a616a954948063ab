"""Intervals by simulation and by published values; the rules for the goal from literals."""

import math

import numpy as np
import pytest
from scipy import stats

from harness.evidence import comparison
from harness.evidence.comparison import paired, runs_for_improvement
from harness.evidence.statistics import (
    Interval,
    accuracy_interval,
    binomial_interval,
    bootstrap_interval,
    chance_below,
    contradicts,
    difference_interval,
    highest_plausible,
    independent_spread,
    mean_interval,
    prediction_interval,
    runs_for_mean,
    runs_for_share,
    sign_p,
    standard_error,
)
from harness.run import holds


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
    assert binomial_interval(k, n) == pytest.approx((k / n, low, high), abs=5e-5)


@pytest.mark.parametrize("n", [1, 6, 20, 199])
def test_shares_are_judged_as_scipy_judges_them(n: int) -> None:
    for k in range(n + 1):
        test = stats.binomtest(k, n)
        low, high = test.proportion_ci(method="exact")
        assert binomial_interval(k, n) == pytest.approx((k / n, low, high), abs=1e-9)
        assert sign_p(k, n) == pytest.approx(test.pvalue, rel=1e-9)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.95])
def test_the_binomial_interval_covers_at_least_as_often_as_it_says(share: float) -> None:
    drawn, times = np.unique(np.random.default_rng(3).binomial(20, share, size=2000), return_counts=True)
    inside = [low <= share <= high for _, low, high in (binomial_interval(int(k), 20) for k in drawn)]
    assert np.average(inside, weights=times) >= 0.94


@pytest.mark.parametrize(
    ("a", "b"),
    [([99.4, 99.5, 99.45], [99.3, 99.1, 99.35, 99.2, 99.25]), ([1.0, 2.0], [5.0, 5.1]), ([0.0, 1e-3], [3.0, 9.0])],
)
def test_the_interval_of_a_difference_is_that_of_scipy(a: list[float], b: list[float]) -> None:
    expected = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    found = difference_interval(a, b)
    assert found == pytest.approx((np.mean(a) - np.mean(b), expected.low, expected.high))


def test_a_difference_has_no_bounds_by_a_single_value_and_no_width_where_nothing_spreads() -> None:
    for a, b in (([99.4], [99.2, 99.3]), ([99.4, 99.4], [99.25])):
        estimate, low, high = difference_interval(a, b)
        assert estimate == pytest.approx(0.15)
        assert math.isnan(low)
        assert math.isnan(high)
    assert difference_interval([2.0, 2.0], [1.5, 1.5]) == (0.5, 0.5, 0.5)


def test_the_mean_interval_covers_as_often_as_it_says() -> None:
    draws = np.random.default_rng(0).normal(99.4, 0.05, size=(2000, 5))
    inside = [low <= 99.4 <= high for _, low, high in (mean_interval(list(row)) for row in draws)]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.015)


def test_one_run_has_no_interval() -> None:
    mean, low, high = mean_interval([99.4])
    assert mean == 99.4
    assert math.isnan(low)
    assert math.isnan(high)


def test_an_interval_is_written_with_its_bounds_if_it_has_any() -> None:
    assert f"{Interval(99.421, 99.384, 99.457):.2f}" == "99.42 [99.38, 99.46]"
    assert f"{Interval(0.5, -0.25, 1.25):+.1f}" == "+0.5 [-0.2, +1.2]"
    assert f"{Interval(99.421):.2f}" == "99.42"


def test_an_interval_of_accuracies_ends_where_none_can_be() -> None:
    # 4.3027 x 51.3 / sqrt(3) = 127 points on either side of 69.0
    assert accuracy_interval([98.7, 98.6, 9.8])[1:] == (0.0, 100.0)
    assert accuracy_interval([99.0, 99.1, 99.2]) == mean_interval([99.0, 99.1, 99.2])
    assert np.isnan(accuracy_interval([99.0])[1:]).all()


def test_the_prediction_interval_covers_the_next_run_as_often_as_it_says() -> None:
    draws = np.random.default_rng(1).normal(98.0, 0.4, size=(2000, 6))  # wide enough that the floor plays no part
    inside = [low <= row[-1] <= high for row in draws for _, low, high in [prediction_interval(list(row[:-1]))]]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.015)


def test_the_chance_that_one_more_run_misses_is_student_s() -> None:
    # 4.297 is the 99.9 % quantile at nine degrees of freedom in Student's table; s of the ten values is sqrt(10 / 9)
    bound = -4.297 * math.sqrt(10 / 9) * math.sqrt(1 + 1 / 10)
    assert chance_below([-1.0, 1.0] * 5, bound) == pytest.approx(0.001, rel=1e-3)
    assert chance_below([99.5, 99.5, 99.5], 99.4) == 0
    assert chance_below([99.3, 99.3, 99.3], 99.4) == 1
    assert math.isnan(chance_below([99.5, 99.6], 99.4))


def test_what_happens_to_one_run_in_twenty_has_that_chance() -> None:
    draws = np.random.default_rng(9).normal(99.5, 0.04, size=(4000, 6))
    rare = [chance_below(list(row[:-1]), row[-1]) < 0.05 for row in draws]
    assert np.mean(rare) == pytest.approx(0.05, abs=0.012)


def test_runs_that_agree_still_leave_the_noise_of_the_test_set() -> None:
    _, low, high = prediction_interval([99.4, 99.4, 99.4])
    assert high - low == pytest.approx(2 * 4.3027 * 0.0772 * math.sqrt(4 / 3), abs=2e-3)


def test_accuracies_of_training_have_the_noise_of_six_times_the_images() -> None:
    _, low, high = prediction_interval([99.4, 99.4, 99.4], images=60_000)
    assert high - low == pytest.approx(2 * 4.3027 * 0.0772 / math.sqrt(6) * math.sqrt(4 / 3), abs=2e-3)


def test_nothing_is_predicted_below_0_or_above_100() -> None:
    assert prediction_interval([98.9, 98.7, 9.8])[1:] == (0.0, 100.0)
    _, low, high = prediction_interval([99.7, 99.8, 99.9])
    assert high == 100.0
    assert low == pytest.approx(99.8 - 4.3027 * 0.1 * math.sqrt(4 / 3), abs=1e-3)


def test_one_run_and_two_predict_the_next_as_far_as_they_can() -> None:
    # one: the normal quantile 1.95996 and the binomial standard error at 99.40, 0.0772
    assert prediction_interval([99.4]) == pytest.approx((99.4, 99.4 - 0.2141, 99.4 + 0.2141), abs=2e-4)
    # two: Student's 12.7062 at one degree of freedom, s = sqrt(1/2)
    reach = 12.7062 * math.sqrt(1 / 2) * math.sqrt(3 / 2)
    assert prediction_interval([49.0, 50.0]) == pytest.approx((49.5, 49.5 - reach, 49.5 + reach), abs=1e-4)


def test_the_standard_error_at_the_goal_is_0_077_points() -> None:
    assert standard_error(99.4) == pytest.approx(0.0772, abs=1e-4)


def test_the_bootstrap_interval_covers_nearly_as_often_as_it_says() -> None:
    draws = np.random.default_rng(2).random((400, 30)) < 0.7  # wins of 30 pairs, at P(A > B) = 0.7
    inside = [low <= 0.7 <= high for _, low, high in (bootstrap_interval(list(row), draws=1000) for row in draws)]
    assert np.mean(inside) == pytest.approx(0.94, abs=0.03)  # a percentile interval of 30 is a little narrow


def test_the_bootstrap_interval_is_that_of_the_resampled_mean() -> None:
    # The mean of two resampled values is 0, 1/2 or 1, with probabilities 1/4, 1/2, 1/4.
    assert bootstrap_interval([0.0, 1.0], confidence=0.6) == (0.5, 0.0, 1.0)
    assert bootstrap_interval([0.0, 1.0], confidence=0.4) == (0.5, 0.5, 0.5)
    assert bootstrap_interval([1.0, 1.0]) == (1.0, 1.0, 1.0)
    values = np.random.default_rng(4).normal(size=30)
    assert bootstrap_interval(values) == bootstrap_interval(values)


def test_the_independent_spread_is_unbiased_and_that_of_independent_images() -> None:
    generator = np.random.default_rng(5)
    chance = np.concatenate([np.full(40, 0.5), np.full(40, 0.1), np.zeros(920)])  # of missing each of 1,000 images
    variance = (chance * (1 - chance)).sum()  # of the number of misses
    runs = [[np.flatnonzero(generator.random(1000) < chance).tolist() for _ in range(3)] for _ in range(300)]
    estimates = [independent_spread(errors, 1000) for errors in runs]
    assert np.mean(np.square(estimates)) == pytest.approx((100 / 1000) ** 2 * variance, rel=0.03)
    counts = [len(errors) for of_three in runs for errors in of_three]
    assert np.var(counts, ddof=1) == pytest.approx(variance, rel=0.15)


def test_the_independent_spread_by_hand() -> None:
    # Image 3 missed by both runs, image 8 by one: 1/2 x 1/2 x 2/1 = 1/2 of an image squared.
    assert independent_spread([[3, 8], [3]]) == pytest.approx(100 * math.sqrt(0.5) / 10_000)
    assert independent_spread([[3, 8], [3, 8]]) == 0
    assert independent_spread([[], []]) == 0
    with pytest.raises(ValueError, match="^the spread over runs takes at least two$"):
        independent_spread([[3]])


def test_four_standard_deviations_above_the_reference_are_too_good() -> None:
    assert highest_plausible([99.0, 99.4]) == math.inf
    # the binomial standard error at 99.40, 0.0772, is more than the spread of these
    assert highest_plausible([99.39, 99.40, 99.41]) == pytest.approx(99.4 + 4 * 0.0772 * math.sqrt(4 / 3), abs=1e-3)
    assert highest_plausible([98.0, 98.5, 99.0]) == pytest.approx(98.5 + 4 * 0.5 * math.sqrt(4 / 3), abs=1e-3)


def test_honest_runs_are_almost_never_too_good() -> None:
    draws = np.random.default_rng(6).normal(99.4, 0.05, size=(2000, 6))
    assert not [row for row in draws if row[-1] > highest_plausible(list(row[:-1]))]


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("mean", "spread", "share"),
    # Student, two degrees of freedom: P(t > 4) = 0.0286
    [(98.7, 0.2, 1 / 300), (99.4, 0.2, 1 / 80), (50.0, 6.0, 1 / 35)],
    ids=["near_the_binomial_error", "above_it", "far_above_it"],
)
def test_of_runs_that_spread_more_than_the_test_set_a_few_are_too_good(
    mean: float, spread: float, share: float
) -> None:
    draws = np.random.default_rng(7).normal(mean, spread, size=(20_000, 4))
    found = [row[-1] > highest_plausible(list(row[:-1])) for row in draws]
    assert np.mean(found) == pytest.approx(share, rel=0.25)


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


@pytest.mark.parametrize(("effect", "runs"), [(0.2, 199), (0.5, 34), (0.8, 15), (1.0, 10)])
def test_the_runs_for_a_mean_are_those_of_the_tables(effect: float, runs: int) -> None:
    """Of a two-sided test of one sample at 5 % with a power of 80 %, by effects in standard deviations."""
    n = 10
    p = 2 * float(stats.t.sf(effect * math.sqrt(n), n - 1))
    assert runs_for_mean(n, p) == runs


def test_as_many_runs_as_that_decide_in_four_of_five_worlds_and_fewer_do_not() -> None:
    random = np.random.default_rng(7)
    low, high = stats.binom.interval(0.9999, 20_000, 0.8)
    for n, enough in ((34, True), (30, False)):
        t = np.asarray(stats.ttest_1samp(random.normal(0.5, 1.0, (20_000, n)), 0.0, axis=1).statistic)
        decided = int((t > stats.t.isf(0.025, n - 1)).sum())
        assert bool(decided >= low) is enough
        assert decided < high + 400  # a run more or less is half a percent


@pytest.mark.thorough
@pytest.mark.parametrize("effect", [0.68, 0.9])
def test_as_many_pairs_as_that_show_an_improvement_by_its_own_rule_and_fewer_do_not(effect: float) -> None:
    n, random, worlds = 10, np.random.default_rng(3), 400
    pairs = runs_for_improvement(2 * float(stats.t.sf(effect * math.sqrt(n), n - 1)), n)
    assert pairs is not None

    def shown(m: int) -> int:
        draws = random.normal(effect, 1.0, (worlds, m))
        return sum(paired(dict(enumerate(draw)), dict.fromkeys(range(m), 0.0)).improvement for draw in draws)

    assert shown(pairs) > stats.binom.ppf(0.0001, worlds, 0.8)
    assert shown(round(0.7 * pairs)) < stats.binom.ppf(0.0001, worlds, 0.8)


@pytest.mark.parametrize(("n", "wins"), [(3, 3), (5, 5), (10, 9), (20, 15), (40, 27), (100, 67)])
def test_so_many_wins_are_convincing_and_one_fewer_is_not(n: int, wins: int) -> None:
    """8 of 10 are not, as 5 wins or fewer in 10 draws of 0.8 have a probability of 3.3 %."""

    def shown(k: int) -> bool:
        return paired({seed: 1.0 if seed < k else -0.01 for seed in range(n)}, dict.fromkeys(range(n), 0.0)).improvement

    assert [shown(k) for k in (wins - 1, wins)] == [False, True]
    assert comparison._convincing_wins(n) == wins


def test_an_improvement_that_is_not_worth_the_name_is_shown_by_no_number_of_pairs() -> None:
    n, effect = 10, 0.4  # won by 66 of 100 pairs
    assert runs_for_improvement(2 * float(stats.t.sf(effect * math.sqrt(n), n - 1)), n) is None


def test_what_makes_no_difference_takes_more_runs_than_anybody_makes() -> None:
    assert runs_for_mean(10, 1.0) is None
    assert runs_for_share(0.5) is None


@pytest.mark.thorough
@pytest.mark.parametrize(("share", "runs"), [(1.0, 6), (0.9, 12), (0.1, 12), (0.8, 20)])
def test_the_runs_for_a_share_decide_in_four_of_five_worlds(share: float, runs: int) -> None:
    """By summing up: with 12 runs 10 are enough, of which there are as many with 0.889; with 20 it takes 15, 0.804."""
    assert runs_for_share(share) == runs
    likely = max(share, 1 - share)

    def power(n: int) -> float:
        shown = (k for k in range(n + 1) if stats.binomtest(k, n).proportion_ci(method="exact").low > 0.5)
        return sum(math.comb(n, k) * likely**k * (1 - likely) ** (n - k) for k in shown)

    assert power(runs) >= 0.8
    assert all(power(n) < 0.8 for n in range(1, runs))
