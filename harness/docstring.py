"""The docstring of a specification: a title, then the sections Target, Result and Analysis, parsed for tests.

A section Notes may follow, for our own remarks on an Analysis that somebody else wrote: where its text and code differ,
what stands elsewhere in it, or what our runs show.
"""

import inspect
import re
from dataclasses import dataclass

from harness.errors import HarnessError

_SECTIONS = ("Target", "Result", "Analysis")
_NOTES = "Notes"
_TAGS = ("claim", "judgement", "said", "next", "log")
_TAG = rf"\[({'|'.join(_TAGS)}): ([^\]]+)\]"
_LIKE_TAG = r"(?<!\w)\[(?:[A-Za-z]{3,}:|(?:claim|judgement)\b)[^\]]*\]?"  # what somebody must have meant as one
_SENTENCE = rf"\S.*?(?:[.!?]|$)(?:\s+{_TAG})*(?=\s|$)"  # to a full stop, with the tags after it


@dataclass(frozen=True)
class Sentence:
    """A sentence of the Analysis or the Notes, and the tags that follow its full stop.

    `claims` are in the vocabulary of `harness.claims`; `judgements` say why no test can decide the sentence. `said` are
    the numbers of the sentences of the published Analysis that it renders, counted from 1. `next` are the steps that it
    announces, and `logs` what it quotes from a published log.
    """

    text: str
    claims: tuple[str, ...] = ()
    judgements: tuple[str, ...] = ()
    said: tuple[str, ...] = ()
    next: tuple[str, ...] = ()
    logs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Docstring:
    """A parsed docstring: the text of each section, dedented."""

    target: str
    result: str
    analysis: str
    notes: str = ""

    @property
    def parameters(self) -> int | None:
        """The number of parameters under Result, if it is stated."""
        return _number("Parameters", self.result)

    @property
    def receptive_field(self) -> int | None:
        """The receptive field under Result in pixels, if it is stated."""
        return _number("receptive field", self.result)

    @property
    def published(self) -> dict[str, float]:
        """The published accuracies under Result in percent, by name: "best train", "best test".

        Raises HarnessError for one that has no number behind it.
        """
        line = entry(self.result, "Published") or ""
        found = dict(re.findall(r"(best train|best test)\b(?: ([0-9]{1,3}(?:\.[0-9]{1,9})?)(?![.,]?[0-9]))?", line))
        for name, value in found.items():
            if not value:
                raise HarnessError(f"under Result, Published has {name} with no number behind it; write {name} 99.41")
        return {name: float(value) for name, value in found.items()}

    @property
    def measured(self) -> str | None:
        """The text after "Measured:" under Result on one line, if there is any."""
        return entry(self.result, "Measured")

    @property
    def sentences(self) -> list[Sentence]:
        """The sentences of the Analysis, in order."""
        return [sentence for point in points(self.analysis) for sentence in point]

    @property
    def remarks(self) -> list[Sentence]:
        """The sentences of the Notes, in order."""
        return [sentence for point in points(self.notes) for sentence in point]


def _number(label: str, result: str) -> int | None:
    """The number behind a label under Result; HarnessError if what stands there is none."""
    said = re.search(rf"{label}:\s*(\S+)", result)
    if said is None:
        return None
    digits = re.match(r"[0-9][0-9,]{0,14}(?![\d,]|\.\d)", said[1])  # no more than anybody means, and ASCII alone
    if digits is None:
        raise HarnessError(f"under Result, {label} is {said[1][:30]!r}; write a number in digits, such as 9,142")
    return int(digits[0].replace(",", ""))


def points(section: str) -> list[list[Sentence]]:
    """The sentences of each point of a section; a point begins with "- "."""
    texts = [" ".join(point.split()) for point in re.split(r"^- ", section, flags=re.MULTILINE)]
    return [[_sentence(match[0]) for match in re.finditer(_SENTENCE, point)] for point in texts if point]


def _sentence(text: str) -> Sentence:
    tags = re.findall(_TAG, text)

    def tagged(kind: str, separator: str) -> tuple[str, ...]:
        return tuple(one.strip() for tag, content in tags if tag == kind for one in content.split(separator))

    return Sentence(
        re.sub(rf"\s*{_TAG}", "", text),
        claims=tagged("claim", ";"),
        judgements=tuple(content for tag, content in tags if tag == "judgement"),
        said=tagged("said", ","),
        next=tagged("next", ";"),
        logs=tagged("log", ";"),
    )


def parse(text: str | None, name: str) -> Docstring:
    """Read the docstring of a specification; `name` is how an error refers to it.

    Raises HarnessError if Target, Result or Analysis is missing or empty, if a section or an entry under Result stands
    twice, if the sections are in another order, for a tag that is none, or where git left two sides of a merge.
    """
    if re.search(r"^<{7} ", text or "", flags=re.MULTILINE):
        raise HarnessError(
            f"{name}: git could not merge the docstring; where <<<<<<< stands, keep either side: the Measured line is "
            "written anew with: pytest -k test_claims --update-records"
        )
    title, *rest = inspect.cleandoc(text or "").split("\n", 1)
    if not title:
        raise HarnessError(f"{name}: the spec has no docstring; it needs a title and {', '.join(_SECTIONS)}")
    pieces = re.split(r"^(\w+):[ ]*$", rest[0] if rest else "", flags=re.MULTILINE)
    _refuse_twice(f"{name}: the section", pieces[1::2])
    texts = {head: inspect.cleandoc("\n" + body) for head, body in zip(pieces[1::2], pieces[2::2], strict=True)}
    for section in _SECTIONS:
        if not texts.get(section):
            raise HarnessError(f"{name}: the docstring has no {section} section; write '{section}:' and text under it")
    if tuple(texts) not in (_SECTIONS, (*_SECTIONS, _NOTES)):
        order = f"{', '.join(_SECTIONS)}, and {_NOTES} if there are any"
        raise HarnessError(f"{name}: the sections are {', '.join(texts)}; they must be {order}")
    for section in texts.keys() & {"Analysis", _NOTES}:
        _refuse_no_tags(name, " ".join(texts[section].split()))
    _refuse_twice(f"{name}: under Result, the entry", re.findall(r"^(\w+):", texts["Result"], flags=re.MULTILINE))
    return Docstring(*texts.values())


def _refuse_no_tags(name: str, text: str) -> None:
    """Raise HarnessError for a tag with a slip of the pen: nothing would hold its sentence to what it claims."""
    for like in re.findall(_LIKE_TAG, text):
        if not re.fullmatch(_TAG, like):
            kinds = ", ".join(f"[{tag}: ...]" for tag in _TAGS)
            raise HarnessError(f"{name}: {like[:40]!r} is no tag; there are {kinds}")


def _refuse_twice(what: str, heads: list[str]) -> None:
    """Raise HarnessError for a head that stands twice, of which one would be lost."""
    for head in heads:
        if heads.count(head) > 1:
            raise HarnessError(f"{what} {head} stands twice; make one of them")


def entry(section: str, label: str) -> str | None:
    """The text from "label:" to the next label of a section, on one line; None if there is no such label."""
    match = re.search(rf"^{label}:\s*(.*?)(?=^\w+:|\Z)", section, re.MULTILINE | re.DOTALL)
    return " ".join(match[1].split()) if match else None
