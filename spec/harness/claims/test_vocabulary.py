"""Claims: each word of the vocabulary against runs and networks written down by hand, and what overturns a verdict."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from torch import nn

from harness import Recipe, StepSpec, ladder
from harness.claims import Verdict, decide, vocabulary
from harness.claims.about_networks import NETWORK_CLAIMS
from harness.claims.about_runs import RUN_CLAIMS
from harness.claims.verdict import above, below, between, predicted
from harness.errors import HarnessError
from harness.recipe import RandomAffine
from harness.step import Step
from models.blocks import GlobalAverage, LogProbabilities
from spec.harness.evidence.records_of import keep, step_with

# Accuracies of three seeds after each of six epochs, which differ by a hundredth of a point in test.
RISING = [90.0, 98.0, 99.0, 99.2, 99.3, 99.4]  # final mean 99.30
SWINGING = [97.0, 98.9, 98.5, 98.9, 98.5, 98.9]  # final mean 98.77
TRAINED = [80.0, 98.0, 99.0, 99.5, 99.7, 99.8]  # final mean 99.67
HINDERED = [95.0, 97.0, 98.0, 98.2, 98.3, 98.4]  # final mean 98.30
# Ninety misses: ten sixes taken for zeros, and the eighty other ordered pairs that are left, once each.
PAIRS = [(true, guess) for true in range(10) for guess in range(10) if true != guess]
MISSED = [(n, true, guess) for n, (true, guess) in enumerate([(6, 0)] * 10 + [p for p in PAIRS if p != (6, 0)][9:])]


def three(train: list[float], test: list[float]) -> dict[int, tuple[list[float], list[float]]]:
    """Seeds 0, 1 and 2 with these accuracies, the test accuracy moved by 0, 0.01 and -0.01."""
    return {seed: (train, [round(value + off, 2) for value in test]) for seed, off in enumerate((0.0, 0.01, -0.01))}


class Small(nn.Sequential):
    """36 + 8 + 50 parameters."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(1, 4, 3, padding=1, bias=False),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Dropout(0.1),
            nn.MaxPool2d(2),
            nn.Conv2d(4, 10, 1),
            GlobalAverage(),
            LogProbabilities(),
        )


