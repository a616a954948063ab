"""Sentences: each of every Analysis and of the Notes is tagged, and counted by its outcome."""

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from harness import claims, discovery, steps
from harness.claims.sentences import (
    OUTCOMES,
    Decided,
    Verdicts,
    analysis,
    claimed,
    decided,
    kind_of,
    sentences,
    verdicts,
    word_of,
)
from harness.docstring import Sentence
from harness.report.update import readme_text
from harness.step import Step
from spec.harness.evidence.records_of import keep, step_with
from spec.harness.support.paths import ROOT

STEPS = steps()
PUBLISHED = [step for step in STEPS.values() if step.document().published]


def test_a_sentence_is_as_good_as_the_worst_of_its_claims() -> None:
    recorded = {"a": "supported", "b": "refuted", "c": "undecided"}
    words = {said: word_of(Sentence("x", tuple(said)), recorded) for said in ("", "a", "ac", "abc", "ab")}
    assert words == {"": None, "a": "supported", "ac": "undecided", "abc": "refuted", "ab": "refuted"}


RUNS, FACT = "on average over-fits", "has 7 parameters"
KINDS = {
    "runs": Sentence("x", claims=(FACT, f"s5/code1 {RUNS}")),
    "fact": Sentence("x", claims=(FACT,)),
    "next": Sentence("x", claims=(FACT,), next=("s5/code2",)),
    "judgement": Sentence("x", judgements=("of taste",)),
    "untagged": Sentence("x", said=("1",)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_sentence_is_of_the_kind_that_decides_it(kind: str) -> None:
    assert kind_of(KINDS[kind]) == kind


def test_a_sentence_that_only_quotes_a_log_is_a_fact() -> None:
    assert kind_of(Sentence("x", judgements=("0.1 is the difference",), logs=("test 99.0 in epoch 1",))) == "fact"


def test_an_announcement_that_also_claims_something_of_runs_is_judged_by_them() -> None:
    assert kind_of(Sentence("x", claims=(RUNS,), next=("s5/code2",))) == "runs"


def test_sentences_are_counted_by_what_became_of_them(tmp_path: Path) -> None:
    runs = ["reaches 99", "reaches 98", "reaches 97"]
    a, b, c = (f"in most runs {words}" for words in runs)
    text = f"""- One. [claim: {a}] Two. [claim: {a}; {b}] Three. [claim: {c}; {FACT}] Four. [claim: {a}]
        - Five. [judgement: of taste] Six. Seven. [claim: {FACT}] Eight. [claim: has 8 parameters]
        - Nine. [next: mine/b] [claim: {FACT}]"""
    step = step_with(tmp_path, "mine/a", text)
    words = {a: "supported", b: "refuted", c: "undecided", FACT: "supported", "has 8 parameters": "refuted"}
    once = dict.fromkeys((*OUTCOMES, "untagged"), 1) | {"supported": 2}
    assert claims.tally({step: words}, analysis) == once
    other = step_with(tmp_path, "mine/b", f"- Ten. [claim: {a}]")
    assert claims.tally({step: words, other: {a: "refuted"}}, analysis) == {**once, "refuted": 2}


def test_verdicts_are_counted_once_each_and_as_they_stand_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of four claims three are decided: with six runs the sign test has a p of 1/32, and one failure has none."""
    words = (
        "in every run holds the goal",
        "in most runs reaches 99",
        "in most runs stays below 99",
        "in most runs reaches 99.4",
    )
    text = (
        "- " + " ".join(f"So. [claim: {claim}]" for claim in (*words, words[0])) + " It is. [claim: has 7 parameters]"
    )
    step = step_with(tmp_path, "mine/a", text)
    monkeypatch.setattr(discovery, "steps", lambda: {"mine/a": step})
    keep(step, {seed: ([99.0] * 6, [99.40 if seed < 3 else 99.39] * 6) for seed in range(6)})
    assert decided([step], judged(step, words)) == Decided(claims=4, each=3, provisional=3, together=1)
    keep(step, {seed: ([99.0] * 6, [99.40 if seed < 3 else 99.39] * 6) for seed in range(10)})
    assert decided([step], judged(step, words)).provisional == 0


def judged(step: type[Step], of_runs: Iterable[str]) -> Verdicts:
    return {step.id: {claim: claims.decide(step, claim) for claim in of_runs}}


@pytest.mark.parametrize("step_id", STEPS)
def test_every_sentence_has_a_claim_or_says_why_not(step_id: str) -> None:
    untagged = [one.text for one in sentences(STEPS[step_id]) if kind_of(one) == "untagged"]
    assert not untagged, f"{step_id}: neither [claim: ...] nor [judgement: why] after: {untagged}"
    assert claimed(STEPS[step_id])


def test_four_of_five_published_sentences_are_decided_by_runs() -> None:
    """Of those that say something of runs: neither announcements nor facts of a network or a recipe."""
    assert len(PUBLISHED) == 31
    kinds = [kind_of(sentence) for step in PUBLISHED for sentence in analysis(step)]
    assert kinds.count("runs") / (kinds.count("runs") + kinds.count("judgement")) >= 0.8


@pytest.mark.thorough
def test_the_readme_counts_the_claims_as_the_evidence_decides_them() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    table = readme.partition("<!-- findings -->")[2].partition("<!-- /findings -->")[0]
    rows = re.findall(r"^\| ([^|]+?)((?: \| +\d+)+) \|$", table, flags=re.MULTILINE)
    counts = {name.strip("`"): [int(cell) for cell in re.findall(r"\d+", cells)] for name, cells in rows}
    ladders = {step.ladder for step in STEPS.values()}
    assert counts.keys() == ladders | {"all published", "our notes on them"}
    for cells in counts.values():
        assert cells[1] == sum(cells[2:])  # the sentences are the sum of their outcomes
    published = sorted({step.ladder for step in PUBLISHED})
    sums = [sum(column) for column in zip(*(counts[name] for name in published), strict=True)]
    assert sums == counts["all published"]
    assert readme_text(readme, {step_id: verdicts(step) for step_id, step in STEPS.items()}) == readme, (
        "README.md is out of date; write it anew with: pytest -k test_claims --update-records"
    )
