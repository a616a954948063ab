"""What a network computes by and neither its graph nor its repr shows, in lines of text.

Where all is as torch has it by default there are none: layers of float32 that are trained, whose repr shows all of
their settings, and no tensors but their weights and running statistics.
"""

import ast
import functools
import hashlib
import inspect
import textwrap
from collections.abc import Iterator
from types import FunctionType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase


def hidden_settings(model: nn.Module, *, traced: bool) -> list[str]:
    """Types and ties of weights and which are not trained, settings of layers, constants; code unless it was traced."""
    layers = dict(model.named_modules())
    lines = [*_of_weights(model)]
    for path, layer in layers.items():
        lines += [f"{path} {name}={_text(value)}" for name, value in _unshown(layer, traced=traced)]
        lines += [f"{path} {name} {_digest(value)}" for name, value in _constants(layer)]
    if not traced:
        kinds = dict.fromkeys(kind for layer in layers.values() for kind in type(layer).__mro__ if not _of_torch(kind))
        lines += [source for kind in kinds for source in _sources(kind)]
    return lines


def _of_weights(model: nn.Module) -> Iterator[str]:
    first: dict[Tensor, str] = {}
    for name, weight in model.named_parameters(remove_duplicate=False):
        if first.setdefault(weight, name) != name:
            yield f"{name} is {first[weight]}"
        if weight.dtype != torch.float32:
            yield f"{name} {weight.dtype}"
        if not weight.requires_grad:
            yield f"{name} is not trained"


def _unshown(layer: nn.Module, *, traced: bool) -> Iterator[tuple[str, Any]]:
    """Plain attributes of a layer: arguments that the repr of torch's omits; of others all, unless a graph has them."""
    own = {name: value for name, value in vars(layer).items() if _plain(value) and name != "training"}
    if _of_torch(type(layer)):
        defaults = _arguments(type(layer))  # type: ignore[arg-type]  # that a type can be hashed is lost on mypy
        for name in sorted(own.keys() & defaults.keys()):  # in the same order in every process
            if own[name] != defaults[name] and not _shown(layer, name):
                yield name, own[name]
    elif not traced:
        yield from ((name, value) for name, value in own.items() if not name.startswith("_"))


@functools.cache
def _arguments(kind: type[nn.Module]) -> dict[str, Any]:
    """The arguments of the constructor of a layer, with their defaults; an LSTM hands all to what it extends."""
    for one in kind.__mro__:
        arguments = inspect.signature(vars(one).get("__init__", _hands_on)).parameters.values()
        if not any(argument.kind is argument.VAR_POSITIONAL for argument in arguments):
            return {argument.name: argument.default for argument in arguments}
    return {}


def _hands_on(*arguments: Any) -> None:
    """Stands for the constructor of a class that has none."""


def _shown(layer: nn.Module, name: str) -> bool:
    """Whether the repr of a layer depends on an attribute."""
    other = object.__new__(type(layer))
    vars(other).update(vars(layer) | {name: object()})
    try:
        return other.extra_repr() != layer.extra_repr()
    except Exception:  # it does something with the attribute
        return True


def _constants(layer: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """The buffers of a layer, but for running statistics, and what tensors it has that are none."""
    buffers = {} if isinstance(layer, _NormBase) else layer._buffers
    for name, value in {**buffers, **vars(layer)}.items():
        if isinstance(value, Tensor) and value.layout == torch.strided:
            yield name, value.detach().cpu()


def _digest(value: Tensor) -> str:
    content = value.contiguous().flatten().view(torch.uint8).numpy().tobytes()
    return f"{value.dtype} {tuple(value.shape)} {hashlib.sha256(content).hexdigest()}"


def _plain(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return all(map(_plain, value))
    return value is None or isinstance(value, (bool, int, float, str)) or inspect.isroutine(value)


def _text(value: Any) -> str:
    return value.__name__ if inspect.isroutine(value) else repr(value)


def _of_torch(kind: type) -> bool:
    return kind is object or kind.__module__.partition(".")[0] == "torch"


def _sources(kind: type) -> Iterator[str]:
    """The methods of a class but its constructor, without comments and docstrings, where their source is at hand."""
    for method in vars(kind).values():
        if not isinstance(method, FunctionType) or method.__name__ == "__init__":
            continue
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(method)))
        except (OSError, SyntaxError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and ast.get_docstring(node) is not None:
                node.body = node.body[1:] or [ast.Pass()]
        yield ast.unparse(tree)
