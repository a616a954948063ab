"""Sentences: each of every Analysis and of the Notes is tagged, and counted by its verdict."""

import re
from pathlib import Path

import pytest

from harness import claims, steps
from harness.claims import sentences
from harness.claims.vocabulary import claimed
from harness.docstring import Sentence
from harness.report import tables
from harness.report.update import readme_text
from spec.harness.evidence.records_of import step_with
from spec.harness.support.paths import ROOT

STEPS = steps()
PUBLISHED = [step for step in STEPS.values() if step.document().published]


def test_a_sentence_is_as_good_as_the_worst_of_its_claims() -> None:
    recorded = {"a": "supported", "b": "refuted", "c": "undecided"}
    words = {said: claims.word_of(Sentence("x", tuple(said), ()), recorded) for said in ("", "a", "ac", "abc", "ab")}
    assert words == {"": None, "a": "supported", "ac": "undecided", "abc": "refuted", "ab": "refuted"}


def test_sentences_are_counted_by_what_became_of_them(tmp_path: Path) -> None:
    analysis = """- One. [claim: a] Two. [claim: a; b] Three. [claim: c] Four. [claim: a]
        - Five. [judgement: of taste] Six."""
    step = step_with(tmp_path, "mine/a", analysis)
    words = {"a": "supported", "b": "refuted", "c": "undecided"}
    once = {"supported": 2, "refuted": 1, "undecided": 1, "judgement": 1, "untagged": 1}
    assert claims.tally({step: words}, tables.analysis) == once
    other = step_with(tmp_path, "mine/b", "- Seven. [claim: a]")
    assert claims.tally({step: words, other: {"a": "refuted"}}, tables.analysis) == {**once, "refuted": 2}


@pytest.mark.parametrize("step_id", STEPS)
def test_every_sentence_has_a_claim_or_says_why_not(step_id: str) -> None:
    untagged = [one.text for one in sentences(STEPS[step_id]) if not one.claims and not one.judgements]
    assert not untagged, f"{step_id}: neither [claim: ...] nor [judgement: why] after: {untagged}"
    assert claimed(STEPS[step_id])


def test_four_of_five_published_sentences_carry_a_claim() -> None:
    assert len(PUBLISHED) == 31
    sentences = [sentence for step in PUBLISHED for sentence in step.document().sentences]
    assert len([sentence for sentence in sentences if sentence.claims]) / len(sentences) >= 0.8


def test_the_readme_counts_the_claims_as_the_specs_record_them() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    table = readme.partition("<!-- findings -->")[2].partition("<!-- /findings -->")[0]
    rows = re.findall(r"^\| ([^|]+?)((?: \| +\d+)+) \|$", table, flags=re.MULTILINE)
    counts = {name.strip("`"): [int(cell) for cell in re.findall(r"\d+", cells)] for name, cells in rows}
    ladders = {step.ladder for step in STEPS.values()}
    parts = ("- what runs decide", "- the rest")
    assert counts.keys() == ladders | {"all published", *parts, "our notes on them"}
    for cells in counts.values():
        assert cells[1] == sum(cells[2:])  # sentences: supported, refuted, undecided or a judgement
    published = sorted({step.ladder for step in PUBLISHED})
    sums = [sum(column) for column in zip(*(counts[name] for name in published), strict=True)]
    assert sums == counts["all published"]
    assert [sum(column) for column in zip(*(counts[part] for part in parts), strict=True)][1:] == sums[1:]
    assert counts["- what runs decide"][-1] == 0  # a judgement is what nothing decides
    recorded = {step_id: step.claims for step_id, step in STEPS.items()}
    assert readme_text(readme, recorded) == readme, (
        "README.md is out of date; write it anew with: pytest -k test_claims --update-records"
    )
