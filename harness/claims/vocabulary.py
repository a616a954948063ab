"""The executable Analysis: what a sentence claims, in a small vocabulary, and the verdict on it.

A sentence of an Analysis is followed by what it claims, `[claim: improves on five_steps/step2 by 0.1]`, with semicolons
between several claims, or by why nothing here can decide it, `[judgement: a matter of taste]`. A claim that begins with
the id of a step is about that step. The vocabulary is that of `RUN_CLAIMS`, which the committed records decide, and of
`NETWORK_CLAIMS`, which network and recipe decide. The verdict on each claim is written down in the `claims` of the
spec, and `StepSpec.test_claims` compares that with the evidence.
"""

import difflib
import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from harness.claims.about_networks import NETWORK_CLAIMS
from harness.claims.about_runs import RUN_CLAIMS
from harness.claims.verdict import Verdict
from harness.docstring import Sentence
from harness.errors import HarnessError
from harness.evidence import record
from harness.ladder import find
from harness.step import Step

_LAYER = r"(?:conv\d+x\d+|relu|bn|dropout|max-pool|global-average|linear|flatten)"
_PLACEHOLDERS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "STEP": (r"\w+/\w+", find),
    "X": (r"\d+(?:\.\d+)?", float),
    "D": (r"\d+(?:\.\d+)?", float),
    "N": (r"[\d,]+", lambda text: int(text.replace(",", ""))),
    "M": (r"\d+", int),
    "A": (r"\d", int),
    "B": (r"\d", int),
    "LAYERS": (rf"{_LAYER}(?: then {_LAYER})*", str),
    "FIELD": (r"[a-z_.]+", str),
    "VALUE": (r".+", str),
    "WHAT": (r"[\w-]+(?:, [\w-]+)*(?: and [\w-]+)?", str),
}


def _pattern(claim: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\b[A-Z]+\b", lambda found: f"({_PLACEHOLDERS[found[0]][0]})", re.escape(claim)))


_VOCABULARY = RUN_CLAIMS | NETWORK_CLAIMS
_PATTERNS = {words: _pattern(words) for words in _VOCABULARY}
_SUBJECT = re.compile(r"^(\w+/\w+) ")


def _understood(claim: str) -> tuple[str, tuple[str, ...]] | None:
    """The entry of the vocabulary that a claim without its subject matches, and the texts in its placeholders."""
    found = ((words, pattern.fullmatch(claim)) for words, pattern in _PATTERNS.items())
    return next(((words, match.groups()) for words, match in found if match), None)


def decide(step: type[Step], claim: str) -> Verdict:
    """What the evidence says of a claim about a step.

    Raises HarnessError for a claim that is not in the vocabulary, or that names a step that does not exist.
    """
    if subject := _SUBJECT.match(claim):
        return decide(find(subject[1]), claim[subject.end() :])
    if understood := _understood(claim):
        words, texts = understood
        kinds = re.findall(r"\b[A-Z]+\b", words)
        values = [_PLACEHOLDERS[kind][1](text) for kind, text in zip(kinds, texts, strict=True)]
        if words in NETWORK_CLAIMS:
            return NETWORK_CLAIMS[words](step, *values)
        return RUN_CLAIMS[words](*(record.runs(one) if isinstance(one, type) else one for one in (step, *values)))
    near = difflib.get_close_matches(claim, _VOCABULARY, cutoff=0.3)
    raise HarnessError(f"{step.id}: [claim: {claim}] is not in the vocabulary; nearest: {'; '.join(near) or 'none'}")


def claimed(step: type[Step]) -> list[str]:
    """The claims of a step's Analysis and Notes in order, each once."""
    return list(dict.fromkeys(claim for sentence in sentences(step) for claim in sentence.claims))


def sentences(step: type[Step]) -> list[Sentence]:
    """The sentences of the Analysis and the Notes of a step, in order."""
    document = step.document()
    return [*document.sentences, *document.remarks]


def verdicts(step: type[Step]) -> dict[str, Verdict]:
    """What the evidence says of each claim of a step, in the order of its Analysis."""
    return {claim: decide(step, claim) for claim in claimed(step)}


def word_of(sentence: Sentence, recorded: Mapping[str, str]) -> str | None:
    """The word for a sentence as a whole, from those of its claims; None for one without claims.

    Refuted if any claim is, supported if all are.
    """
    words = {recorded[claim] for claim in sentence.claims}
    if not words:
        return None
    return "refuted" if "refuted" in words else "undecided" if "undecided" in words else "supported"


def by_runs(sentence: Sentence) -> bool:
    """Whether runs decide the sentence; network and recipe decide the others that have claims."""
    understood = (_understood(_SUBJECT.sub("", claim)) for claim in sentence.claims)
    return any(found and found[0] in RUN_CLAIMS for found in understood)


def tally(
    recorded: Mapping[type[Step], Mapping[str, str]],
    select: Callable[[type[Step]], list[Sentence]],
) -> Counter[str]:
    """How many sentences of steps are supported, refuted, undecided, judgements, or untagged.

    `recorded` are the words for the claims of each step, and `select` gives the sentences that count.
    """
    count: Counter[str] = Counter()
    for step, words in recorded.items():
        for sentence in select(step):
            word = word_of(sentence, words)
            count[word or ("judgement" if sentence.judgements else "untagged")] += 1
    return count
