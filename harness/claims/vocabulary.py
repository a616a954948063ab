"""The executable Analysis: what a sentence claims, in a small vocabulary, and the verdict on it.

A sentence of an Analysis is followed by what it claims, `[claim: improves on five_steps/step2 by 0.1]`, with semicolons
between several claims, or by why nothing here can decide it, `[judgement: a matter of taste]`. A claim that begins with
the id of a step is about that step. The vocabulary is that of `RUN_CLAIMS`, which the committed records decide, and of
`NETWORK_CLAIMS`, which network and recipe decide. The verdict on each claim is written down in the `claims` of the
spec, and `StepSpec.test_claims` compares that with the evidence.

Runs decide in the order of their seeds, and as many as are laid down for the step: `Step.planned_runs`. A record
may have more, and looking at it while it grows costs nothing, since the word that counts is that of the first n.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import cache
from itertools import chain
from typing import Any

from harness.claims.about_logs import LOG_CLAIMS, SERIES
from harness.claims.about_networks import NETWORK_CLAIMS
from harness.claims.about_runs import RUN_CLAIMS
from harness.claims.verdict import Verdict, fact
from harness.discovery import find
from harness.errors import HarnessError
from harness.evidence import published, record
from harness.provenance import trainer_name
from harness.run import Run
from harness.step import Step

_LAYER = r"(?:conv\d+x\d+|relu|bn|dropout|max-pool|global-average|linear|flatten)"
# No longer than anybody means, or a Decimal could not be rounded to its digits.
_NUMBER = r"\d{1,9}(?:\.\d{1,9})?"
_PLACEHOLDERS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "STEP": (r"\w+/\w+(?:@\w+)?", find),
    "X": (_NUMBER, float),
    "D": (_NUMBER, float),
    "L": (_NUMBER, float),
    "N": (r"\d[\d,]*", lambda text: int(text.replace(",", ""))),
    "M": (r"\d+", int),
    "A": (r"\d", int),
    "B": (r"\d", int),
    "LAYERS": (rf"{_LAYER}(?: then {_LAYER})*", str),
    "FIELD": (r"[A-Za-z_.]+", str),
    "VALUE": (r".+", str),
    "WHAT": (r"[\w-]+(?:, [\w-]+)*(?: and [\w-]+)?", str),
}
_OF_LOGS: dict[str, tuple[str, Callable[[str], Any]]] = {
    **_PLACEHOLDERS,
    "X": (_NUMBER, Decimal),
    "LIST": (rf"{_NUMBER}(?:, {_NUMBER})*", lambda text: [Decimal(one) for one in text.split(", ")]),
    "WHICH": ("|".join(sorted(SERIES, key=len, reverse=True)), str),
    "EPOCHS": (r"epochs? \d+(?:, \d+)*(?: and \d+)?", lambda text: [int(one) for one in re.findall(r"\d+", text)]),
}
_KIND = re.compile(r"\b[A-Z]+\b")
_SUBJECT = re.compile(rf"^({_PLACEHOLDERS['STEP'][0]}) ")


class Vocabulary:
    """Claims as they are written, with placeholders in capitals, and the function that decides each."""

    def __init__(
        self,
        tag: str,
        claims: Mapping[str, Callable[..., Verdict]],
        placeholders: Mapping[str, tuple[str, Callable[[str], Any]]] = _PLACEHOLDERS,
    ) -> None:
        self.tag, self.claims, self.placeholders = tag, claims, placeholders
        self.patterns = {words: self._pattern(words) for words in claims}

    def _pattern(self, words: str) -> re.Pattern[str]:
        return re.compile(_KIND.sub(lambda kind: f"({self.placeholders[kind[0]][0]})", re.escape(words)))

    def understood(self, claim: str) -> tuple[str, list[Any]] | None:
        """The entry that a claim without its subject matches, and the values of its placeholders."""
        if (matched := self._matched(claim)) is None:
            return None
        words, texts = matched
        return words, [self.placeholders[kind][1](text) for kind, text in zip(_KIND.findall(words), texts, strict=True)]

    @cache  # noqa: B019 - a vocabulary is there to the end, and a report reads each claim several times
    def _matched(self, claim: str) -> tuple[str, tuple[str, ...]] | None:
        """The entry that a claim matches, and the texts in place of its placeholders."""
        matches = ((words, pattern.fullmatch(claim)) for words, pattern in self.patterns.items())
        return next(((words, match.groups()) for words, match in matches if match), None)

    def read(self, step: type[Step], claim: str) -> tuple[type[Step], str, list[Any]]:
        """The step that a claim is about, and the entry and values of `understood`; HarnessError for what is none."""
        named = _SUBJECT.match(claim)
        words = claim[named.end() :] if named else claim
        try:
            subject, understood = find(named[1]) if named else step, self.understood(words)
        except HarnessError as error:
            raise HarnessError(f"{step.id}: [{self.tag}: {claim}]: {error}") from error
        if understood:
            epochs = epochs_in(*understood)
            if epochs != sorted(epochs) or 0 in epochs:
                raise HarnessError(f"{step.id}: [{self.tag}: {claim}] names epochs that are none; they count from 1 up")
            return subject, *understood
        near = "; ".join(difflib.get_close_matches(words, self.claims, cutoff=0.3)) or "none"
        raise HarnessError(f"{step.id}: [{self.tag}: {claim}] is not in the vocabulary; nearest: {near}")


def epochs_in(entry: str, values: Sequence[Any]) -> list[int]:
    """The epochs, or how many of them, that the values of an entry name."""
    kinds = _KIND.findall(entry) if "epoch" in entry else []
    return [value for kind, value in zip(kinds, values, strict=False) if kind in ("N", "M")]


_VOCABULARY = Vocabulary("claim", RUN_CLAIMS | NETWORK_CLAIMS)
_LOGS = Vocabulary("log", LOG_CLAIMS, _OF_LOGS)


def decide(step: type[Step], claim: str) -> Verdict:
    """What the evidence says of a claim about a step.

    Raises HarnessError for a claim that is not in the vocabulary, or that names a step that does not exist.
    """
    subject, entry, details = _VOCABULARY.read(step, claim)
    if entry in NETWORK_CLAIMS:
        return NETWORK_CLAIMS[entry](subject, *details)
    others: list[type[Step]] = [one for one in details if isinstance(one, type)]
    runs = {one: deciding_runs(one) for one in (subject, *others)}
    values = [runs[one] if one in others else one for one in details]
    return replace(
        RUN_CLAIMS[entry](runs[subject], *values),
        planned=min(one.planned_runs() for one in runs),
        across_trainers=len({trainer_name(run.provenance) for run in chain(*runs.values())}) > 1,
    )


def entry_of(step: type[Step], claim: str) -> str:
    """The words of the vocabulary, with their placeholders, that a claim is made of; HarnessError as in `decide`."""
    return _VOCABULARY.read(step, claim)[1]


def entry_of_quote(step: type[Step], quote: str) -> str:
    """The same for a quotation from a published log."""
    return _LOGS.read(step, quote)[1]


def quoted(step: type[Step], quote: str) -> Verdict:
    """Whether a published log has what a Note quotes from it; HarnessError as in `decide`."""
    subject, entry, details = _LOGS.read(step, quote)
    figures = published.read(subject)
    if figures is None:
        return fact(is_so=False, found=f"no log of {subject.id}")
    if max(epochs_in(entry, details), default=0) > (n := len(figures.log.epochs)):
        raise HarnessError(f"{step.id}: [log: {quote}] names an epoch that the log does not have, as it has {n}")
    return LOG_CLAIMS[entry](figures, *details)


def deciding_runs(step: type[Step]) -> list[Run]:
    """The recorded runs of a step that count, in the order of their seeds."""
    return sorted(record.runs(step), key=lambda run: run.seed)[: step.planned_runs()]


def by_runs(claims: Iterable[str]) -> list[str]:
    """Those of some claims that runs decide; network and recipe decide the others."""
    understood = ((claim, _VOCABULARY.understood(_SUBJECT.sub("", claim))) for claim in claims)
    return [claim for claim, found in understood if found and found[0] in RUN_CLAIMS]
