"""The prose of a specification: a title, then Target, Result and Analysis, read so that tests can check it.

Under Notes may follow what we add to the Analysis of somebody else: where text and code differ, what a run of ours
shows.
"""

import inspect
import re
from dataclasses import dataclass

from harness.errors import HarnessError

SECTIONS = ("Target", "Result", "Analysis")
NOTES = "Notes"
TAG = r"\[(claim|judgement): ([^\]]+)\]"
SENTENCE = r"\S.*?(?:[.!?]|$)(?:\s+\[(?:claim|judgement): [^\]]+\])*(?=\s|$)"
"""Up to a full stop before white space, and the tags behind it."""


@dataclass(frozen=True)
class Sentence:
    """A sentence of an Analysis or of Notes, without its tags, and what the tags behind its full stop say of it.

    `claims` are in the vocabulary of `harness.claims`; `judgements` say why nothing here decides the sentence.
    """

    text: str
    claims: tuple[str, ...]
    judgements: tuple[str, ...]


@dataclass(frozen=True)
class Docstring:
    """A parsed specification: the text of each section, dedented."""

    target: str
    result: str
    analysis: str
    notes: str = ""

    @property
    def parameters(self) -> int | None:
        """The parameter count under Result, if it is stated there."""
        found = re.search(r"Parameters:\s*([\d,]+)", self.result)
        return int(found[1].replace(",", "")) if found else None

    @property
    def receptive_field(self) -> int | None:
        """The receptive field under Result, in pixels, if it is stated there."""
        found = re.search(r"receptive field:\s*(\d+)", self.result)
        return int(found[1]) if found else None

    @property
    def published(self) -> dict[str, float]:
        """The published figures under Result in percent, by name ("best train", "best test"); empty if none are."""
        line = entry(self.result, "Published") or ""
        return {name: float(value) for name, value in re.findall(r"(best train|best test) (\d+\.\d+)", line)}

    @property
    def measured(self) -> str | None:
        """The text after "Measured:" under Result, on one line."""
        return entry(self.result, "Measured")

    @property
    def sentences(self) -> list[Sentence]:
        """The sentences of the Analysis in order, each with the tags that follow it."""
        return [sentence for point in points(self.analysis) for sentence in point]

    @property
    def remarks(self) -> list[Sentence]:
        """The same of the Notes."""
        return [sentence for point in points(self.notes) for sentence in point]


def points(section: str) -> list[list[Sentence]]:
    """The points of a section, "- " before each, and the sentences of each with their tags."""
    found = [" ".join(point.split()) for point in re.split(r"^- ", section, flags=re.MULTILINE)]
    return [[_sentence(text) for text in re.findall(SENTENCE, point)] for point in found if point]


def _sentence(text: str) -> Sentence:
    tags = re.findall(TAG, text)
    claims = [claim.strip() for kind, said in tags if kind == "claim" for claim in said.split(";")]
    judgements = [said for kind, said in tags if kind == "judgement"]
    return Sentence(re.sub(rf"\s*{TAG}", "", text), tuple(claims), tuple(judgements))


def parse(text: str | None, name: str) -> Docstring:
    """Read a specification's docstring; `name` is what an error calls it.

    Raises HarnessError when a section is missing, empty, or not in the order Target, Result, Analysis, then Notes if
    there are any.
    """
    title, *rest = inspect.cleandoc(text or "").split("\n", 1)
    if not title:
        raise HarnessError(f"{name}: the spec has no docstring; it needs a title and {', '.join(SECTIONS)}")
    pieces = re.split(r"^(\w+):[ ]*$", rest[0] if rest else "", flags=re.MULTILINE)
    found = {head: inspect.cleandoc("\n" + body) for head, body in zip(pieces[1::2], pieces[2::2], strict=True)}
    for section in SECTIONS:
        if not found.get(section):
            raise HarnessError(f"{name}: the docstring has no {section} section; write '{section}:' and text under it")
    if tuple(found) not in (SECTIONS, (*SECTIONS, NOTES)):
        order = f"{', '.join(SECTIONS)}, and {NOTES} if there are any"
        raise HarnessError(f"{name}: the sections are {', '.join(found)}; they must be {order}")
    return Docstring(*found.values())


def entry(section: str, label: str) -> str | None:
    """The text after "label:" in a section, up to the next label, on one line; None if the label is not there."""
    found = re.search(rf"^{label}:\s*(.*?)(?=^\w+:|\Z)", section, re.MULTILINE | re.DOTALL)
    return " ".join(found[1].split()) if found else None
