"""Two steps over the seeds that both have: ties, trainers, runs that never learned, and what is an improvement."""

from pathlib import Path
from typing import Any

import pytest

from harness import Recipe, discovery
from harness.claims import decide
from harness.claims.verdict import between
from harness.step import Step
from spec.harness.claims.two_steps import RISING, TRAINED, six
from spec.harness.claims.two_steps import pair as pair
from spec.harness.evidence.records_of import keep, step_with


def test_evidence_says_where_native_runs_are_compared_with_eager_ones(pair: type[Step]) -> None:
    across = "points, n = 6 of 10 planned, across trainers"
    assert not decide(pair, "improves on mine/b").across_trainers
    keep(pair, {seed: ([99.0] * 6, [99.0 + seed / 10] * 6) for seed in range(6)}, trainer="native", numerics=1)
    assert decide(pair, "improves on mine/b").evidence.endswith(across)
    assert decide(pair, "mine/b stays within 0.1 of mine/a").evidence.endswith(across)
    assert decide(pair, "mine/b faster to 99.4 than mine/a").evidence.endswith("planned, across trainers")
    assert not decide(pair, "in most runs reaches 99").across_trainers


def test_two_steps_that_never_get_there_are_equally_fast(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = (
        step_with(tmp_path, f"mine/{name}", recipe=Recipe(lr=0.1, batch_size=64, epochs=epochs))
        for name, epochs in (("a", 6), ("b", 9))
    )
    monkeypatch.setattr(discovery, "steps", lambda: {"mine/a": a, "mine/b": b})
    keep(a, {seed: ([97.0] * 6, [97.0] * 6) for seed in range(3)})
    keep(b, {seed: ([98.0] * 9, [98.0] * 8 + [99.4]) for seed in range(3)})  # in an epoch that the other has not
    for claim in ("faster to 99.4 than mine/b", "mine/b faster to 99.4 than mine/a"):
        verdict = decide(a, claim)
        assert (verdict.word, verdict.evidence) == ("undecided", "3 of 3 pairs are ties, 10 planned")
    keep(b, {seed: ([98.0] * 9, [98.0] * 4 + [99.4] * 5) for seed in range(3)})  # the fifth, against none of six
    verdict = decide(b, "faster to 99.4 than mine/a")
    # Clopper and Pearson: 0.025^(1/3)
    assert (verdict.word, verdict.evidence) == ("undecided", "3 of 3 pairs (95 % interval 29 to 100 %), 10 planned")


def test_pairs_that_are_ties_are_told_and_count_as_planned(pair: type[Step]) -> None:
    """Seven small gains, one of them over a run that never learned, and three ties; then seven pairs more."""
    b = discovery.steps()["mine/b"]
    lower = [99.3, 99.3, 99.3, 99.2, 99.1, 99.0, 98.9, 98.8, 98.7, 10.0]
    keep(pair, {seed: ([99.0] * 6, [99.3] * 6) for seed in range(10)})
    keep(b, {seed: ([99.0] * 6, [accuracy] * 6) for seed, accuracy in enumerate(lower)})
    verdict = decide(pair, "improves on mine/b")
    assert (verdict.word, verdict.evidence) == ("supported", "7 of 7 pairs (95 % interval 59 to 100 %), 3 ties")
    keep(b, {seed: ([99.0] * 6, [accuracy] * 6) for seed, accuracy in enumerate(lower) if seed > 1})
    assert decide(pair, "improves on mine/b").evidence.endswith("pairs (95 % interval 59 to 100 %), 1 tie, 10 planned")


def test_a_run_that_never_learned_turns_a_mean_into_a_count(pair: type[Step]) -> None:
    """Of Student's interval five small gains and one of 89 points would leave nothing."""
    b = discovery.steps()["mine/b"]
    runs = {seed: ([99.0] * 6, [99.3] * 6) for seed in range(6)}
    keep(pair, runs)
    keep(b, {**{seed: ([99.0] * 6, [99.0 + seed / 100] * 6) for seed in range(5)}, 5: ([10.0] * 6, [10.0] * 6)})
    verdict = decide(pair, "improves on mine/b")
    assert (verdict.word, verdict.evidence) == ("supported", "6 of 6 pairs (95 % interval 54 to 100 %), 10 planned")
    verdict = decide(b, "on average falls after epoch 1")
    assert (verdict.word, verdict.evidence) == ("refuted", "0 of 6 runs (95 % interval 0 to 46 %), 10 planned")


def test_runs_are_the_same_if_every_epoch_is(pair: type[Step]) -> None:
    b = discovery.steps()["mine/b"]
    keep(b, six(TRAINED, RISING))
    assert decide(pair, "gives the runs of mine/b").word == "supported"
    runs = six(TRAINED, RISING)
    keep(b, {**runs, 1: ([80.01, *TRAINED[1:]], runs[1][1])})
    verdict = decide(pair, "gives the runs of mine/b")
    # Clopper and Pearson: 5 of 6
    assert (verdict.word, verdict.evidence) == ("refuted", "5 of 6 pairs (95 % interval 36 to 100 %), 10 planned")
    assert decide(pair, "gives the runs of mine/c").word == "undecided"


@pytest.mark.parametrize("made", [{"hardware": "another"}, {"torch": "2.14.0"}, {"threads": 2}])
def test_runs_that_were_made_otherwise_are_not_asked_to_be_the_same(pair: type[Step], made: dict[str, Any]) -> None:
    b = discovery.steps()["mine/b"]
    keep(b, six(TRAINED, RISING), **made)
    assert decide(pair, "gives the runs of mine/b").word == "undecided"
    keep(pair, six(TRAINED, RISING), **made)
    assert decide(pair, "gives the runs of mine/b").word == "supported"


def test_closeness_is_in_points(pair: type[Step]) -> None:
    # 2.5706 x 0.008944 / sqrt(6)
    assert decide(pair, "stays within 0.6 of mine/b").evidence == "0.533 [0.524, 0.543] points, n = 6 of 10 planned"
    assert (
        between([0.1, 0.2, 0.3], -1.0, 1.0).evidence == "0.2 [-0.0484, 0.448] points, n = 3"
    )  # 4.3027 x 0.1 / sqrt(3)


def test_a_difference_of_nothing_improves_nothing(pair: type[Step]) -> None:
    keep(discovery.steps()["mine/b"], six(TRAINED, RISING), clean=dict.fromkeys(range(6), 99.6667))
    found = [decide(pair, f"{claim} mine/b") for claim in ("improves on", "worsens on", "over-fits more than")]
    assert [verdict.word for verdict in found] == ["refuted"] * 3
    assert {verdict.evidence for verdict in found} == {"0 [0, 0] points, n = 6 of 10 planned"}


def test_an_improvement_is_told_with_its_interval_and_takes_more_than_student_s(pair: type[Step]) -> None:
    b = discovery.steps()["mine/b"]
    keep(b, {0: ([99.0] * 6, [98.0] * 6), 1: ([99.0] * 6, [98.1] * 6), 2: ([99.0] * 6, [98.2] * 6)})
    keep(pair, {seed: ([99.0] * 6, [99.0] * 6) for seed in range(3)})
    # differences 1.0, 0.9, 0.8: 0.9 +- 4.3027 x 0.1 / sqrt(3)
    assert decide(pair, "improves on mine/b by 0.5").evidence == "0.9 [0.652, 1.15] points, n = 3 of 10 planned"
    # 1, 1, 1, 1 and -0.01: 0.798 +- 2.7764 x 0.4517 / sqrt(5) is above nothing; but of five pairs drawn again from
    # these two or fewer are wins with a probability of 0.058, so that P(A > B) may be one half
    keep(b, {seed: ([99.0] * 6, [98.0] * 6) for seed in range(5)})
    keep(pair, {seed: ([99.0] * 6, [99.0 if seed < 4 else 97.99] * 6) for seed in range(5)})
    verdict = decide(pair, "improves on mine/b")
    assert (verdict.word, verdict.evidence) == ("undecided", "0.798 [0.237, 1.36] points, n = 5 of 10 planned")


def test_an_improvement_by_some_points_wins_by_as_many(pair: type[Step]) -> None:
    gains = [0.49] * 4 + [1.0, 1.01] * 3  # Student's interval is above 0.5, and four of ten pairs are not
    keep(pair, {seed: ([99.0] * 6, [98.0 + gain] * 6) for seed, gain in enumerate(gains)})
    keep(discovery.steps()["mine/b"], {seed: ([99.0] * 6, [98.0] * 6) for seed in range(10)})
    verdict = decide(pair, "improves on mine/b by 0.5")
    assert verdict.interval.low > 0.5
    assert verdict.word == "undecided"
    assert decide(pair, "improves on mine/b by 0.4").word == "supported"
