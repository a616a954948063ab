"""docs/results.md: counted by hand from the specs, with the runs that would decide what is undecided."""

import inspect
import re

import pytest

from harness.claims import Verdict, verdicts
from harness.discovery import find, steps
from harness.evidence.statistics import Interval
from harness.report import results
from spec.harness.support.paths import ROOT

PAGE = (ROOT / "docs" / "results.md").read_text("utf-8")


def test_the_overview_counts_sentences_by_the_words_in_the_specs() -> None:
    counts = {"supported": 0, "refuted": 0}
    for step in steps().values():
        if step.ladder != "s5":
            continue
        analysis = re.split(r"\n\w+:\n", inspect.cleandoc(str(step.__doc__)).partition("Analysis:")[2])[0]
        rows = dict(re.findall(r"^\| `" + step.id + r"` \| (.+?) \| (\w+) \|", PAGE, flags=re.MULTILINE))
        for sentence in re.findall(r"\[claim: ([^]]+)\]", analysis):
            claims = [" ".join(claim.split()) for claim in sentence.split(";")]
            if any(claim in rows for claim in claims):
                words = {step.claims[claim] for claim in claims}
                word = "refuted" if "refuted" in words else "undecided" if "undecided" in words else "supported"
                counts[word] = counts.get(word, 0) + 1
    row = rf"\| `s5` \| .+? \| {sum(counts.values())} \| {counts['supported']} \| {counts['refuted']} \|"
    assert re.search(row, PAGE), counts


def test_an_undecided_claim_says_how_many_runs_would_decide_it() -> None:
    step = find("discover/10k_no_fc")
    undecided = Verdict("undecided", 10, Interval(0.1, -0.05, 0.25), "points", p=0.16, planned=10, by="mean")
    rows = results.page([step], {step.id: dict.fromkeys(step.claims, undecided)}).splitlines()
    [row] = [row for row in rows if "| improves on discover/skeleton by 0.15 |" in row]
    assert re.search(r"0.1 \[-0.05, 0.25\] points, n = 10; \d+ runs would probably decide it \|$", row), row


def test_a_variant_is_listed_with_its_change() -> None:
    assert re.search(r"\| `expand_squeeze/s7_file3@batch32` \| batch_size: 128 -> 32 \|", PAGE)


@pytest.mark.thorough
def test_the_page_is_what_the_records_say() -> None:
    known = list(steps().values())
    assert results.page(known, {step.id: verdicts(step) for step in known}) == PAGE