class Bare(nn.Sequential):
    """100 parameters: a wider bias for the normalization, and no dropout."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(1, 5, 3, padding=1, bias=False),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(5, 9, 1, bias=False),
            nn.Conv2d(9, 10, 1),
            GlobalAverage(),
            LogProbabilities(),
        )


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> type[Step]:
    """The step mine/a, which rises, beside mine/b, which swings, and mine/c, which has no record."""
    turned = Recipe(lr=0.1, batch_size=32, epochs=6, augmentation=RandomAffine(degrees=7))
    a = step_with(tmp_path, "mine/a", model=Small)
    b = step_with(tmp_path, "mine/b", model=Bare, recipe=turned)
    c = step_with(tmp_path, "mine/c", model=Small)
    keep(a, three(TRAINED, RISING), MISSED)
    keep(b, three(HINDERED, SWINGING))
    monkeypatch.setattr(ladder, "steps", lambda: {"mine/a": a, "mine/b": b, "mine/c": c})
    return a


RUNS = {
    "over-fits": ("supported", "0.367"),  # 99.667 - 99.300
    "mine/b over-fits": ("refuted", "-0.467"),
    "does not over-fit": ("refuted", "0.367"),
    "mine/b does not over-fit": ("supported", "-0.467"),
    "over-fits more than mine/b": ("supported", "0.833"),
    "mine/b over-fits more than mine/a": ("refuted", "-0.833"),
    "over-fits less than mine/b": ("refuted", "-0.833"),
    "mine/b over-fits less than mine/a": ("supported", "0.833"),
    "under-fits": ("refuted", "0.367"),
    "mine/b under-fits": ("supported", "-0.467"),
    "improves on mine/b": ("supported", "0.533"),  # 99.300 - 98.767, in every pair
    "mine/b improves on mine/a": ("refuted", "-0.533"),
    "improves on mine/b by 0.5": ("supported", "0.533"),
    "improves on mine/b by 0.6": ("refuted", "0.533"),
    "does not improve on mine/b": ("refuted", "0.533"),
    "mine/b does not improve on mine/a": ("supported", "-0.533"),
    "does not improve on mine/b by 0.5": ("refuted", "0.533"),
    "does not improve on mine/b by 0.6": ("supported", "0.533"),
    "worsens on mine/b": ("refuted", "-0.533"),
    "mine/b worsens on mine/a": ("supported", "0.533"),
    "mine/b worsens on mine/a by 0.5": ("supported", "0.533"),
    "mine/b worsens on mine/a by 0.6": ("refuted", "0.533"),
    "stays within 0.6 of mine/b": ("supported", "0.533"),
    "stays within 0.5 of mine/b": ("refuted", "0.533"),
    "trains higher than mine/b": ("supported", "1.37"),
    "mine/b trains higher than mine/a": ("refuted", "-1.37"),
    "trains lower than mine/b": ("refuted", "-1.37"),
    "mine/b trains lower than mine/a": ("supported", "1.37"),
    "holds the goal": ("refuted", "0"),
    "misses the goal": ("supported", "0"),
    "holds 99.1 from epoch 4": ("supported", "99.20"),
    "holds 99.3 from epoch 4": ("refuted", "99.20"),
    "does not hold 99.3 from epoch 4": ("supported", "99.20"),
    "does not hold 99.1 from epoch 4": ("refuted", "99.20"),
    "reaches 99.3": ("supported", "99.40"),
    "reaches 99.5": ("refuted", "99.40"),
    "reaches 99.4": ("undecided", "99.40"),
    "reaches 97.9 by epoch 2": ("supported", "98.00"),
    "reaches 99 by epoch 2": ("refuted", "98.00"),
    "reaches 99.7 in training": ("supported", "99.80"),
    "reaches 99.9 in training": ("refuted", "99.80"),
    "stays below 99.5": ("supported", "99.40"),
    "stays below 99.3": ("refuted", "99.40"),
    "some runs stay below 99.4": ("supported", "0.333"),  # that whose best is 99.39
    "some runs stay below 99.39": ("undecided", "0"),
    "stays below 95 until epoch 1": ("supported", "90.00"),
    "stays below 95 until epoch 2": ("refuted", "98.00"),
    "stays below 99.9 in training": ("supported", "99.80"),
    "stays below 99.7 in training": ("refuted", "99.80"),
    "stays below 81 in training until epoch 1": ("supported", "80.00"),
    "stays below 81 in training until epoch 2": ("refuted", "98.00"),
    "faster to 98.95 than mine/b": ("supported", "4"),  # in epoch 3 (98.99 too) against none of six
    "mine/b faster to 98.95 than mine/a": ("refuted", "-4"),
    "mine/b steadier than mine/a": ("supported", "0.348"),  # sqrt(1.288 / 4) - sqrt(0.192 / 4) = 0.5674 - 0.2191
    "steadier than mine/b": ("refuted", "-0.348"),
    "moves by 0.3 over epochs 3 to 6": ("supported", "0.4"),
    "moves by 0.5 over epochs 3 to 6": ("refuted", "0.4"),
    "moves by less than 0.5 over epochs 3 to 6": ("supported", "0.4"),
    "moves by less than 0.3 over epochs 3 to 6": ("refuted", "0.4"),
    "rises after epoch 3": ("supported", "0.3"),
    "mine/b rises after epoch 2": ("refuted", "-0.133"),
    "mine/b falls after epoch 2": ("supported", "-0.133"),
    "falls after epoch 3": ("refuted", "0.3"),
    "mine/b falls by 0.3 in one epoch": ("supported", "0.4"),
    "falls by 0.3 in one epoch": ("refuted", "-0.1"),
    "never falls by 0.3 in one epoch": ("supported", "-0.1"),
    "mine/b never falls by 0.3 in one epoch": ("refuted", "0.4"),
    "ends 0.1 below its best": ("refuted", "0"),
    "still improves at the end": ("supported", "0.31"),  # (-2 x 98 - 99 + 99.3 + 2 x 99.4) / 10
    "mine/b still improves at the end": ("refuted", "0"),
    "mine/b improves no more at the end": ("supported", "0"),
    "improves no more at the end": ("refuted", "0.31"),
    "still improves in training at the end": ("supported", "0.43"),  # (-2 x 98 - 99 + 99.7 + 2 x 99.8) / 10
    "needs 1 more epochs for 99.9": ("refuted", "99.61"),
    "needs 10 more epochs for 99.9": ("undecided", "102.40"),
    "confuses 6 with 0": ("supported", "10"),
    "confuses 2 with 7": ("refuted", "1"),
    "misses 6 the most": ("supported", "0.87"),  # 18 of 958 sixes, then 9 of 892 fives: 1.879 - 1.009 %
    "misses 5 the most": ("refuted", ""),
    "gives a best test of 99.42": ("supported", "99.40"),
    "gives a best test of 99.9": ("refuted", "99.40"),
    "gives a best train of 99.8": ("supported", "99.80"),
    "gives a best train of 99.1": ("refuted", "99.80"),
    "gives a last test of 99.4": ("supported", "99.40"),
    "gives a last test of 98.8": ("refuted", "99.40"),
    "gives a last train of 99.8": ("supported", "99.80"),
    "gives a last train of 99.1": ("refuted", "99.80"),
    "gives the runs of mine/b": ("refuted", "0"),
    "gives the runs of mine/a": ("supported", "1"),
}

# Small has a field of 30: 3, 4 behind the pool, and 13 more positions of 2 pixels in the average over 14 x 14.
FACTS = {
    "has 94 parameters": "has 95 parameters",
    "has fewer than 95 parameters": "has fewer than 94 parameters",
    "has fewer parameters than mine/b": "mine/b has fewer parameters than mine/a",
    "has 2 times fewer parameters than mine/b": "has 3 times fewer parameters than mine/b",
    "mine/b has 96 parameters more than mine/a": "mine/b has 95 parameters more than mine/a",
    "has 50 parameters in one layer": "has 36 parameters in one layer",
    "has a receptive field of 30": "has a receptive field of 28",
    "has 1 conv3x3 then bn then relu": "has 1 conv3x3 then relu",
    "has no linear": "has no dropout",
    "ends in max-pool then conv1x1 then global-average": "ends in conv1x1",
    "has the kernels of mine/c": "has the kernels of mine/b",
    "has 1 biases": "has 2 biases",
    "pads 1 convolutions": "pads 2 convolutions",
    "drops 10 % in 1 places": "drops 1 % in 1 places",
    "pools after 1 convolutions": "pools after 2 convolutions",
    "pools at a field of 3": "pools at a field of 4",
    "multiplies most in convolution 1": "multiplies most in convolution 2",  # 36 x 28 x 28 against 40 x 14 x 14
    "trains with lr 0.1": "trains with lr 0.01",
    "trains with the epochs of mine/b": "trains with the batch_size of mine/b",
    "changes bn, dropout and batch_size since mine/b": "changes max-pool since mine/b",
    "changes nothing since mine/c": "changes nothing since mine/b",
    "changes only conv3x3, bn, dropout, conv1x1, batch_size and augmentation since mine/b": (
        "changes only batch_size since mine/b"
    ),
}


@pytest.mark.parametrize(("claim", "word", "estimate"), [(claim, *expected) for claim, expected in RUNS.items()])
def test_runs_decide(pair: type[Step], claim: str, word: str, estimate: str) -> None:
    verdict = decide(pair, claim)
    assert (verdict.word, verdict.n) == (word, 3)
    assert verdict.evidence.startswith(f"{estimate} ") or not estimate


@pytest.mark.parametrize(
    ("claim", "word"),
    [(claim, word) for claims in FACTS.items() for claim, word in zip(claims, ("supported", "refuted"), strict=True)],
)
def test_network_and_recipe_decide(pair: type[Step], claim: str, word: str) -> None:
    verdict = decide(pair, claim)
    assert (verdict.word, verdict.n) == (word, 0)


def test_every_word_of_the_vocabulary_is_decided_above() -> None:
    said = [re.sub(r"^mine/\w ", "", claim) for claim in [*RUNS, *FACTS]]
    for words, pattern in vocabulary._PATTERNS.items():
        assert any(map(pattern.fullmatch, said)), words
    assert len(vocabulary._VOCABULARY) == len(RUN_CLAIMS) + len(NETWORK_CLAIMS)


@pytest.mark.parametrize("claim", [claim for claim in RUNS if not re.search("the goal|some runs|the runs", claim)])
def test_two_runs_decide_nothing(pair: type[Step], claim: str) -> None:
    keep(pair, dict(list(three(TRAINED, RISING).items())[:2]), MISSED)
    keep(ladder.steps()["mine/b"], dict(list(three(HINDERED, SWINGING).items())[:2]))
    verdict = decide(pair, claim)
    assert (verdict.word, verdict.n) == ("undecided", 2)


@pytest.mark.parametrize(
    "claim",
    ["over-fits", "holds the goal", "some runs stay below 99", "improves on mine/b", "gives a last test of 99.4"],
)
def test_no_runs_leave_a_claim_undecided(pair: type[Step], claim: str) -> None:
    verdict = decide(ladder.steps()["mine/c"], claim)
    assert (verdict.word, verdict.n, verdict.evidence) == ("undecided", 0, "no runs")


@pytest.mark.parametrize(
    ("finals", "word"),
    [([99.40] * 5, "supported"), ([99.40] * 4, "undecided"), ([99.40] * 9 + [99.39], "refuted"), ([99.39], "refuted")],
)
def test_a_claimed_goal_takes_five_of_five_and_falls_with_one(tmp_path: Path, finals: list[float], word: str) -> None:
    step = step_with(tmp_path, "mine/a")
    keep(step, {seed: ([99.0] * 6, [final] * 6) for seed, final in enumerate(finals)})
    assert decide(step, "holds the goal").word == word
    opposite = {"supported": "refuted", "refuted": "supported", "undecided": "undecided"}[word]
    assert decide(step, "misses the goal").word == opposite


@pytest.mark.parametrize(
    ("finals", "evidence"),
    [
        # Clopper and Pearson: the lower end of 5 of 5 is 0.025^(1/5); 9 of 10 is in their tables
        ([99.40] * 5, "1 [0.478, 1] of runs hold, n = 5"),
        ([99.40] * 9 + [99.39], "0.9 [0.555, 0.997] of runs hold, n = 10"),
    ],
)
def test_the_evidence_for_the_goal_is_the_share_of_runs_that_hold_it(
    tmp_path: Path, finals: list[float], evidence: str
) -> None:
    step = step_with(tmp_path, "mine/a")
    keep(step, {seed: ([99.0] * 6, [final] * 6) for seed, final in enumerate(finals)})
    assert decide(step, "holds the goal").evidence == evidence


def test_one_run_shows_that_some_stay_below(tmp_path: Path) -> None:
    step = step_with(tmp_path, "mine/a")
    keep(step, {seed: ([99.0] * 6, [best] * 6) for seed, best in enumerate([98.9, 9.8])})
    # Clopper and Pearson: 1 of 2 has 1 - sqrt(0.975) and sqrt(0.975)
    assert decide(step, "some runs stay below 15").evidence == "0.5 [0.0126, 0.987] of runs stay below, n = 2"


def test_a_figure_is_reproduced_by_runs_that_are_close_enough_to_tell() -> None:
    # 4.3027 x sqrt(4 / 3) = 4.968 times the standard deviation to either side
    assert predicted([99.3, 99.4, 99.5], 99.89).word == "supported"  # 0.497
    assert predicted([99.3, 99.4, 99.5], 99.9).word == "refuted"
    assert predicted([99.28, 99.4, 99.52], 99.8).word == "undecided"  # 0.596
    # in training the noise is that of 60,000 images: 4.968 x 0.0386 = 0.192 at 99.1 %
    assert predicted([99.1] * 3, 99.3).word == "supported"
    assert predicted([99.1] * 3, 99.3, 60_000).word == "refuted"


def test_two_steps_that_never_get_there_are_equally_fast(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = (
        step_with(tmp_path, f"mine/{name}", recipe=Recipe(lr=0.1, batch_size=64, epochs=epochs))
        for name, epochs in (("a", 6), ("b", 9))
    )
    monkeypatch.setattr(ladder, "steps", lambda: {"mine/a": a, "mine/b": b})
    keep(a, {seed: ([97.0] * 6, [97.0] * 6) for seed in range(3)})
    keep(b, {seed: ([98.0] * 9, [98.0] * 8 + [99.4]) for seed in range(3)})  # in an epoch that the other has not
    for claim in ("faster to 99.4 than mine/b", "mine/b faster to 99.4 than mine/a"):
        verdict = decide(a, claim)
        assert (verdict.word, verdict.evidence) == ("undecided", "0 [0, 0] epochs, n = 3")
    keep(b, {seed: ([98.0] * 9, [98.0] * 4 + [99.4] * 5) for seed in range(3)})  # the fifth, against none of six
    assert decide(b, "faster to 99.4 than mine/a").evidence == "2 [2, 2] epochs, n = 3"


def test_runs_are_the_same_if_every_epoch_is(pair: type[Step]) -> None:
    b = ladder.steps()["mine/b"]
    keep(b, three(TRAINED, RISING))
    assert decide(pair, "gives the runs of mine/b").word == "supported"
    runs = three(TRAINED, RISING)
    keep(b, {**runs, 1: ([80.01, *TRAINED[1:]], runs[1][1])})
    verdict = decide(pair, "gives the runs of mine/b")
    # Clopper and Pearson: 2 of 3
    assert (verdict.word, verdict.evidence) == ("refuted", "0.667 [0.0943, 0.992] of pairs, n = 3")
    assert decide(pair, "gives the runs of mine/c").word == "undecided"


def test_closeness_is_in_points(pair: type[Step]) -> None:
    assert decide(pair, "stays within 0.6 of mine/b").evidence == "0.533 [0.533, 0.533] points, n = 3"
    assert between([0.1, 0.2, 0.3], 1.0).evidence == "0.2 [-0.0484, 0.448] points, n = 3"  # 4.3027 x 0.1 / sqrt(3)


def test_a_difference_of_nothing_improves_nothing(pair: type[Step]) -> None:
    keep(ladder.steps()["mine/b"], three(TRAINED, RISING))
    found = [decide(pair, f"{claim} mine/b") for claim in ("improves on", "worsens on", "over-fits more than")]
    assert [verdict.word for verdict in found] == ["undecided"] * 3
    assert {verdict.evidence for verdict in found} == {"0 [0, 0] points, n = 3"}


def test_an_improvement_is_told_with_its_interval_and_takes_more_than_student_s(pair: type[Step]) -> None:
    b = ladder.steps()["mine/b"]
    keep(b, {0: ([99.0] * 6, [98.0] * 6), 1: ([99.0] * 6, [98.1] * 6), 2: ([99.0] * 6, [98.2] * 6)})
    keep(pair, {seed: ([99.0] * 6, [99.0] * 6) for seed in range(3)})
    # differences 1.0, 0.9, 0.8: 0.9 +- 4.3027 x 0.1 / sqrt(3)
    assert decide(pair, "improves on mine/b by 0.5").evidence == "0.9 [0.652, 1.15] points, n = 3"
    # 1, 1, 1, 1 and -0.01: 0.798 +- 2.7764 x 0.4517 / sqrt(5) is above nothing; but of five pairs drawn again from
    # these two or fewer are wins with a probability of 0.058, so that P(A > B) may be one half
    keep(b, {seed: ([99.0] * 6, [98.0] * 6) for seed in range(5)})
    keep(pair, {seed: ([99.0] * 6, [99.0 if seed < 4 else 97.99] * 6) for seed in range(5)})
    verdict = decide(pair, "improves on mine/b")
    assert (verdict.word, verdict.evidence) == ("undecided", "0.798 [0.237, 1.36] points, n = 5")


@pytest.mark.parametrize(
    ("rule", "accuracy", "bound", "word"),
    [
        (above, 99.4, 99.4, "supported"),  # at the bound is not below it
        (below, 99.4, 99.4, "refuted"),
        (above, 99.3999, 99.4, "refuted"),
        (predicted, 0.0, 0.0, "supported"),  # an accuracy of nothing has no noise: an interval without width
        (predicted, 0.0, 0.001, "refuted"),
        (predicted, 100.0, 100.0, "supported"),
        (predicted, 100.0, 99.999, "refuted"),
    ],
)
def test_a_bound_belongs_to_what_is_at_it(
    rule: Callable[[list[float], float], Verdict], accuracy: float, bound: float, word: str
) -> None:
    assert rule([accuracy] * 3, bound).word == word


def test_one_run_has_no_interval() -> None:
    assert above([99.31], 99.4).evidence == "99.31 %, n = 1"
    assert above([0.25], 0.0, "points").evidence == "0.25 points, n = 1"


def test_the_interval_of_accuracies_ends_where_they_do_and_that_of_points_does_not() -> None:
    learned = [98.7, 98.6, 9.8]  # one of them never did: 69.03 +- 4.3027 x 51.298 / sqrt(3)
    assert above(learned, 99.0).evidence == "69.03 [0.00, 100.00] %, n = 3"
    assert above(learned, 99.0, "points").evidence == "69 [-58.4, 196] points, n = 3"
    assert above(learned, 100.0).word == "undecided"  # their mean may be as high as that


def test_a_fact_says_what_the_network_has(pair: type[Step]) -> None:
    assert "94" in decide(pair, "has 95 parameters").evidence


@pytest.mark.parametrize(
    ("claim", "message"),
    [
        ("overfits", r"mine/a: \[claim: overfits\] is not in the vocabulary; nearest: over-fits"),
        ("holds", "nearest: holds the goal; holds X from epoch N$"),
        ("?", "is not in the vocabulary; nearest: none$"),
        ("improves on mine/d", "unknown step 'mine/d'"),
        ("has 3 conv3x3 then elu", "is not in the vocabulary"),
        ("trains with warmup 3", "the recipe of mine/a has no warmup"),
        ("moves by 0.1 over epochs 8 to 15", "a claim looks at 15 epochs, but the recipe has 6"),
    ],
)
def test_a_claim_that_says_nothing_is_refused(pair: type[Step], claim: str, message: str) -> None:
    with pytest.raises(HarnessError, match=message):
        decide(pair, claim)


@pytest.fixture
def spec(tmp_path: Path) -> Callable[[dict[str, str]], StepSpec]:
    """A spec that claims to over-fit, with the verdicts that a test says it records."""

    def make(recorded: dict[str, str]) -> StepSpec:
        step = step_with(tmp_path, "mine/a", "- It over-fits. [claim: over-fits]", claims=recorded)
        keep(step, three(TRAINED, RISING))
        return step()

    return make


def test_evidence_that_overturns_a_verdict_fails_and_says_what_to_do(
    spec: Callable[[dict[str, str]], StepSpec],
) -> None:
    spec({"over-fits": "supported"}).test_claims()
    overturned = (
        r"mine/a: of 'over-fits' the spec records refuted, the evidence says supported \(0.367 .* points, n = 3\); "
        "see whether the sentence is still right, then write this down with: pytest --update-records"
    )
    with pytest.raises(AssertionError, match=overturned):
        spec({"over-fits": "refuted"}).test_claims()
    with pytest.raises(AssertionError, match="the spec records nothing, the evidence says supported"):
        spec({}).test_claims()
    with pytest.raises(AssertionError, match="claims names 'under-fits', which no sentence"):
        spec({"over-fits": "supported", "under-fits": "refuted"}).test_claims()
