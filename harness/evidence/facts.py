"""Facts about a step that need no run: its layers, its receptive field, and what it changes since another step."""

import difflib
import functools
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any

from torch import nn

from harness.errors import HarnessError
from harness.network import new_network
from harness.receptive_field import ReceptiveField, receptive_field
from harness.step import Step

WORDS = {
    nn.ReLU: "relu",
    nn.BatchNorm2d: "bn",
    nn.Dropout: "dropout",
    nn.MaxPool2d: "max-pool",
    nn.AdaptiveAvgPool2d: "global-average",
    nn.Linear: "linear",
    nn.Flatten: "flatten",
}


def difference(before: type[Step], after: type[Step]) -> list[str]:
    """The changes from one step to another, one per line: layers taken out (-) and put in (+), then the recipe.

    Layers are compared as the sequence of leaf modules in order of definition, with their settings.
    """
    old, new = layers(before.network()), layers(after.network())
    changes = [line for line in difflib.ndiff(old, new) if line[0] in "-+"]
    return [*_counted(changes), *_fields("", before.recipe, after.recipe)]


def layers(model: nn.Module) -> list[str]:
    """The leaf modules of a network in order, as torch prints them."""
    return [repr(module) for module in model.modules() if not list(module.children())]


def _counted(lines: list[str]) -> list[str]:
    """The distinct lines in order of appearance, each with how often it occurs."""
    return [line if (n := lines.count(line)) == 1 else f"{line} ({n} times)" for line in dict.fromkeys(lines)]


def _fields(prefix: str, old: Any, new: Any) -> list[str]:
    changes = []
    for field in fields(old):
        was, is_now = getattr(old, field.name), getattr(new, field.name)
        if was == is_now:
            continue
        if is_dataclass(was) and type(was) is type(is_now):
            changes += _fields(f"{prefix}{field.name}.", was, is_now)
        elif _is_sequence(was) or _is_sequence(is_now):
            changes += _sequence(f"{prefix}{field.name}", was, is_now)
        else:
            changes.append(f"{prefix}{field.name}: {was} -> {is_now}")
    return changes


def _is_sequence(value: Any) -> bool:
    return isinstance(value, tuple) and all(map(is_dataclass, value))


def _sequence(name: str, *both: Any) -> list[str]:
    """What differs where both have the same kinds of parts in the same order, and otherwise the parts that differ."""
    old, new = (one if isinstance(one, tuple) else (one,) * (one is not None) for one in both)
    if list(map(type, old)) == list(map(type, new)):
        pairs = zip(old, new, strict=True)
        return [line for was, is_now in pairs for line in _fields(f"{name}.{type(was).__name__}.", was, is_now)]
    changes = difflib.ndiff(list(map(repr, old)), list(map(repr, new)))
    return [f"{line[0]} {name}: {line[2:]}" for line in changes if line[0] in "-+"]


def settings(step: type[Step]) -> list[str]:
    """The recipe, one setting per line; a sequence is one line per part."""
    lines = []
    for name, value in step.recipe.settings().items():
        parts = [(f"{name} {n}", part) for n, part in enumerate(value, 1)] if _is_sequence(value) else [(name, value)]
        lines += [f"{part_name}: {part}" for part_name, part in parts]
    return lines


@functools.cache
def network(model: Callable[[], nn.Module]) -> nn.Module:
    """A network of that kind, built only once: initializing the largest takes a while."""
    return new_network(model, getattr(model, "__name__", "a network"))


def leaves(step: type[Step]) -> list[nn.Module]:
    """The layers of a network in order of definition, without the log-probabilities that end each of them."""
    found = [module for module in network(step.model).modules() if not list(module.children())]
    return found[:-1] if type(found[-1]).__name__ == "LogProbabilities" else found


def word(layer: nn.Module) -> str:
    """The word for a layer in claims."""
    if isinstance(layer, nn.Conv2d):
        return f"conv{layer.kernel_size[0]}x{layer.kernel_size[1]}"
    known = (name for kind, name in WORDS.items() if isinstance(layer, kind))
    return next(known, type(layer).__name__)


@functools.cache
def field(model: Callable[[], nn.Module]) -> ReceptiveField:
    """The receptive field of a network of that kind."""
    return receptive_field(network(model), (1, 28, 28))


def parameters(step: type[Step]) -> int:
    """Trainable parameters, counted."""
    return sum(weight.numel() for weight in network(step.model).parameters() if weight.requires_grad)


def drops(step: type[Step]) -> bool:
    """Whether dropout acts anywhere in the network."""
    return any(isinstance(layer, nn.Dropout) and layer.p > 0 for layer in leaves(step))


def setting(step: type[Step], name: str) -> Any:
    """A setting of the recipe by its name, with full stops; HarnessError if there is none.

    A part of a sequence has the name of its class: `augmentation.RandomRotation.degrees`.
    """
    try:
        return functools.reduce(_part, name.split("."), step.recipe)
    except AttributeError:
        raise HarnessError(f"the recipe of {step.id} has no {name}") from None


def _part(whole: Any, name: str) -> Any:
    parts = {type(part).__name__: part for part in reversed(whole)} if _is_sequence(whole) else {}
    if name in parts:
        return parts[name]
    if name not in getattr(whole, "__dataclass_fields__", ()):  # a method is no setting
        raise AttributeError(name)
    return getattr(whole, name)


def changed(step: type[Step], other: type[Step]) -> list[str]:
    """Which kinds of layers and which settings differ from those of another step, in order of appearance.

    Layers are paired by their kinds, and those of a pair compared: a network that is wider everywhere has another
    convolution in each place, and the activations that it had.
    """
    old, new = leaves(other), leaves(step)
    was_kinds, kinds = (list(map(word, layers)) for layers in (old, new))
    pairing = difflib.SequenceMatcher(None, was_kinds, kinds, autojunk=False)
    names = []
    for same, old_from, old_to, new_from, new_to in pairing.get_opcodes():
        before, now = old[old_from:old_to], new[new_from:new_to]
        if same == "equal":
            pairs = zip(before, now, strict=True)
            names += [word(is_now) for was, is_now in pairs if repr(was) != repr(is_now)]
        else:
            names += map(word, [*before, *now])
    names += [name for name in vars(step.recipe) if setting(step, name) != setting(other, name)]
    return list(dict.fromkeys(names))
