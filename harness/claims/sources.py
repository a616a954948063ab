"""Where a sentence comes from: the published sentence that it renders, the step it announces, the log it quotes.

Each function returns faults in words, none if all is well.
"""

import re
from collections import Counter
from decimal import Decimal

from harness.claims.sentences import sentences
from harness.claims.vocabulary import quoted
from harness.discovery import ancestors, find
from harness.evidence import published
from harness.step import GOAL, Step

_OF_A_LOG = re.compile(r"\b(logs?|published (epochs?|runs?))\b", re.IGNORECASE)
_FIGURE = re.compile(r"\d+\.\d+")


def faults(step: type[Step]) -> list[str]:
    """What is wrong with the sources of a step's sentences."""
    return [*said_faults(step), *next_faults(step), *log_faults(step)]


def said_faults(step: type[Step]) -> list[str]:
    """Each sentence of the published Analysis is rendered once under Analysis, and nothing else is."""
    document, figures = step.document(), published.read(step)
    if figures is None:
        tagged = [one.text for one in sentences(step) if one.said]
        return [f"nothing was published of it, but this is tagged [said: ...]: {text}" for text in tagged]
    places = Counter(place for one in document.sentences for place in one.said)
    there = {str(place) for place in range(1, figures.sentences + 1)}
    return [
        *(
            f"no tag [said: ...] after: {one.text}; say which sentence it renders, or put it under Notes"
            for one in document.sentences
            if not one.said
        ),
        *(f"[said: ...] is for the Analysis, and this is a Note: {one.text}" for one in document.remarks if one.said),
        *(f"[said: {place}] is no sentence of its {figures.sentences}" for place in sorted(places.keys() - there)),
        *(f"sentence {place} is rendered {n} times" for place, n in sorted(places.items()) if n > 1),
        *(f"sentence {place} is not rendered" for place in sorted(there - places.keys(), key=int)),
    ]


def next_faults(step: type[Step]) -> list[str]:
    """Each step that is announced comes after this one."""
    announced = [name for one in sentences(step) for name in one.next]
    return [f"[next: {name}] does not come after it" for name in announced if step.id not in ancestors(find(name))]


def log_faults(step: type[Step]) -> list[str]:
    """What is quoted of a log is in it, and a sentence about a log has each of its figures in a tag.

    That may be a judgement which says where else a figure is from. The goal is no figure of a log.
    """
    found = []
    for one in sentences(step):
        verdicts = {quote: quoted(step, quote) for quote in one.logs}
        found += [
            f"[log: {quote}] is not in the log, which has {verdict.found}"
            for quote, verdict in verdicts.items()
            if verdict.word != "supported"
        ]
        if one.logs or _OF_A_LOG.search(one.text):
            figures = {Decimal(text) for text in _FIGURE.findall(one.text)} - {Decimal(str(GOAL))}
            tagged = {Decimal(text) for tag in (*one.logs, *one.judgements) for text in _FIGURE.findall(tag)}
            missing = ", ".join(str(figure) for figure in sorted(figures - tagged))
            found += [f"no tag [log: ...] has {missing}, of: {one.text}"] if missing else []
    return found
