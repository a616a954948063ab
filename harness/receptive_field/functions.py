"""The functions of torch that a model calls, in place of which others run where they would hide what is read."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from harness.receptive_field.field_map import NoRuleError
from harness.receptive_field.operations import RECURRENT

_MAKERS = {"tensor": 0, "as_tensor": 0, "new_tensor": 1}
"""Functions that make a tensor of numbers, and which of their arguments has these."""


_READERS = frozenset(["tolist", "numpy", "array", "dlpack", "tensor", "new_tensor"])
"""Functions that read the values of a tensor with data without any operation that could be recorded."""

_PLACES: Mapping[str, Callable[[torch.device], Any]] = {
    "device": lambda device: device,
    "is_meta": lambda device: device.type == "meta",
    "is_cpu": lambda device: device.type == "cpu",
    "is_cuda": lambda device: device.type == "cuda",
}
"""What a tensor says of where it is, if that is this device."""

_REPLACE_DATA: Any = Tensor.data.__set__  # type: ignore[attr-defined]
"""What x.data = y calls."""

_SAME_DEVICE = re.compile(r"same device|have meta device|type \(Meta\w+\)|incompatible tensor type", re.IGNORECASE)
_VALUES = re.compile(r"\bmeta(?!data)|fake|unallocated|HigherOrder|format string passed to Tensor", re.IGNORECASE)


class Functions(TorchFunctionMode):
    """What the model is doing: the function of torch that it calls, and the modules that it is in.

    Functions that hide what they read are replaced. The first that cannot be followed is noted, since a model may catch
    the error and go another way than it goes with data.
    """

    def __init__(self, refused: str, device: torch.device) -> None:
        super().__init__()
        self.refused = refused  # such as "Net does not run on an input of (1, 28, 28)"
        self.device = device
        self.name = ""
        self.scope: list[str] = []
        self.depends: Callable[[Tensor], bool] = lambda _: False
        self.refusal: NoRuleError | None = None

    def location(self) -> str:
        """The module that is running, in words."""
        return self.scope[-1] if self.scope and self.scope[-1] else "the model"

    def note(self, error: BaseException) -> None:
        """Remember the first error that a model with data would not have met."""
        called, reason = self.name or "forward", str(error)
        if self.refusal is None and isinstance(error, NoRuleError):
            self.refusal = error
        elif self.refusal is None and _SAME_DEVICE.search(reason):
            self.refusal = NoRuleError(
                f"{called} in {self.location()} takes constants together with what depends on the input in a way that"
                " cannot be followed"
            )
        elif self.refusal is None and _VALUES.search(reason):
            self.refusal = NoRuleError(
                f"{self.refused} without its values, which {called} in {self.location()} needs; the analysis follows"
                " models whose path and shapes do not depend on them"
            )

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        self.name = getattr(func, "__name__", str(func)).strip("_")
        attribute = getattr(getattr(func, "__self__", None), "__name__", "") if self.name == "get" else ""
        if attribute in _PLACES:
            return _PLACES[attribute](self.device)
        try:
            return self._called(func, args, dict(kwargs or {}))
        except Exception as error:
            self.note(error)
            raise

    def _called(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self.name in ("cpu", "cuda"):
            return self._moved(args[0], self.name)
        if self.name == "to":
            return self._moved(*args, **kwargs)
        if self.name in ("getitem", "setitem"):
            args = (args[0], _with_data(args[1]), *args[2:])
        if func == _REPLACE_DATA:
            args = args[0], self._replacing(*args)
        if self.name == "masked_select":
            return _selected(*args, **kwargs)
        sources = args[_MAKERS.get(self.name, 0) :]
        if self.name in _MAKERS and not any(isinstance(part, Tensor) for part in sources):
            kwargs = {**kwargs, "device": "cpu"}  # where the numbers are known
            self._refuse_values(sources)
        elif self.name in _READERS:
            self._refuse_values(sources)
        named = dict(zip(("input", "pad", "mode"), args, strict=False)) | kwargs
        if self.name == "pad" and named.get("mode") == "circular":
            return _wrapped(named["input"], named["pad"])
        if self.name in RECURRENT and args[0].device.type == "meta":
            if isinstance(args[3], Sequence):
                raise NoRuleError(f"{self.name} of a packed sequence, whose lengths are values, cannot be followed")
            return RECURRENT[self.name](*args)
        return func(*args, **kwargs)

    def _refuse_values(self, sources: Any) -> None:
        """Refuse to read a constant in which something that depends on the input was written."""
        tensors = [leaf for leaf in tree_leaves(sources) if isinstance(leaf, Tensor) and not leaf.is_meta]
        if any(map(self.depends, tensors)):
            raise NoRuleError(
                f"{self.refused} without its values, which {self.name} in {self.location()} needs; the analysis follows"
                " models whose path and shapes do not depend on them"
            )

    def _replacing(self, tensor: Tensor, numbers: Tensor) -> Tensor:
        """What becomes the data of a tensor: where it has none, a tensor without data in place of a constant."""
        if not tensor.is_meta or numbers.is_meta:
            return numbers
        self._refuse_values(numbers)
        return tensor.new_empty(numbers.shape, dtype=numbers.dtype)

    def _moved(
        self, source: Tensor, *given: Any, device: Any = None, dtype: torch.dtype | None = None, other: Any = None,
        copy: bool = False, non_blocking: bool = False, memory_format: Any = torch.preserve_format,
    ) -> Tensor:  # fmt: skip
        """What to(), cpu() and cuda() return where nothing moves: a copy, if it would move with data, or itself."""
        parts = [*given, device, dtype, other]
        dtypes = [part.dtype if isinstance(part, Tensor) else part for part in parts]
        places = [part for part in parts if isinstance(part, (str, int, torch.device)) and not isinstance(part, bool)]
        flags = [part for part in given if isinstance(part, bool)]
        kind = next((part for part in dtypes if isinstance(part, torch.dtype)), source.dtype)
        moves = any(torch.device(place).type != self.device.type for place in places)
        return source.to(kind, copy=copy or flags[1:] == [True] or moves, memory_format=memory_format)


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
