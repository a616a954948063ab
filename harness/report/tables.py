"""The tables of the README, made from the specs and their records."""

from collections.abc import Callable, Mapping

from harness import claims, escape
from harness.docstring import Sentence
from harness.evidence import record
from harness.evidence.summary import Summary
from harness.ladder import steps
from harness.report.markdown import table
from harness.step import Step

HEAD = ("step", "parameters", "receptive field", "published best test", "measured, final epochs", "worst", "held")

Row = tuple[str, list[type[Step]], Callable[[type[Step]], list[Sentence]]]
"""The name of a row of findings, the steps that it is of, and what is counted of each."""

OUTCOMES = ("supported", "refuted", "undecided", "judgement")


def ladder_table(ladder: str) -> str:
    """A Markdown table of one ladder, one row per step; what was not published or measured is left empty.

    Measured is the mean test accuracy over the final epochs of all seeds with its 95 % interval over seeds.
    """
    return table(HEAD, [_row(step) for step in steps().values() if step.ladder == ladder]) + "\n"


def _row(step: type[Step]) -> list[str]:
    published = step.document().published.get("best test")
    return [
        escape.markdown_code(step.id),
        f"{step.parameters:,}",
        str(step.receptive_field),
        f"{published:.2f}" if published else "",
        *_measured(step),
    ]


def _measured(step: type[Step]) -> list[str]:
    runs = record.runs(step)
    if not runs:
        return ["", "", ""]
    summary = Summary.of(runs)
    return [f"{summary.accuracy:.2f}", f"{summary.worst:.2f}", summary.verdict_with_interval]


def findings_table(recorded: Mapping[str, Mapping[str, str]] | None = None) -> str:
    """A Markdown table that counts the verdicts on the sentences of every Analysis, one row per ladder.

    Below are all published ladders together, what decides their sentences, and our own Notes on them.

    `recorded` are the words for the claims of each step by its id; by default those in the specs.
    """
    known = steps()
    words = recorded if recorded is not None else {step_id: step.claims for step_id, step in known.items()}
    ladders = dict.fromkeys(step.ladder for step in known.values())
    published = [step for step in known.values() if step.document().published]
    rows: list[Row] = [
        *(
            (escape.markdown_code(name), [step for step in known.values() if step.ladder == name], analysis)
            for name in ladders
        ),
        ("all published", published, analysis),
        ("- what runs decide", published, lambda step: [one for one in analysis(step) if claims.by_runs(one)]),
        ("- the rest", published, lambda step: [one for one in analysis(step) if not claims.by_runs(one)]),
        ("our notes on them", published, lambda step: step.document().remarks),
    ]
    cells = []
    for name, of_ladder, sentences in rows:
        count = claims.tally({step: words[step.id] for step in of_ladder}, sentences)
        cells.append([name, len(of_ladder), count.total(), *(count[outcome] for outcome in OUTCOMES)])
    return table(("ladder", "steps", "sentences", *OUTCOMES), cells) + "\n"


def analysis(step: type[Step]) -> list[Sentence]:
    """The sentences about a step by its authors."""
    return step.document().sentences


def evidence(step: type[Step], claim: str) -> str:
    """The verdict on a claim of a step with its evidence: `refuted: 0.333 [0.00840, 0.906] of runs hold, n = 3`."""
    verdict = claims.decide(step, claim)
    return f"{verdict.word}: {verdict.evidence}"
