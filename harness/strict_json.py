"""JSON of a file that another program, another version or an attacker may have written.

Every error is a ValueError. What the standard reader accepts, and what would only fail later, is refused: NaN and
infinities, numbers that overflow, duplicate keys, nesting that exhausts the stack, and text that controls a terminal.
All text is printable, and therefore one line, and its length is limited.
"""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

SEEDS = 1 << 63  # every seed is below it: generators take no larger one
LONGEST = 1000  # characters of any text in a file; the reason why a run failed is the longest
_DIGITS = 300  # of a whole number; with more of them it is too large for a float
_NAME = 200  # characters of a name: an id, a processor, a version

_FACTS = 50  # entries of a provenance; ours have a dozen
_KEY = re.compile(r"[A-Za-z]\w{0,49}", flags=re.ASCII)
_ODD = re.compile(r"[^\w .,+()@/:;#&*'[\]®™-]")  # in no name of a processor, no version and no date


def parse(text: str | bytes, longest: int = LONGEST) -> Any:
    """The value; ValueError if the text is not strict JSON, or has a string of more than `longest` characters in it."""
    try:
        if isinstance(text, bytes):
            text = text.decode()  # the standard reader would guess the encoding
        value = json.loads(text, parse_int=_whole, object_pairs_hook=_once)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    _check_leaves(value, longest)
    return value


def _whole(text: str) -> float:
    return int(text) if len(text) <= _DIGITS else math.inf


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for key, entry in pairs:
        if key in value:
            raise ValueError(f"{key[:_NAME]!r} is given twice")
        value[key] = entry
    return value


def _check_leaves(value: Any, longest: int) -> None:
    """Raise ValueError unless all numbers are finite, and all keys and strings printable and not too long."""
    left = [("it", value)]
    while left:
        name, one = left.pop()
        if isinstance(one, dict):
            if not all(key.isprintable() and len(key) <= _NAME for key in one):
                raise ValueError(f"a key in {name!r} is not a printable name")
            left += one.items()
        elif isinstance(one, list):
            left += ((name, inner) for inner in one)
        elif isinstance(one, str) and not (one.isprintable() and len(one) <= longest):
            raise ValueError(f"{name!r} is not printable text of at most {longest} characters")
        elif isinstance(one, float) and not math.isfinite(one):
            raise ValueError(f"{name!r} is not a finite number")


def field(value: Any, name: str) -> Any:
    """The entry of an object; ValueError if the value is no object or has no such entry."""
    if not isinstance(value, Mapping) or name not in value:
        raise ValueError(f"it has no {name!r}")
    return value[name]


def objects(value: Any, name: str) -> list[dict[str, Any]]:
    """An entry that must be a list of objects."""
    entries = field(value, name)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ValueError(f"{name!r} is not a list of objects")
    return entries


def mapping(value: Any, name: str) -> dict[str, Any]:
    """An entry that must be an object."""
    entry = field(value, name)
    if not isinstance(entry, dict):
        raise ValueError(f"{name!r} is not an object")
    return entry


def text(value: Any, name: str, longest: int = _NAME) -> str:
    """An entry that must be printable text: control characters could command a terminal."""
    entry = field(value, name)
    if not isinstance(entry, str) or not entry.isprintable() or len(entry) > longest:
        raise ValueError(f"{name!r} is not printable text of at most {longest} characters")
    return entry


def facts(value: Any) -> dict[str, Any]:
    """The provenance that a file states: short keys, each with a number, a boolean, null or a plain name.

    A plain name has letters, digits, spaces, and the punctuation found in names of processors and in versions.
    """
    if not isinstance(value, dict) or len(value) > _FACTS or not all(map(_KEY.fullmatch, value)):
        raise ValueError(f"what it was made with is not an object of at most {_FACTS} short names")
    for name, entry in value.items():
        if isinstance(entry, str):
            if odd := _ODD.search(text(value, name)):
                raise ValueError(f"{name!r} has {odd[0]!r} in it, which no name of hardware and no version has")
        elif entry is not None and not isinstance(entry, bool):
            number(value, name, -1e18, 1e18)
    whole({"together": 1, **value}, "together", 1, SEEDS)
    return value


def plain(name: str) -> str:
    """Any name that a machine reports, with spaces for the characters that `facts` refuses."""
    return _ODD.sub(" ", name).strip()[:_NAME]


def whole(value: Any, name: str, low: int, high: int) -> int:
    """An entry that must be a whole number with low <= number < high."""
    entry = field(value, name)
    if type(entry) is not int or not low <= entry < high:
        raise ValueError(f"{name!r} is not a whole number from {low} to {high - 1}")
    return entry


def number(value: Any, name: str, low: float, high: float) -> float:
    """An entry that must be a number with low <= number <= high."""
    entry = field(value, name)
    if type(entry) not in (int, float) or not low <= entry <= high:
        raise ValueError(f"{name!r} is not a number from {low:g} to {high:g}")
    return float(entry)


def number_or_nan(value: Any, name: str, low: float, high: float) -> float:
    """An entry that may be missing, and must be a number with low <= number <= high if it is there."""
    return number(value, name, low, high) if name in value else math.nan
