"""The tables of the README, made from the specs and their records."""

from collections import Counter
from collections.abc import Callable, Sequence

from harness import claims, escape
from harness.claims.sentences import OUTCOMES, Verdicts, analysis, decided, kind_of, notes, words_of
from harness.discovery import steps
from harness.docstring import Sentence
from harness.evidence import published, record
from harness.evidence.summary import Summary
from harness.report.markdown import table
from harness.step import Step

HEAD = (
    "step",
    "parameters",
    "receptive field",
    "published best test",
    "mean best test",
    "measured, final epochs",
    "worst",
    "held",
)

Row = tuple[str, list[type[Step]], Callable[[type[Step]], list[Sentence]]]
"""The name of a row of findings, the steps that it is of, and what is counted of each."""


def ladder_table(ladder: str) -> str:
    """A Markdown table of one ladder, one row per step; what was not published or measured is left empty.

    Measured is the mean test accuracy over the final epochs of all seeds with its 95 % interval over seeds.
    """
    return table(HEAD, [_row(step) for step in steps().values() if step.ladder == ladder]) + "\n"


def _row(step: type[Step]) -> list[str]:
    best = step.document().published.get("best test")
    return [
        escape.markdown_code(step.id),
        f"{step.parameters:,}",
        str(step.receptive_field),
        f"{best:.2f}" if best else "",
        *measured(step),
    ]


def measured(step: type[Step]) -> list[str]:
    """The cells of the last four columns; empty without a record."""
    runs = record.runs(step)
    if not runs:
        return ["", "", "", ""]
    summary = Summary.of(runs)
    figures = (summary.mean_best, summary.accuracy, summary.worst)
    return [*(f"{figure:.2f}" for figure in figures), summary.verdict_with_interval]


def findings_table(verdicts: Verdicts) -> str:
    """A Markdown table that counts the outcomes of the sentences of every Analysis, one row per ladder, and a summary.

    Below are all published ladders together, and our own Notes on them.
    """
    known = steps()
    others = [step for step in known.values() if step.document().published]
    rows: list[Row] = [
        *(
            (escape.markdown_code(name), [step for step in known.values() if step.ladder == name], analysis)
            for name in dict.fromkeys(step.ladder for step in known.values())
        ),
        ("all published", others, analysis),
        ("our notes on them", others, notes),
    ]
    cells = []
    for name, of_ladder, select in rows:
        count = claims.tally({step: words_of(verdicts[step.id]) for step in of_ladder}, select)
        cells.append([name, len(of_ladder), count.total(), *(count[outcome] for outcome in OUTCOMES)])
    return f"{table(('ladder', 'steps', 'sentences', *OUTCOMES), cells)}\n\n{findings_summary(others, verdicts)}\n"


def findings_summary(steps: Sequence[type[Step]], verdicts: Verdicts) -> str:
    """How many sentences of the Analyses carry a claim that runs decide, and how many verdicts would stand together."""
    count = Counter(kind_of(sentence) for step in steps for sentence in analysis(step))
    rest = count.total() - count["next"] - count["fact"]
    made = decided(steps, verdicts)
    said = sum(figures.sentences for step in steps if (figures := published.read(step)))
    share = f" ({100 * count['runs'] / rest:.0f} %)" if rest else ""
    provisional = f" ({made.provisional} of them by fewer runs than are planned)" if made.provisional else ""
    return (
        f"Of {count.total()} sentences, which render all {said} that were published, {count['next']} announce a step "
        f"and {count['fact']} are facts of a network or a recipe. Of the other {rest}, {count['runs']}{share} carry a "
        f"claim that runs decide. These are {made.claims} claims: {made.each} are decided at 95 % each{provisional}, "
        f"and {made.together} of them still at 95 % for all together, by Holm's correction."
    )


def evidence(step: type[Step], claim: str) -> str:
    """The verdict on a claim of a step with its evidence: `refuted: 1 of 3 runs (95 % interval 1 to 91 %)`."""
    verdict = claims.decide(step, claim)
    return f"{verdict.word}: {verdict.evidence}"
