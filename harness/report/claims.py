"""docs/claims.md: all words that a claim may use, each with a sentence of the ladders that does."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

from harness import escape
from harness.claims.about_logs import LOG_CLAIMS
from harness.claims.about_networks import NETWORK_CLAIMS
from harness.claims.about_runs import AVERAGES, COMPARISONS, FIGURES, QUANTIFIERS
from harness.claims.predicates import PREDICATES
from harness.claims.sentences import claimed, sentences
from harness.claims.vocabulary import entry_of, entry_of_quote
from harness.report.markdown import table
from harness.step import Step

HEAD = """# Claims: the words that a sentence may use

Generated from the vocabulary and the specs; do not edit. [verdicts.md](verdicts.md) says what is counted and what
decides; `python -m harness show ID` prints the verdicts of a step.

A sentence of an Analysis or of the Notes ends with tags in square brackets:

| tag | what it says |
| --- | --- |
| `[claim: ...]` | what the sentence claims, in the words below; semicolons stand between several claims |
| `[judgement: ...]` | that nothing here can decide it, and why |
| `[said: 2]` | that it renders the second sentence of what was published |
| `[next: LADDER/STEP]` | that it announces that step |
| `[log: ...]` | what a Note quotes from the published log, in the words of the last table |

Capitals stand for: STEP, another step; X, an accuracy in percent; D, a difference in points; L, one of losses; N and M,
whole numbers; A and B, digits; LAYERS, such as `conv3x3 then bn then relu`; FIELD and VALUE, of a recipe; WHAT, what
`show` says has changed. In a quotation WHICH is `test`, `train`, `test loss` or `train loss`, LIST is several figures
and EPOCHS one epoch or several. What begins with the id of a step is about that step.
"""


def page(steps: Sequence[type[Step]]) -> str:
    """The whole page, with examples from some steps."""
    examples: dict[str, str] = {}
    for step in steps:
        for claim in claimed(step):
            examples.setdefault(_unquantified(entry_of(step, claim)), _example(step, claim))
        for quote in chain.from_iterable(sentence.logs for sentence in sentences(step)):
            examples.setdefault(entry_of_quote(step, quote), _example(step, quote))
    return "\n".join(
        [
            HEAD,
            _section("Of a run, behind *in every run*, *in most runs* or *in some runs*", PREDICATES, examples),
            _section("Of the mean over runs", AVERAGES, examples),
            _section("Of two steps, over the seeds that both have", COMPARISONS, examples),
            _section("Of a figure, which one more run could give", FIGURES, examples),
            _section("Of the network and the recipe, without any run", NETWORK_CLAIMS, examples),
            _section("Of a published log, in a Note", LOG_CLAIMS, examples),
        ]
    )


def _section(title: str, entries: Iterable[str], examples: Mapping[str, str]) -> str:
    rows = [(escape.markdown_code(words), examples.get(words, "")) for words in entries]
    return f"## {title}\n\n{table(('words', 'for example'), rows, left=2)}\n"


def _unquantified(entry: str) -> str:
    """The predicate of an entry that begins with a quantifier, and any other as it is."""
    for quantifier in QUANTIFIERS:
        entry = entry.removeprefix(f"{quantifier} ")
    return entry


def _example(step: type[Step], words: str) -> str:
    return f"{escape.markdown_code(step.id)}: {escape.markdown(words)}"
