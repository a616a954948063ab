"""What a step changes since the step before: one step, one idea."""

import difflib
from dataclasses import fields, is_dataclass
from typing import Any

from torch import nn

from harness.step import Step


def difference(before: type[Step], after: type[Step]) -> list[str]:
    """The changes from one step to another, a line each: layers taken out (-) and put in (+), then the recipe.

    Layers are compared as the sequence of leaf modules in order of definition, with their settings.
    """
    old, new = layers(before.model()), layers(after.model())
    changes = [line for line in difflib.ndiff(old, new) if line[0] in "-+"]
    return [*_counted(changes), *_fields("", before.recipe, after.recipe)]


def layers(model: nn.Module) -> list[str]:
    """The leaf modules of a network in order, as torch prints them."""
    return [repr(module) for module in model.modules() if not list(module.children())]


def _counted(lines: list[str]) -> list[str]:
    """The distinct lines in order of appearance, each with how often it came."""
    return [line if (n := lines.count(line)) == 1 else f"{line} ({n} times)" for line in dict.fromkeys(lines)]


def _fields(prefix: str, old: Any, new: Any) -> list[str]:
    changes = []
    for field in fields(old):
        was, is_now = getattr(old, field.name), getattr(new, field.name)
        if was == is_now:
            continue
        if is_dataclass(was) and type(was) is type(is_now):
            changes += _fields(f"{prefix}{field.name}.", was, is_now)
        else:
            changes.append(f"{prefix}{field.name}: {was} -> {is_now}")
    return changes
