"""A copy of a model to run instead of it: parameters without data, and nothing that the model would notice.

Hooks and other functions are copied with what they have captured, so that a hook that keeps maps keeps those of the
copy in a list of its own. What cannot be copied (a lock, an open file, a generator) is shared.
"""

from __future__ import annotations

import copy
from collections import OrderedDict, defaultdict, deque
from types import CellType, FunctionType, MethodType, ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from harness.errors import HarnessError

CONTAINERS = (list, dict, set, deque, OrderedDict, defaultdict)


def shadow(model: nn.Module) -> tuple[nn.Module, list[Tensor]]:
    """A copy of the model in eval mode, whose parameters have shapes and no data, and all tensors of that copy.

    Raises:
        HarnessError: the model is lazy, or its operations are hidden in TorchScript.

    """
    for name, parameter in model.named_parameters():
        if isinstance(parameter, nn.parameter.UninitializedParameter):
            raise HarnessError(f"{type(model).__name__} is lazy: {name} has no shape before the model has run once")
    if any(isinstance(module, torch.jit.ScriptModule) for module in model.modules()):
        raise HarnessError("a TorchScript module hides its operations; analyse the module that it was made from")
    memo: dict[int, Any] = {}
    copied: nn.Module = _copied(model, memo)
    try:
        copied.eval()
    except NotImplementedError:  # an exported model, or one in it, has the one mode in which it was exported
        for module in copied.modules():
            module.training = False
    return copied, [part for part in memo.values() if isinstance(part, Tensor)]


def _copied(value: Any, memo: dict[int, Any]) -> Any:
    """A copy of any object; `memo` has the copies by the id of what was copied, as in `copy.deepcopy`."""
    if id(value) in memo:
        return memo[id(value)]
    if isinstance(value, Tensor):
        result: Any = _tensor(value, memo)
    elif isinstance(value, FunctionType):
        return _function(value, memo)
    elif isinstance(value, MethodType):
        result = MethodType(value.__func__, _copied(value.__self__, memo))
    elif type(value) in (tuple, frozenset):
        result = type(value)(_copied(part, memo) for part in value)
    elif type(value) in CONTAINERS:
        return _container(value, memo)
    elif isinstance(value, nn.Module) or _is_plain(value):
        result = memo[id(value)] = object.__new__(type(value))
        vars(result).update({name: _copied(part, memo) for name, part in vars(value).items()})
    else:
        try:  # what closes or deletes something when it goes must not go twice
            result = value if hasattr(type(value), "__del__") else copy.deepcopy(value, memo)
        except Exception:  # whatever the object of a user says to being copied: it is shared, as a lock or a file is
            result = value
    memo[id(value)] = result
    if isinstance(value, Tensor):  # a model may note something on it, such as the mask of a weight
        noted = {name: part for name, part in vars(value).items() if name not in vars(result)}
        vars(result).update({name: _copied(part, memo) for name, part in noted.items()})
    return result


def _tensor(value: Tensor, memo: dict[int, Any]) -> Tensor:
    """A copy of a tensor, which shares its memory with the copies of those that the tensor shares its own with."""
    if isinstance(value, nn.Parameter) and (value.is_floating_point() or value.is_complex()):  # no indices, no masks
        return nn.Parameter(torch.empty_like(value, device="meta", requires_grad=False), requires_grad=False)
    return copy.deepcopy(value.detach(), memo)


_DEFAULTS = ("__new__", "__reduce__", "__reduce_ex__", "__getstate__")
_SPECIAL = ("__del__", "__deepcopy__", "__copy__", "__slots__", "__getnewargs_ex__")


def _is_plain(value: Any) -> bool:
    """Whether an object consists of its attributes and leaves copying to Python."""
    kind = type(value)
    if isinstance(value, (type, ModuleType)) or not hasattr(value, "__dict__"):
        return False
    leaves = all(getattr(kind, name) is getattr(object, name) for name in _DEFAULTS)
    return leaves and not any(hasattr(kind, name) for name in _SPECIAL)


def _container(value: Any, memo: dict[int, Any]) -> Any:
    result = memo[id(value)] = copy.copy(value)
    result.clear()
    if isinstance(value, dict):
        result.update((_copied(key, memo), _copied(part, memo)) for key, part in value.items())
    elif isinstance(value, set):
        result.update(_copied(part, memo) for part in value)
    else:
        result.extend(_copied(part, memo) for part in value)
    return result


def _function(value: FunctionType, memo: dict[int, Any]) -> FunctionType:
    """A copy of a function that has captured something, or that names a global list, dict or set."""
    names = value.__code__.co_names
    found = {name: value.__globals__[name] for name in names if type(value.__globals__.get(name)) in CONTAINERS}
    if not (found or value.__closure__ or value.__defaults__ or value.__kwdefaults__):
        return value
    cells = tuple(CellType() for _ in value.__closure__ or ())
    known = {**value.__globals__, **_copied(found, memo)} if found else value.__globals__
    result = memo[id(value)] = FunctionType(value.__code__, known, value.__name__, None, cells)
    for old, new in zip(value.__closure__ or (), cells, strict=True):
        try:
            new.cell_contents = _copied(old.cell_contents, memo)
        except ValueError:
            continue  # a variable that has no value yet
    result.__defaults__ = _copied(value.__defaults__, memo)
    result.__kwdefaults__ = _copied(value.__kwdefaults__, memo)
    result.__dict__.update(value.__dict__)
    result.__qualname__, result.__module__ = value.__qualname__, value.__module__
    return result
