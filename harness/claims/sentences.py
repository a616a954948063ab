"""The sentences of Analyses and Notes: the outcome of each, and how many there are of each."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from harness.claims.verdict import Verdict
from harness.claims.vocabulary import by_runs, decide
from harness.docstring import Sentence
from harness.evidence.statistics import holm
from harness.step import Step

Verdicts = Mapping[str, Mapping[str, Verdict]]
"""The verdict on each claim of each step, by the step's id."""
SentenceKind = Literal["runs", "fact", "next", "judgement", "untagged"]
"""What a sentence is: one that runs decide, one that network or recipe decide, the announcement of a step, one that
nothing here can decide, or one that does not say."""

OUTCOMES = ("supported", "refuted", "undecided", "fact", "no fact", "next step", "judgement")
"""The outcomes of a sentence with tags: the first three by runs, the next two by network and recipe."""


def sentences(step: type[Step]) -> list[Sentence]:
    """The sentences of the Analysis and the Notes of a step, in order."""
    document = step.document()
    return [*document.sentences, *document.remarks]


def analysis(step: type[Step]) -> list[Sentence]:
    """The sentences about a step by its authors."""
    return step.document().sentences


def notes(step: type[Step]) -> list[Sentence]:
    """Our own sentences about a step."""
    return step.document().remarks


def claimed(step: type[Step]) -> list[str]:
    """The claims of a step's Analysis and Notes in order, each once."""
    return list(dict.fromkeys(claim for sentence in sentences(step) for claim in sentence.claims))


def verdicts(step: type[Step]) -> dict[str, Verdict]:
    """What the evidence says of each claim of a step, in the order of its Analysis."""
    return {claim: decide(step, claim) for claim in claimed(step)}


def words_of(verdicts: Mapping[str, Verdict]) -> dict[str, str]:
    """The word of each verdict."""
    return {claim: verdict.word for claim, verdict in verdicts.items()}


def word_of(sentence: Sentence, recorded: Mapping[str, str]) -> str | None:
    """The word for a sentence as a whole, from those of its claims; None for one without claims.

    Refuted if any claim is, supported if all are.
    """
    words = {recorded[claim] for claim in sentence.claims}
    if not words:
        return None
    return "refuted" if "refuted" in words else "undecided" if "undecided" in words else "supported"


def kind_of(sentence: Sentence) -> SentenceKind:
    """What decides a sentence. An announcement may have claims about networks that check it, but is no finding.

    A sentence that only quotes a log is a fact too, of what was published.
    """
    if by_runs(sentence.claims):
        return "runs"
    if sentence.next:
        return "next"
    if sentence.claims or sentence.logs:
        return "fact"
    return "judgement" if sentence.judgements else "untagged"


def outcome(sentence: Sentence, recorded: Mapping[str, str]) -> str:
    """The outcome of a sentence: one of `OUTCOMES`, or "untagged"."""
    match kind_of(sentence), word_of(sentence, recorded):
        case "runs", str(word):
            return word
        case "fact", word:
            return "no fact" if word == "refuted" else "fact"
        case "next", _:
            return "next step"
        case kind, _:
            return kind


def tally(
    recorded: Mapping[type[Step], Mapping[str, str]],
    select: Callable[[type[Step]], list[Sentence]],
) -> Counter[str]:
    """How many sentences of steps have each outcome.

    `recorded` are the words for the claims of each step, and `select` gives the sentences that count.
    """
    return Counter(outcome(sentence, words) for step, words in recorded.items() for sentence in select(step))


@dataclass(frozen=True)
class Decided:
    """How many claims runs were asked to decide, how many they do at 95 % each, and how many at 95 % for all.

    Of the second, `provisional` ones are of steps with fewer runs than are planned.
    """

    claims: int
    each: int
    provisional: int
    together: int


def decided(steps: Iterable[type[Step]], verdicts: Verdicts) -> Decided:
    """The claims of the Analyses of some steps that runs decide, with and without Holm's correction."""
    asked = dict.fromkeys((step.id, claim) for step in steps for one in analysis(step) for claim in by_runs(one.claims))
    found = [verdicts[step_id][claim] for step_id, claim in asked]
    stand = holm([verdict.p for verdict in found])
    each = [(one.provisional, stands) for one, stands in zip(found, stand, strict=True) if one.word != "undecided"]
    return Decided(len(found), len(each), sum(early for early, _ in each), sum(stands for _, stands in each))
