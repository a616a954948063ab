"""The functions of torch that a model calls, in place of which others run where they would hide what is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from harness.receptive_field.field_map import NoRuleError
from harness.receptive_field.operations import RECURRENT

_MAKERS = {"tensor": 0, "as_tensor": 0, "new_tensor": 1}
"""Functions that make a tensor of numbers, and which of their arguments has these."""


class Functions(TorchFunctionMode):
    """Remembers which function of torch the model is calling, and replaces those that hide what they read."""

    name = ""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        self.name = getattr(func, "__name__", str(func)).strip("_")
        if self.name == "cuda":
            return args[0]  # where the model would be is of no importance, and may not be there
        if self.name in ("getitem", "setitem"):
            args = (args[0], _with_data(args[1]), *args[2:])
        if self.name == "masked_select":
            return _selected(*args, **(kwargs or {}))
        if self.name in _MAKERS and not any(isinstance(part, Tensor) for part in args[_MAKERS[self.name] :]):
            kwargs = {**(kwargs or {}), "device": "cpu"}  # where the numbers are known
        named = dict(zip(("input", "pad", "mode"), args, strict=False)) | dict(kwargs or {})
        if self.name == "pad" and named.get("mode") == "circular":
            return _wrapped(named["input"], named["pad"])
        if self.name in RECURRENT and args[0].device.type == "meta":
            if isinstance(args[3], Sequence):
                raise NoRuleError(f"{self.name} of a packed sequence, whose lengths are values, cannot be followed")
            return RECURRENT[self.name](*args)
        return func(*args, **(kwargs or {}))


def _with_data(index: Any) -> tuple[Any, ...]:
    """An index whose lists and arrays are tensors, and whose constant masks are the places where they are true.

    Torch itself would move them to the device without data.
    """
    return tuple(place for part in (index if isinstance(index, tuple) else (index,)) for place in _places(part))


def _places(part: Any) -> tuple[Any, ...]:
    if isinstance(part, (list, tuple, range, np.ndarray)):
        part = torch.as_tensor(part, device="cpu")
    masks = isinstance(part, Tensor) and part.dtype == torch.bool and part.ndim > 0 and not part.is_meta
    return part.nonzero(as_tuple=True) if masks else (part,)


def _selected(source: Tensor, mask: Tensor) -> Tensor:
    source, mask = torch.broadcast_tensors(source, mask)
    return source[_with_data(mask)]


def _wrapped(source: Tensor, pad: Sequence[int]) -> Tensor:
    """Circular padding as a choice of indices; torch itself copies it piece by piece into an empty tensor.

    Negative padding crops first, and what is left is wrapped.
    """
    for i in range(len(pad) // 2):
        before, after = pad[2 * i], pad[2 * i + 1]
        left = torch.arange(source.shape[-1 - i])[max(-before, 0) :][: min(after, 0) or None]
        places = torch.arange(-max(before, 0), len(left) + max(after, 0)) % len(left)
        source = source.index_select(source.ndim - 1 - i, left[places])
    return source
