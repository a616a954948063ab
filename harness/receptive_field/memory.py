"""Which node of the graph each tensor of a running model holds, also after writes into tensors that share memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from harness.receptive_field import operations
from harness.receptive_field.field_map import NoRuleError
from harness.receptive_field.graph import Ref

Record = Callable[[Any, tuple[Any, ...], torch.Size], Ref]
Geometry = tuple[torch.Size, tuple[int, ...], int]
"""The size, stride and offset of a view of memory."""

_Place = tuple[int, Geometry]


@dataclass
class _Block:
    """One block of memory: the largest view of it, what that holds (None for a constant), and the views of it."""

    whole: Geometry
    item: int
    ref: Ref | None
    views: set[int] = field(default_factory=set)


class Memory:
    """The nodes that tensors hold.

    A write through one view changes what all other views of the same memory hold; they are then read anew from the
    block of memory, by an operation of its own.
    """

    def __init__(self, record: Record) -> None:
        self._record = record
        self._refs: dict[int, tuple[Ref, _Place]] = {}  # with the place, which changes without a trace in x.data = y
        self._blocks: dict[int, _Block] = {}
        self._alive: list[tuple[Tensor, Any]] = []  # so that nothing else has their address, nor their memory's

    def ref(self, tensor: Tensor) -> Ref | None:
        """What a tensor holds; None if it has no elements, is of torch.func, or does not depend on the input.

        Raises:
            NoRuleError: nobody has seen where it comes from, so that it may depend on the input.

        """
        if torch._C._functorch.is_functorch_wrapped_tensor(tensor) or tensor.numel() == 0:
            return None
        block = self._blocks.get(_address(tensor))
        if block is None and tensor.is_meta:
            raise NoRuleError("a tensor that is computed out of sight, such as in another thread, cannot be followed")
        held = self._refs.get(id(tensor))
        if held is not None and held[1] == _place(tensor):
            return held[0]
        if block is None or block.ref is None:
            return None
        ref, part = block.ref, self._geometry(tensor, block)
        if part != block.whole:
            ref = self._record(operations.read, (ref, *block.whole, *part), tensor.shape)
        self.hold(tensor, ref)
        return ref

    def hold(self, tensor: Tensor, ref: Ref | None) -> None:
        """Note what a new tensor holds."""
        self._alive.append((tensor, tensor.untyped_storage()))  # which x.data = y takes from x
        block = self._blocks.setdefault(
            _address(tensor), _Block(_geometry(tensor), tensor.element_size(), ref, {id(tensor)})
        )
        block.views.add(id(tensor))
        if ref is not None:
            self._refs[id(tensor)] = ref, _place(tensor)

    def constants(self, tensors: Sequence[Tensor]) -> None:
        """Note tensors that have no data and yet do not depend on the input, such as parameters."""
        for tensor in tensors:
            if tensor.is_meta:
                self.hold(tensor, None)

    def share(self, sources: Sequence[Tensor], results: Sequence[Tensor]) -> None:
        """Note which constants others are views of, since something that depends on the input may be written there."""
        addresses = set(map(_address, results))
        for source in sources:
            if _address(source) in addresses:
                self.hold(source, None)

    def write(self, tensor: Tensor, ref: Ref) -> None:
        """Note what a tensor holds after something was written into it, and that views of the same memory changed."""
        if not tensor.is_meta and not tensor.untyped_storage().resizable():
            raise NoRuleError("memory of an array, such as of NumPy, that is written to cannot be followed")
        self.hold(tensor, None)
        block = self._blocks[_address(tensor)]
        part = self._geometry(tensor, block)
        if part == block.whole:
            block.ref = ref
        else:
            memory = torch.empty(block.whole[0], device="meta") if block.ref is None else block.ref
            block.ref = self._record(operations.write, (memory, ref, *block.whole, *part), block.whole[0])
        for view in block.views:
            self._refs.pop(view, None)
        self._refs[id(tensor)] = ref, _place(tensor)

    def _geometry(self, tensor: Tensor, block: _Block) -> Geometry:
        if tensor.element_size() != block.item:
            raise NoRuleError("memory that is written to under two types cannot be followed")
        part = _geometry(tensor)
        if part[2] < block.whole[2] or _end(part) > _end(block.whole):
            raise NoRuleError("memory that is read or written to through a view of a part of it cannot be followed")
        return part


def _geometry(tensor: Tensor) -> Geometry:
    return tensor.shape, tensor.stride(), int(tensor.storage_offset())


def _place(tensor: Tensor) -> _Place:
    return _address(tensor), _geometry(tensor)


def _end(view: Geometry) -> int:
    size, stride, offset = view
    return offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))


def _address(tensor: Tensor) -> int:
    if tensor.layout is not torch.strided:
        raise NoRuleError("a tensor without memory of its own, such as a sparse one, cannot be followed")
    return int(tensor.untyped_storage()._cdata)
