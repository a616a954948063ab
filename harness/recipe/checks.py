"""Values are checked where they are written: a decorator for dataclasses, driven by their annotations."""

import difflib
import functools
import inspect
import math
import sys
import types
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


@dataclass(frozen=True)
class Range:
    """The numbers that a field may have: from `least` or above `above`, up to `most` or below `below`."""

    least: float = -math.inf
    above: float = -math.inf
    most: float = math.inf
    below: float = math.inf

    def __contains__(self, value: float) -> bool:
        return max(self.least, -sys.float_info.max) <= value <= min(self.most, sys.float_info.max) and (
            self.above < value < self.below
        )

    def __str__(self) -> str:
        bounds = (("of at least", self.least), ("above", self.above), ("at most", self.most), ("below", self.below))
        return " and ".join(f"{word} {bound:.12g}" for word, bound in bounds if math.isfinite(bound))


Positive = Annotated[float, Range(above=0)]
NotNegative = Annotated[float, Range(least=0)]
Share = Annotated[float, Range(least=0, most=1)]
Decay = Annotated[float, Range(least=0, below=1)]
Count = Annotated[int, Range(least=1, most=2**31 - 1)]  # what the kernels count with


def checked(cls: type[T]) -> type[T]:
    """Let a dataclass refuse arguments that it does not have and values that its annotations do not allow.

    Each is a ValueError of one line that names the field and says what would do. An annotation is made of numbers
    (which are finite, and no bool), `Annotated[number, Range(...)]`, bool, str, `Literal`, classes, functions, tuples,
    mappings and sets, None and unions of these. A `__post_init__` sees checked values.
    """
    initialize, signature, kinds = cls.__init__, inspect.signature(cls), get_type_hints(cls, include_extras=True)

    @functools.wraps(initialize)
    def checked_initialize(self: T, *values: Any, **named: Any) -> None:
        known = list(signature.parameters)
        for name in named:
            if name not in known:
                close = difflib.get_close_matches(name, known, n=1)
                nearest = f"nearest: {close[0]}; " if close else ""
                raise ValueError(f"{cls.__name__} has no argument {name!r}; {nearest}it has {', '.join(known)}")
        try:
            given = signature.bind(*values, **named).arguments
        except TypeError as error:
            raise ValueError(f"{cls.__name__}: {error}; its arguments are {', '.join(known)}") from None
        _check(cls.__name__, given, kinds)
        initialize(self, *values, **named)

    cls.__init__ = checked_initialize  # type: ignore[method-assign, assignment]
    return cls


def _check(owner: str, given: Mapping[str, Any], kinds: Mapping[str, Any]) -> None:
    for name, value in given.items():
        if not allows(kinds[name], value):
            raise ValueError(f"{owner}.{name} must be {described(kinds[name])}, not {shown(value)}")


def shown(value: Any) -> str:
    """A value as a message shows it: on one line, and not too long."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 100 else f"{text[:97]}..."


def allows(kind: Any, value: Any) -> bool:
    """Whether an annotation allows a value."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return allows(arguments[0], value) and value in arguments[1]
    if origin in (Union, types.UnionType):
        return any(allows(one, value) for one in arguments)
    if origin is Literal:
        return type(value) is str and value in arguments
    if origin is tuple:
        several = arguments[1:] == (...,)
        wanted = arguments[:1] * len(value) if several and isinstance(value, tuple) else arguments
        return type(value) is tuple and len(value) == len(wanted) and all(map(allows, wanted, value))
    if origin is not None:  # a mapping, a set, or a function, whose arguments are not looked at
        groups = [value, value.values()] if isinstance(value, Mapping) else [value] if isinstance(value, Set) else []
        members = ((of, one) for of, group in zip(arguments, groups, strict=False) for one in group)
        return isinstance(value, origin) and all(allows(of, one) for of, one in members)
    if kind is Any:
        return True
    if kind is float:
        return type(value) in (int, float) and value in Range()
    if kind in (int, bool, str):
        return type(value) is kind
    return isinstance(value, kind)


def described(kind: Any) -> str:
    """The values that an annotation allows, in words."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return f"{described(arguments[0])} {arguments[1]}"
    if origin in (Union, types.UnionType):
        *most, last = map(described, arguments)
        return f"{', '.join(most)} or {last}"
    if origin is Literal:
        return " or ".join(map(repr, arguments))
    if origin is tuple:
        n = "any number" if arguments[1:] == (...,) else len(arguments)
        return f"a tuple of {n}, each {described(arguments[0])}"
    if inspect.isclass(origin) and issubclass(origin, Mapping):
        return f"a dict from {described(arguments[0])} to {described(arguments[1])}"
    if origin is not None:
        return "a class or a function" if origin is Callable else str(kind)
    words = {float: "a number", int: "a whole number", bool: "True or False", str: "a text", type(None): "None"}
    return "anything" if kind is Any else words.get(kind) or str(kind.__name__)
