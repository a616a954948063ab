"""docs/results.md: every claim that runs decide, with its verdict, its evidence, and how many runs would decide it."""

from collections.abc import Mapping, Sequence

from harness import escape
from harness.claims import tally
from harness.claims.sentences import Verdicts, analysis, words_of
from harness.claims.vocabulary import by_runs
from harness.discovery import find
from harness.evidence import record
from harness.evidence.facts import difference
from harness.report import tables
from harness.report.markdown import table
from harness.step import Step

DECIDED = ("supported", "refuted")
HEAD = """# Results: what runs decide

Generated from the records; do not edit. [verdicts.md](verdicts.md) says how a verdict is reached, and by how many runs.
Where as many as were planned leave a claim undecided, its evidence ends with the number that would decide it with a
probability of 80 %, if the mean and the spread of the runs so far are the true ones. Where it names none, no number
that anybody makes would: the claim lies as good as on its bound or is about a single run, or the wins of an improvement
would not become convincing.
"""


def page(steps: Sequence[type[Step]], verdicts: Verdicts) -> str:
    """The whole page, of some steps and their variants."""
    ladders: dict[str, list[type[Step]]] = {}
    for step in steps:
        ladders.setdefault(step.ladder, []).append(step)
    variants = [variant for step in steps for variant in step.with_variants()[1:]]
    parts = [HEAD, _overview(ladders, verdicts)]
    if variants:
        parts += ["## Variants\n", _variants(variants)]
    for name, of_ladder in ladders.items():
        parts += [f"## {escape.markdown(name)}\n", _claims(of_ladder, verdicts)]
    return "\n".join(parts)


def _overview(ladders: Mapping[str, Sequence[type[Step]]], verdicts: Verdicts) -> str:
    """A table with the runs of each ladder and its sentences that they decide; Notes are not counted."""
    named = {escape.markdown_code(name): list(of_ladder) for name, of_ladder in ladders.items()}
    named["all published"] = [step for of_ladder in named.values() for step in of_ladder if step.document().published]
    rows = []
    for name, steps in named.items():
        found = tally({step: words_of(verdicts[step.id]) for step in steps}, analysis)
        decided = sum(found[word] for word in DECIDED)
        total = decided + found["undecided"]
        share = f"{100 * decided / total:.0f} %" if total else ""
        planned = sum(step.planned_runs() for step in steps)
        made = sum(min(len(record.runs(step)), step.planned_runs()) for step in steps)
        rows.append((name, f"{made} of {planned}", total, *(found[word] for word in DECIDED), share))
    return table(("ladder", "planned runs made", "sentences that runs decide", *DECIDED, "decided"), rows) + "\n"


def _variants(variants: Sequence[type[Step]]) -> str:
    """A table of variants of steps, which only claims speak of."""
    rows = []
    for variant in variants:
        changes = difference(find(str(variant.follows)), variant)
        rows.append(
            (escape.markdown_code(variant.id), escape.markdown("; ".join(changes)), *tables.measured(variant)[1:])
        )
    return table(("variant", "change", *tables.HEAD[-3:]), rows, left=2) + "\n"


def _claims(steps: Sequence[type[Step]], verdicts: Verdicts) -> str:
    """A table of the claims of some steps that runs decide."""
    rows = [
        (escape.markdown_code(step.id), escape.markdown(claim), verdict.word, escape.markdown(verdict.evidence))
        for step in steps
        for claim, verdict in verdicts[step.id].items()
        if by_runs([claim])
    ]
    return table(("step", "claim", "verdict", "evidence"), rows, left=4) + "\n"
