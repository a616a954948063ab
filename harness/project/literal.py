"""A recipe as the source that makes it."""

import re
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

from harness import escape

_SHORT = 90


def literal(value: Any, indent: int = 0) -> str:
    """The source of a value: of a dataclass the call that makes it, without arguments at their default.

    Lines after the first are indented by that number of spaces, and the arguments by four more.
    """
    if not is_dataclass(value):
        return escape.literal(value) if isinstance(value, str) else repr(value)
    inside = " " * (indent + 4)
    given = [
        f"{one.name}={literal(getattr(value, one.name), indent + 4)}"
        for one in fields(value)
        if one.default is MISSING or getattr(value, one.name) != one.default
    ]
    line = f"{type(value).__name__}({', '.join(given)})"
    if len(line) <= _SHORT and "\n" not in line:
        return line
    return f"{type(value).__name__}(\n" + "".join(f"{inside}{one},\n" for one in given) + " " * indent + ")"


def classes(source: str) -> set[str]:
    """The classes that such a source calls."""
    return set(re.findall(r"\b([A-Z]\w*)\(", source))
