"""JSON read with suspicion: what another program, another version or an attacker may have put into a file.

Only ValueError comes out. What the standard reader lets through, and what would then fail far from here, is refused:
NaN and infinities, numbers that overflow, keys given twice, and nesting that exhausts the stack.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

LARGEST = 1 << 26  # bytes of a file of ours; the largest record of a hundred seeds has a twentieth of it
SEEDS = 1 << 63  # seeds are below it: what a generator takes


def parse(text: str | bytes) -> Any:
    """The value; ValueError if the text is not JSON in the strict sense."""
    try:
        if isinstance(text, bytes):
            text = text.decode()  # the standard reader would guess among other encodings
        return json.loads(text, parse_constant=_refuse, parse_float=_finite, object_pairs_hook=_once)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def read(path: Path, most: int = LARGEST) -> bytes:
    """The bytes of a file; ValueError if there are more than so many, OSError if it cannot be read."""
    with path.open("rb") as stream:
        raw = stream.read(most + 1)
    if len(raw) > most:
        raise ValueError(f"it has more than {most} bytes")
    return raw


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


def text(value: Any, name: str) -> str:
    """The entry of that name, which must be text that can be shown: no control characters for a terminal to obey."""
    entry = field(value, name)
    if not isinstance(entry, str) or not entry.isprintable():
        raise ValueError(f"{name!r} is not printable text")
    return entry


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
