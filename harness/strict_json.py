"""JSON read with suspicion: what another program, another version or an attacker may have put into a file.

Only ValueError comes out. What the standard reader lets through, and what would then fail far from here, is refused:
NaN and infinities, numbers that overflow, keys given twice, nesting that exhausts the stack, and text that a terminal
would obey: all text is printable, so that it is one line, and of a length that fits there.
"""

import json
import math
import re
from collections.abc import Mapping
from typing import Any, NoReturn

LARGEST = 1 << 26  # bytes of a file of ours; the largest record of a hundred seeds has a twentieth of it
SEEDS = 1 << 63  # seeds are below it: what a generator takes
LONGEST = 1000  # characters of any text in a file; why a run failed is the longest
NAME = 200  # characters of a name: an id, a processor, a version

FACTS = 50  # of those that a file may say of how it was made; a dozen are
KEY = re.compile(r"[A-Za-z]\w{0,49}", flags=re.ASCII)
ODD = re.compile(r"[^\w .,+()@/:;#&*'[\]®™-]")  # what no name of a processor, no version and no moment has in it


def parse(text: str | bytes, longest: int = LONGEST) -> Any:
    """The value; ValueError if the text is not JSON in the strict sense, with no text in it longer than that."""
    try:
        if isinstance(text, bytes):
            text = text.decode()  # the standard reader would guess among other encodings
        value = json.loads(text, parse_constant=_refuse, parse_float=_finite, object_pairs_hook=_once)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    _check_texts(value, longest)
    return value


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number of JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is too large")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError("a key is given twice")
    return value


def _check_texts(value: Any, longest: int) -> None:
    """Raise ValueError unless all keys are names to be shown, and all texts are printable and not too long."""
    left = [("it", value)]
    while left:
        name, one = left.pop()
        if isinstance(one, dict):
            if not all(key.isprintable() and len(key) <= NAME for key in one):
                raise ValueError(f"a key in {name!r} is not a printable name")
            left += one.items()
        elif isinstance(one, list):
            left += ((name, inner) for inner in one if isinstance(inner, str | list | dict))
        elif isinstance(one, str) and not (one.isprintable() and len(one) <= longest):
            raise ValueError(f"{name!r} is not printable text of at most {longest} characters")


def field(value: Any, name: str) -> Any:
    """The entry of that name; ValueError if the value is no object or has none."""
    if not isinstance(value, Mapping) or name not in value:
        raise ValueError(f"it has no {name!r}")
    return value[name]


def objects(value: Any, name: str) -> list[dict[str, Any]]:
    """The entry of that name, which must be a list of objects."""
    entries = field(value, name)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ValueError(f"{name!r} is not a list of objects")
    return entries


def mapping(value: Any, name: str) -> dict[str, Any]:
    """The entry of that name, which must be an object."""
    entry = field(value, name)
    if not isinstance(entry, dict):
        raise ValueError(f"{name!r} is not an object")
    return entry


def text(value: Any, name: str, longest: int = NAME) -> str:
    """The entry of that name, which must be text that can be shown: no control characters for a terminal to obey."""
    entry = field(value, name)
    if not isinstance(entry, str) or not entry.isprintable() or len(entry) > longest:
        raise ValueError(f"{name!r} is not printable text of at most {longest} characters")
    return entry


def facts(value: Any) -> dict[str, Any]:
    """What a file says of how it was made: short names, and for each a number, a truth value, nothing, or a plain name.

    A plain name is made of letters, digits, spaces and such marks as names of processors and versions have.
    """
    if not isinstance(value, dict) or len(value) > FACTS or not all(map(KEY.fullmatch, value)):
        raise ValueError(f"what it was made with is not an object of at most {FACTS} short names")
    for name, entry in value.items():
        if isinstance(entry, str):
            if odd := ODD.search(text(value, name)):
                raise ValueError(f"{name!r} has {odd[0]!r} in it, which no name of hardware and no version has")
        elif entry is not None and not isinstance(entry, bool):
            number(value, name, -1e18, 1e18)
    whole({"together": 1, **value}, "together", 1, SEEDS)
    return value


def plain(name: str) -> str:
    """A name as `facts` takes it, made of any that a machine gives itself."""
    return ODD.sub(" ", name).strip()[:NAME]


def whole(value: Any, name: str, low: int, high: int) -> int:
    """The entry of that name, which must be a whole number from `low` up to, not with, `high`."""
    entry = field(value, name)
    if type(entry) is not int or not low <= entry < high:
        raise ValueError(f"{name!r} is not a whole number from {low} to {high - 1}")
    return entry


def number(value: Any, name: str, low: float, high: float) -> float:
    """The entry of that name, which must be a number from `low` to `high`."""
    entry = field(value, name)
    if type(entry) not in (int, float) or not low <= entry <= high:
        raise ValueError(f"{name!r} is not a number from {low:g} to {high:g}")
    return float(entry)
