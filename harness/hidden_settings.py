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
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

_TELLS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)  # what can have a docstring


def hidden_settings(model: nn.Module) -> list[str]:
    """Types and ties of weights, which of them are not trained, settings of torch's layers, and constants."""
    lines = [*_of_weights(model)]
    for path, layer in model.named_modules():
        lines += [f"{path} {name}={_text(value)}" for name, value in _unshown(layer)]
        lines += [f"{path} {name} {_digest(value)}" for name, value in _constants(layer)]
    return lines


def untraced(model: nn.Module) -> list[str]:
    """What a forward that cannot be traced computes by: the code of the classes of the network, and their settings.

    Of the code neither comments nor docstrings, and nothing that is defined outside these classes.
    """
    lines, kinds = list[str](), dict[type, None]()
    for path, layer in model.named_modules():
        if not _of_torch(type(layer)):
            lines += [f"{path} {name}={value!r}" for name, value in sorted(vars(layer).items()) if _literal(value)]
            kinds |= dict.fromkeys(kind for kind in type(layer).__mro__ if not _of_torch(kind))
    return [*lines, *filter(None, map(_code, kinds))]


def _of_torch(kind: type) -> bool:
    return kind.__module__.partition(".")[0] in ("torch", "builtins")


def _code(kind: type) -> str:
    """The source of a class in one spelling; empty if no file has it, as of one that was typed into an interpreter."""
    try:
        code = ast.parse(textwrap.dedent(inspect.getsource(kind)))
    except (OSError, TypeError, SyntaxError):
        return ""
    for node in ast.walk(code):
        if isinstance(node, _TELLS) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(code)


def _of_weights(model: nn.Module) -> Iterator[str]:
    first: dict[Tensor, str] = {}
    for name, weight in model.named_parameters(remove_duplicate=False):
        if first.setdefault(weight, name) != name:
            yield f"{name} is {first[weight]}"
        if weight.dtype != torch.float32:
            yield f"{name} {weight.dtype}"
        if not weight.requires_grad:
            yield f"{name} is not trained"


def _unshown(layer: nn.Module) -> Iterator[tuple[str, Any]]:
    """The arguments of a layer of torch that its repr omits, and that are not at their defaults."""
    if not _of_torch(type(layer)):
        return
    own: dict[str, Any] = vars(layer)
    defaults = _arguments(type(layer))  # type: ignore[arg-type]  # that a type can be hashed is lost on mypy
    for name in sorted(own.keys() & defaults.keys()):  # in the same order in every process
        if _plain(own[name]) and own[name] != defaults[name] and not _shown(layer, name):
            yield name, own[name]


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
    """Whether the repr of a layer depends on an attribute: shows it, or says something where it is not the default."""
    for instead in (object(), _arguments(type(layer))[name]):  # type: ignore[arg-type]
        other = object.__new__(type(layer))
        vars(other).update(vars(layer) | {name: instead})
        try:
            if other.extra_repr() != layer.extra_repr():
                return True
        except Exception:  # it does something with the attribute
            return True
    return False


def _constants(layer: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """The dense buffers of a layer, but for running statistics, and what dense tensors it has that are none."""
    buffers = {} if isinstance(layer, _NormBase) else layer._buffers
    for name, value in {**buffers, **vars(layer)}.items():
        if isinstance(value, Tensor) and value.layout == torch.strided and not value.is_nested:
            yield name, value.detach()


def _digest(value: Tensor) -> str:
    """The type and shape of a tensor, and what is in it, if it has numbers.

    Of fractions a few figures, which do not follow the last place: that depends on the CPU that computed them.
    """
    kind = f"{value.dtype} {tuple(value.shape)}"
    if value.is_meta or value.is_quantized:
        return kind
    if value.is_complex():
        value = torch.view_as_real(value.resolve_conj())
    value = value.cpu().resolve_neg().contiguous().flatten()
    return f"{kind} {_figures(value.double()) if value.is_floating_point() else _exactly(value)}"


def _exactly(value: Tensor) -> str:
    return hashlib.sha256(value.view(torch.uint8).numpy().data).hexdigest()


def _figures(value: Tensor) -> str:
    """The sum of the sizes of numbers, where the middle of what they hold lies among them, and what is infinite."""
    finite, places = value.nan_to_num(0.0, 0.0, 0.0), torch.linspace(0.5, 1, len(value), dtype=torch.float64)
    size = float(finite.abs().sum())
    middle = round(float((finite * places).sum()) / size, 4) + 0.0 if size else 0.0
    return f"{size:.4g} {middle} {_exactly(value.isinf())}"


def _plain(value: Any) -> bool:
    return inspect.isroutine(value) or _literal(value)


def _literal(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return all(map(_literal, value))
    return value is None or isinstance(value, (bool, int, float, str))


def _text(value: Any) -> str:
    return value.__name__ if inspect.isroutine(value) else repr(value)
