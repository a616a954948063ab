"""How many runs it takes to decide: by each quantifier, as planned, and by the power that is said."""

import re
from pathlib import Path

import pytest

from harness import discovery
from harness.claims import decide
from harness.step import Step
from spec.harness.claims.two_steps import pair as pair
from spec.harness.evidence.records_of import keep, step_with
from spec.harness.support.paths import ROOT

COUNTED = {  # of n runs k reach 99.40: how many it takes, by tables of the binomial distribution
    (5, 5): ("undecided", "undecided", "supported"),  # the lower end is 0.025^(1/5) = 0.478
    (6, 6): ("supported", "supported", "supported"),  # 0.025^(1/6) = 0.541
    (9, 10): ("refuted", "supported", "supported"),  # Clopper and Pearson: 0.555 to 0.997
    (8, 10): ("refuted", "undecided", "supported"),  # 0.444 to 0.975
    (1, 10): ("refuted", "refuted", "supported"),
    (0, 10): ("refuted", "refuted", "undecided"),
    (0, 1): ("refuted", "undecided", "undecided"),
}


@pytest.mark.parametrize(("k", "n"), COUNTED)
def test_a_quantifier_says_how_many_runs_it_takes(tmp_path: Path, k: int, n: int) -> None:
    step = step_with(tmp_path, "mine/a")
    keep(step, {seed: ([99.0] * 6, [99.40 if seed < k else 99.39] * 6) for seed in range(n)})
    found = [decide(step, f"in {which} holds the goal").word for which in ("every run", "most runs", "some runs")]
    assert tuple(found) == COUNTED[k, n]


def test_the_evidence_of_a_quantifier_is_the_share_of_runs(tmp_path: Path) -> None:
    step = step_with(tmp_path, "mine/a")
    keep(step, {seed: ([99.0] * 6, [99.40 if seed < 9 else 99.39] * 6) for seed in range(10)})
    assert decide(step, "in every run holds the goal").evidence == "9 of 10 runs (95 % interval 55 to 100 %)"
    keep(step, {seed: ([99.0] * 6, [99.40] * 6) for seed in range(5)})
    evidence = decide(step, "in every run holds the goal").evidence
    assert evidence == "5 of 5 runs (95 % interval 48 to 100 %), 10 planned"


@pytest.mark.parametrize("goal", [False, True])
def test_as_many_runs_decide_as_were_planned_and_in_the_order_of_their_seeds(tmp_path: Path, goal: bool) -> None:
    """However many a record has, and in whatever order: the later ones would refute it."""
    step = step_with(tmp_path, "mine/a", goal=goal)
    planned = 20 if goal else 10
    seeds = [*range(planned, 30), *range(planned)]
    keep(step, {seed: ([99.0] * 6, [99.40 if seed < planned else 99.39] * 6) for seed in seeds})
    verdict = decide(step, "in every run holds the goal")
    assert (verdict.word, verdict.n, verdict.planned) == ("supported", planned, planned)
    assert "planned" not in verdict.evidence


def test_as_many_runs_are_planned_as_the_page_says() -> None:
    counts = {n: [step.id for step in discovery.steps().values() if step.planned_runs() == n] for n in (3, 10, 20)}
    assert sum(map(len, counts.values())) == len(discovery.steps())
    assert counts[3] == ["four_steps/step1", "s5/code1", "s5/code2"]
    assert counts[20] == [step.id for step in discovery.steps().values() if step.goal]
    page = (ROOT / "docs" / "verdicts.md").read_text()
    assert all(f"`{step_id}`" in page for step_id in counts[3])
    assert re.findall(r"^\| .* \| (\d+) \|$", page, re.MULTILINE) == ["20", "3", "10"]


def test_what_the_planned_runs_leave_undecided_says_how_many_would_decide_it(tmp_path: Path) -> None:
    step = step_with(tmp_path, "mine/a")
    keep(step, {seed: ([99.0] * 6, [99.40 if seed < 8 else 99.39] * 6) for seed in range(10)})
    evidence = decide(step, "in most runs holds the goal").evidence
    assert evidence == "8 of 10 runs (95 % interval 44 to 97 %); 20 runs would probably decide it"
    assert "decide it" not in decide(step, "in every run holds the goal").evidence
    # rises of 1 and -0.6 in turn: a mean of a quarter of the standard deviation
    keep(step, {seed: ([99.0] * 6, [98.0, *[99.0 if seed % 2 else 97.4] * 5]) for seed in range(10)})
    verdict = decide(step, "on average rises after epoch 1")
    assert verdict.runs_needed == pytest.approx((2.8 / (0.2 / 0.843)) ** 2, rel=0.03)
    keep(step, {seed: ([99.0] * 6, [98.0, *[99.0 if seed % 2 else 97.4] * 5]) for seed in range(9)})
    assert decide(step, "on average rises after epoch 1").runs_needed is None


def test_more_runs_are_said_to_decide_only_what_they_can(pair: type[Step]) -> None:
    keep(pair, {seed: ([99.0] * 6, [99.0] * 6) for seed in range(10)})
    assert decide(pair, "in some runs holds the goal").evidence == "0 of 10 runs (95 % interval 0 to 31 %)"
    # 7 gains of 1 and 3 losses of 0.01 and less: Student's interval is above nothing, and the wins are not convincing
    gains = [1.0] * 7 + [-0.01, -0.008, -0.006]
    keep(discovery.steps()["mine/b"], {seed: ([99.0] * 6, [99.0 - gain] * 6) for seed, gain in enumerate(gains)})
    verdict = decide(pair, "improves on mine/b")
    assert verdict.interval.low > 0
    assert (verdict.word, verdict.runs_needed) == ("undecided", None)


def test_an_improvement_is_said_to_take_as_many_runs_as_gain_and_wins_together(pair: type[Step]) -> None:
    gains = [0.05 * one for one in (-2, -1, 1, 1, 1, 1, 1, 2, 2, -1)]  # a mean of 0.369 standard deviations
    keep(pair, {seed: ([99.0] * 6, [99.0] * 6) for seed in range(10)})
    keep(discovery.steps()["mine/b"], {seed: ([99.0] * 6, [99.0 - gain] * 6) for seed, gain in enumerate(gains)})
    gain, loss = decide(pair, "improves on mine/b"), decide(pair, "worsens on mine/b")
    assert (gain.word, gain.by, gain.runs_needed) == ("undecided", "improvement", None)  # wins of two in three
    assert (loss.word, loss.by) == ("undecided", "mean")  # a gain refutes that, however few the wins are
    assert loss.runs_needed == pytest.approx((2.8 / 0.369) ** 2 + 2, abs=1)
    assert decide(pair, "does not improve on mine/b").runs_needed is None


def test_a_comparison_of_two_steps_has_the_pairs_of_that_with_fewer(pair: type[Step]) -> None:
    assert decide(pair, "improves on mine/b").evidence.endswith("points, n = 6 of 10 planned")
    pair.goal = True
    assert decide(pair, "improves on mine/b").planned == 10
    assert decide(pair, "in every run holds the goal").planned == 20
