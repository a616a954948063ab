"""What a model keeps outside of itself: in its classes, in the globals of their modules, and in functions of both.

A model that is followed may leave tensors without data there, such as a table that it makes once for all of its kind,
and would not run with data any more. Random numbers of Python and NumPy are such a thing, too.
"""

from __future__ import annotations

import copy
import random
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from operator import is_not
from types import CellType, FunctionType, ModuleType
from typing import Any

import numpy as np
from torch import nn

from harness.receptive_field.shadow import CONTAINERS


@contextmanager
def preserved(model: nn.Module) -> Iterator[None]:
    """Put back afterwards what the model keeps outside of itself."""
    restore = [*_restored(model)]
    python, numpy = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        for put_back in restore:
            put_back()


def _restored(model: nn.Module) -> Iterator[Callable[[], None]]:
    known: set[int] = set()
    for space in _namespaces(model):
        yield _names(space, dict(vars(space)))
        for name, value in list(vars(space).items()):
            if not name.startswith("__"):
                yield from _contents(value, known)


def _namespaces(model: nn.Module) -> list[Any]:
    """The classes of the modules that are not torch's own, and the Python modules that define these."""
    kinds = {kind for module in model.modules() for kind in type(module).__mro__}
    own = [kind for kind in kinds if kind.__module__.partition(".")[0] not in ("torch", "builtins", "typing", "abc")]
    files = {kind.__module__: sys.modules.get(kind.__module__) for kind in own}
    return [*own, *(file for file in files.values() if file is not None)]


def _names(space: Any, before: dict[str, Any]) -> Callable[[], None]:
    """Names of a class or a Python module."""

    def put_back() -> None:
        for name in _added(vars(space), before):
            delattr(space, name)
        for name, value in before.items():
            if vars(space).get(name) is not value:
                setattr(space, name, value)

    return put_back


def _added(after: Mapping[Any, Any], before: Mapping[Any, Any]) -> list[Any]:
    """New names, except for those of what was defined or imported meanwhile."""
    new = [name for name in after if name not in before and not str(name).startswith("__")]
    return [name for name in new if not isinstance(after[name], (ModuleType, FunctionType, type))]


def _contents(value: Any, known: set[int]) -> Iterator[Callable[[], None]]:
    """Lists, dicts and sets, also those within each other and those that functions hold."""
    if isinstance(value, (staticmethod, classmethod)):
        value = value.__func__
    if id(value) in known or not (isinstance(value, FunctionType) or type(value) in CONTAINERS):
        return
    known.add(id(value))
    parts: Collection[Any]
    if isinstance(value, FunctionType):
        cells = [cell.cell_contents for cell in value.__closure__ or () if cell != CellType()]
        parts = [*cells, *(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values(), value.__dict__]
    else:
        yield _refilled(value, copy.copy(value))
        parts = value.values() if isinstance(value, dict) else value
    for part in list(parts):
        yield from _contents(part, known)


def _refilled(value: Any, before: Any) -> Callable[[], None]:
    """What a list, dict or set has; nothing happens to one that is as before, such as one that others use as well."""

    def put_back() -> None:
        if isinstance(value, dict):
            for key in _added(value, before):
                del value[key]
            value.update({key: part for key, part in before.items() if value.get(key) is not part})
        elif len(value) != len(before) or any(map(is_not, value, before)):
            value.clear()
            (value.update if isinstance(value, set) else value.extend)(before)

    return put_back
