"""One small rule for each operation: what its output reads, given what its inputs read.

A rule is a function from a `Call` to a `Value` (or a tuple of them, for an operation that returns several tensors).
Operations are those of torch.ops.aten, to which torch reduces modules and functions alike. Elementwise operations need
no rule of their own: torch marks them. To add a rule, also for an operator of another library:

    from harness.field_rules import Call, register

    @register(torch.ops.mylib.shift_rows)
    def shift_rows(call: Call) -> Value:
        return rearranged(call.value("input"), lambda labels: labels.roll(1, dims=2))
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor

from harness import axis
from harness.axis import Window
from harness.field_value import (
    NoRuleError,
    Value,
    assembled,
    kinds_mixed,
    merged,
    mixed,
    nothing,
    rearranged,
    windowed,
)

aten = torch.ops.aten


@dataclass(frozen=True)
class Call:
    """One operation with its arguments by name, where a tensor that depends on the input is a `Value`."""

    function: str
    op: Any
    arguments: dict[str, Any]
    shapes: list[torch.Size]
    axes: int

    def __getitem__(self, name: str) -> Any:
        return self.arguments[name]

    def value(self, *names: str) -> Value:
        """The tensor argument of this name, or of the first of several that the operation has."""
        found = next((self.arguments[name] for name in names if name in self.arguments), None)
        if isinstance(found, Value):
            return found
        if isinstance(found, Tensor):
            return nothing(found.shape, self.axes)
        raise NoRuleError(f"{self.function} has no tensor argument {' or '.join(names)}")

    @property
    def values(self) -> list[Value]:
        """All tensors that depend on the input."""
        return [argument for argument in self.arguments.values() if isinstance(argument, Value)]


Rule = Callable[[Call], Value | tuple[Value, ...]]
Given = TypeVar("Given", bound=Rule)
_rules: dict[Any, Rule] = {}


def register(*operations: Any) -> Callable[[Given], Given]:
    """Make the decorated function the rule of operations, such as torch.ops.aten.cumsum."""

    def decorate(rule: Given) -> Given:
        _rules.update(dict.fromkeys(operations, rule))
        return rule

    return decorate


def rule_of(op: Any) -> Rule | None:
    """The rule of an operation, if it has one."""
    found = _rules.get(op.overloadpacket, _rules.get(op))
    return pointwise if found is None and torch.Tag.pointwise in op.tags else found


@register(
    aten.hardswish, aten._prelu_kernel, aten.prelu, aten.log_sigmoid_forward, aten.rrelu_with_noise, aten.masked_fill
)
def pointwise(call: Call) -> Value:
    """Elementwise with broadcasting: the union of what the operands read, never the larger of the two."""
    return merged(call.values, call.shapes[0])


@register(aten.mul, aten.div)
def scale(call: Call) -> Value:
    """A product with one factor for a whole map is a gate (squeeze and excitation): it only makes the value global."""
    factors = call.values
    for gate, other in (factors, factors[::-1]) if len(factors) == 2 else ():
        spread = [a for a in other.axes if other.units(a) > 1]
        if spread and all(gate.units(a) == 1 for a in other.axes):
            is_global = other.is_global or any(gate.fields)
            return replace(merged([other], call.shapes[0]), is_global=is_global)
    return merged(factors, call.shapes[0])


@register(aten.convolution, aten._convolution)
def convolution(call: Call) -> Value:
    """A window over space and the sum over the channels of a group; transposed where the operation says so."""
    weight = call["weight"]
    if isinstance(weight, Value):
        raise NoRuleError(f"{call.function} with weights computed from the input")
    source, groups = call.value("input"), call["groups"]
    dims = range(2, len(source.shape))
    steps = [_spread(call[name], len(dims)) for name in ("stride", "padding", "dilation")]
    make = axis.transposed if call["transposed"] else axis.sliding
    windows = {dim: make(weight.shape[dim], *(s[dim - 2] for s in steps)) for dim in dims}
    return windowed(source, windows, call.shapes[0], mixing=(groups, call.shapes[0][1]))


def _spread(numbers: int | Sequence[int], count: int) -> list[int]:
    listed = [numbers] if isinstance(numbers, int) else list(numbers)
    return listed * count if len(listed) == 1 else listed


@register(
    aten.max_pool2d_with_indices,
    aten.max_pool3d_with_indices,
    aten.avg_pool1d,
    aten.avg_pool2d,
    aten.avg_pool3d,
)
def pool(call: Call) -> Value:
    """A window over space, each channel alone; the border of ceil_mode follows from the number of outputs."""
    source = call.value("self")
    kernel = call["kernel_size"]
    count = len(kernel) if len(kernel) > 1 else 3 if "3d" in str(call.op) else 2 if "2d" in str(call.op) else 1
    kernels, padding = _spread(kernel, count), _spread(call["padding"], count)
    strides = _spread(call["stride"] or kernel, count)
    dilation = _spread(call.arguments.get("dilation", 1), count)
    first = len(source.shape) - count
    windows = {first + i: axis.sliding(kernels[i], strides[i], padding[i], dilation[i]) for i in range(count)}
    return _pooled(source, windows, call.shapes[0])


@register(
    aten._adaptive_avg_pool2d,
    aten._adaptive_avg_pool3d,
    aten.adaptive_avg_pool1d,
    aten.adaptive_max_pool2d,
    aten.adaptive_max_pool3d,
)
def adaptive_pool(call: Call) -> Value:
    """Windows that share the map evenly; uneven ones where the sizes do not divide."""
    source = call.value("self")
    first = len(source.shape) - len(call["output_size"])
    dims = range(first, len(source.shape))
    return _pooled(source, {dim: axis.bins(source.shape[dim], call.shapes[0][dim]) for dim in dims}, call.shapes[0])


def _pooled(source: Value, windows: dict[int, Window], shape: torch.Size) -> Value:
    result = windowed(source, windows, shape)
    return replace(result, is_global=result.is_global or all(shape[dim] == 1 for dim in windows))


@register(
    aten.mean, aten.sum, aten.amax, aten.amin, aten.var, aten.std, aten.var_mean, aten.prod, aten.linalg_vector_norm,
    aten.norm, aten.logsumexp, aten.max, aten.min, aten.any, aten.all,
)  # fmt: skip
def reduction(call: Call) -> Value | tuple[Value, ...]:
    """A statistic over whole dimensions: over those of space it is a kernel of the size of the map."""
    if "other" in call.arguments:
        return pointwise(call)
    source = call.values[0]
    dims = _dims(call.arguments.get("dim"), source)
    result = mixed(source, dims)
    is_global = source.is_global or _spans(source, dims)
    kept = len(call.shapes[0]) == len(source.shape)
    windows = result.windows
    if not kept:
        result = rearranged(result, lambda labels: labels.squeeze(dims))
    result = replace(result, is_global=is_global, windows=windows)
    return (result,) * len(call.shapes) if len(call.shapes) > 1 else result


def _dims(dims: Any, source: Value) -> list[int]:
    listed = [dims] if isinstance(dims, int) else list(dims or range(len(source.shape)))
    return [dim % len(source.shape) for dim in listed]


def _spans(source: Value, dims: Sequence[int]) -> bool:
    """Whether dimensions carry an axis of the input."""
    return any(set(source.dims(a)) & set(dims) for a in source.axes)


def _normalized(source: Value, dims: Sequence[int], groups: int = 1) -> Value:
    """A map divided by its own statistics: over space these act as a gate, and over channels as a sum."""
    channels = [dim for dim in dims if all(dim not in source.dims(a) for a in source.axes)]
    is_global = source.is_global or _spans(source, dims)
    outputs = source.shape[channels[0]] if groups > 1 else 1
    combined = kinds_mixed(source, channels, groups, outputs) if channels else source
    return replace(combined, is_global=is_global)


@register(aten._softmax, aten._log_softmax, aten._safe_softmax)
def softmax(call: Call) -> Value:
    """Each element divided by a sum over one dimension."""
    source = call.value("self")
    return _normalized(source, _dims(call["dim"], source))


@register(
    aten.native_batch_norm,
    aten._native_batch_norm_legit,
    aten._native_batch_norm_legit_no_training,
    aten.cudnn_batch_norm,
    aten._batch_norm_no_update,
    aten._batch_norm_with_update,
)
def batch_norm(call: Call) -> Value:
    """Elementwise with running statistics, global with those of the batch."""
    source = call.value("input")
    statistics = call.arguments.get("training", False) or "with_update" in str(call.op)
    space = [dim for dim in range(len(source.shape)) if dim != 1]
    return replace(source, is_global=source.is_global or bool(statistics and _spans(source, space)), windows=None)


@register(aten.native_layer_norm, aten._fused_rms_norm)
def layer_norm(call: Call) -> Value:
    """Statistics over the last dimensions: local over channels alone, global over a map."""
    source = call.value("input")
    count = len(call["normalized_shape"])
    return replace(_normalized(source, range(len(source.shape) - count, len(source.shape))), windows=None)


@register(aten.native_group_norm)
def group_norm(call: Call) -> Value:
    """Statistics over groups of channels and all of space."""
    source = call.value("input")
    return replace(_normalized(source, range(1, len(source.shape)), call["group"]), windows=None)


@register(aten.mm, aten.bmm, aten.addmm, aten.baddbmm, aten.mv, aten.addmv, aten.addbmm)
def matrix_product(call: Call) -> Value:
    """A linear layer sums over the last dimension; two factors that depend on the input are attention."""
    names = {
        "mm": ("self", "mat2"),
        "bmm": ("self", "mat2"),
        "addmm": ("mat1", "mat2"),
        "baddbmm": ("batch1", "batch2"),
    }
    names |= {"mv": ("self", "vec"), "addmv": ("mat", "vec"), "addbmm": ("batch1", "batch2")}
    left, right = (call[name] for name in names[call.op.overloadpacket.__name__])
    if isinstance(left, Value) and isinstance(right, Value):
        return attention(call)
    source = left if isinstance(left, Value) else right
    if not isinstance(source, Value):
        return pointwise(call)
    dim = len(source.shape) - (1 if source is left or len(source.shape) == 1 else 2)
    summed = mixed(source, [dim])
    windows, is_global = summed.windows, source.is_global or _spans(source, [dim])
    if call.op.overloadpacket in (aten.mv, aten.addmv):
        summed = rearranged(summed, lambda labels: labels.squeeze(dim))
    bias = call.arguments.get("self") if call.op.overloadpacket in (aten.addmm, aten.baddbmm, aten.addmv) else None
    terms = [summed, bias] if isinstance(bias, Value) else [summed]
    return replace(merged(terms, call.shapes[0]), is_global=is_global, windows=windows)


@register(
    aten._scaled_dot_product_flash_attention_for_cpu,
    aten._scaled_dot_product_flash_attention,
    aten._scaled_dot_product_efficient_attention,
    aten._scaled_dot_product_cudnn_attention,
    aten._scaled_dot_product_attention_math,
    aten._native_multi_head_attention,
    aten._transformer_encoder_layer_fwd,
)
def attention(call: Call) -> Value:
    """Every element may read all that any element of the operands reads, in windowed attention too: it is global."""
    sums = [mixed(source, range(len(source.shape))) for source in call.values]
    alike = [rearranged(part, lambda labels: labels.reshape(())) for part in sums]
    result = merged(alike, call.shapes[0])
    return replace(result, is_global=True, windows=sums[0].windows)


@register(
    aten.permute, aten.transpose, aten.t, aten.expand, aten.slice, aten.select, aten.squeeze, aten.unsqueeze,
    aten.clone, aten.alias, aten.detach, aten.contiguous, aten.roll, aten.flip, aten.pixel_shuffle,
    aten.pixel_unshuffle, aten.channel_shuffle, aten.index_select, aten.unfold, aten.repeat, aten.diagonal,
    aten.unbind, aten.split, aten.split_with_sizes, aten.chunk, aten.gather, aten.movedim, aten.native_channel_shuffle,
    aten.permute_copy, aten.rot90, aten.tile, aten.index, aten.take_along_dim, aten.diagonal_copy,
)  # fmt: skip
def rearrange(call: Call) -> Value | tuple[Value, ...]:
    """Elements move and none is computed: the same is done to what they read."""
    if len(call.values) != 1:
        raise NoRuleError(f"{call.function} with indices computed from the input")
    (name,) = (name for name, argument in call.arguments.items() if isinstance(argument, Value))

    def moves(output: int) -> Callable[[Tensor], Tensor]:
        def move(labels: Tensor) -> Tensor:
            result = call.op(**_named(call, {name: labels}))
            return result if isinstance(result, Tensor) else result[output]

        return move

    source = call.value(name)
    if len(call.shapes) == 1 and call.op._schema.returns[0].type.kind() != "ListType":
        return rearranged(source, moves(0))
    return tuple(rearranged(source, moves(output)) for output in range(len(call.shapes)))


def _named(call: Call, labels: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a call with labels in place of values, ready for the operation itself."""
    known = {argument.name for argument in call.op._schema.arguments}
    return {name: argument for name, argument in (call.arguments | labels).items() if name in known}


@register(aten.view, aten._unsafe_view, aten.reshape, aten._reshape_alias, aten.view_copy)
def reshape(call: Call) -> Value:
    """The same elements in the same order."""
    return rearranged(call.value("self"), lambda labels: labels.reshape(call.shapes[0]))


@register(aten.as_strided, aten.as_strided_)
def restride(call: Call) -> Value:
    """Another layout in memory, which keeps the order of elements where one dimension holds them all."""
    source = call.value("self")
    if call.shapes[0] != source.shape or sum(length > 1 for length in source.shape) > 1:
        raise NoRuleError(f"{call.function} ({call.op}) reads memory, not elements")
    return replace(source, windows=None)


@register(aten._to_copy, aten.lift_fresh_copy, aten.lift, aten.native_dropout, aten.bernoulli)
def same(call: Call) -> Value:
    """Each element as it is."""
    return replace(call.values[0], windows=None)


@register(
    aten.empty_like, aten.zeros_like, aten.ones_like, aten.full_like, aten.rand_like, aten.randn_like, aten.new_empty,
    aten.new_zeros, aten.new_ones, aten.new_full, aten.randint_like, aten.new_empty_strided, aten.fill,
)  # fmt: skip
def blank(call: Call) -> Value:
    """A tensor of the same shape that does not depend on the elements."""
    filling = call.arguments.get("value")
    return merged(
        [_part(filling, call.axes) if isinstance(filling, Value) else nothing(call.shapes[0], call.axes)],
        call.shapes[0],
    )


@register(aten.cat, aten.stack)
def concatenate(call: Call) -> Value:
    """Parts side by side: along channels each keeps its own field, along space each its own units."""
    parts = [_part(part, call.axes) for part in call["tensors"] if tuple(part.shape) != (0,)]
    dim = call.arguments.get("dim", 0) % len(call.shapes[0])
    if call.op.overloadpacket is aten.stack:
        parts = [rearranged(part, lambda labels: labels.unsqueeze(dim)) for part in parts]
    return assembled(parts, _side_by_side(dim), along=dim)


def _side_by_side(dim: int) -> Callable[[Sequence[Tensor]], Tensor]:
    return lambda parts: torch.cat(list(parts), dim)


def _part(part: Value | Tensor, axes: int) -> Value:
    return part if isinstance(part, Value) else nothing(part.shape, axes)


@register(aten.slice_scatter, aten.select_scatter)
def scatter(call: Call) -> Value:
    """A part of one tensor replaced by another."""
    parts = [_part(call[name], call.axes) for name in ("self", "src")]
    return assembled(parts, lambda labels: call.op(**_named(call, {"self": labels[0], "src": labels[1]})))


@register(aten.index_put)
def index_put(call: Call) -> Value:
    """Chosen elements of one tensor replaced by those of another."""
    parts = [_part(call[name], call.axes) for name in ("self", "values")]
    if call["accumulate"] or any(isinstance(index, Value) for index in call["indices"]):
        raise NoRuleError(f"{call.function} that adds, or with indices computed from the input")
    return assembled(parts, lambda labels: call.op(**_named(call, {"self": labels[0], "values": labels[1]})))


@register(aten.copy)
def copy(call: Call) -> Value:
    """All of a tensor replaced by another."""
    return merged([_part(call["src"], call.axes)], call.shapes[0])


@register(aten.constant_pad_nd)
def constant_pad(call: Call) -> Value:
    """Padding moves the start and reads nothing; a negative one crops. Padded channels depend on nothing."""
    source, shape = call.value("self"), call.shapes[0]
    pads = {len(shape) - 1 - i: (call["pad"][2 * i], call["pad"][2 * i + 1]) for i in range(len(call["pad"]) // 2)}
    pads = {dim: pad for dim, pad in pads.items() if any(pad)}
    spatial = [dim for dim in pads if dim >= len(shape) - call.axes or any(dim in source.dims(a) for a in source.axes)]
    between = torch.Size(n if d in spatial else source.shape[d] for d, n in enumerate(shape))
    result = windowed(source, {dim: axis.strided(-pads[dim][0], 1) for dim in spatial}, between)
    for dim in (dim for dim in pads if dim not in spatial):
        before, after = pads[dim]
        if min(before, after) < 0:
            raise NoRuleError(f"{call.function} that crops channels")
        blanks = [
            nothing(torch.Size(n if d == dim else m for d, m in enumerate(result.shape)), call.axes) for n in pads[dim]
        ]
        result = assembled([blanks[0], result, blanks[1]], _side_by_side(dim), along=dim)
    return result


@register(
    aten.reflection_pad1d, aten.reflection_pad2d, aten.reflection_pad3d,
    aten.replication_pad1d, aten.replication_pad2d, aten.replication_pad3d,
)  # fmt: skip
def mirror_pad(call: Call) -> Value:
    """Padding that reads again what lies inside: interior units see a shift, those at the border what is folded in."""
    source, shape = call.value("self"), call.shapes[0]
    windows = {}
    for i in range(len(call["padding"]) // 2):
        dim = len(shape) - 1 - i
        last, before = source.shape[dim] - 1, call["padding"][2 * i]
        places = [o - before for o in range(shape[dim])]
        if "reflection" in str(call.op):
            edges = tuple((last - abs(last - abs(place)),) for place in places)
        else:
            edges = tuple((min(max(place, 0), last),) for place in places)
        windows[dim] = replace(axis.strided(-before, 1), edges=edges)
    return windowed(source, windows, shape)


@register(
    aten.upsample_nearest1d, aten.upsample_nearest2d, aten.upsample_nearest3d, aten._upsample_nearest_exact1d,
    aten._upsample_nearest_exact2d, aten._upsample_nearest_exact3d, aten.upsample_linear1d, aten.upsample_bilinear2d,
    aten.upsample_trilinear3d, aten.upsample_bicubic2d,
)  # fmt: skip
def upsample(call: Call) -> Value:
    """Interpolation: the inputs of weight other than zero around the place of each output."""
    source, shape, name = call.value("self", "input"), call.shapes[0], str(call.op)
    reach = 0 if "nearest" in name else 2 if "cubic" in name else 1
    corners = bool(call.arguments.get("align_corners", False))
    half = Fraction(0) if corners or (reach == 0 and "exact" not in name) else Fraction(1, 2)
    windows = {}
    for dim in range(2, len(shape)):
        length, outputs = source.shape[dim], shape[dim]
        if length == 1:
            windows[dim] = Window(((0,),) * outputs, 1, stride=Fraction(1, outputs))
        elif corners and outputs == 1:
            windows[dim] = axis.strided(0, 1)
        else:
            given = None if corners else _given_scale(call, dim - 2, len(shape) - 2)
            ratio = Fraction(length - 1, outputs - 1) if corners else given or Fraction(length, outputs)
            windows[dim] = axis.resampled(ratio, half, reach, length, outputs)
    return windowed(source, windows, shape)


def _given_scale(call: Call, index: int, count: int) -> Fraction | None:
    """The factor that the caller named, which torch then uses instead of the ratio of sizes."""
    suffix = {1: [""], 2: ["_h", "_w"], 3: ["_d", "_h", "_w"]}[count][index]
    scales = call.arguments.get("scale_factors")
    scale = scales[index] if scales else call.arguments.get(f"scales{suffix}")
    return 1 / Fraction(scale).limit_denominator(1 << 16) if scale else None


@register(aten.im2col)
def unfold(call: Call) -> Value:
    """Patches as columns: elements move, and padding reads nothing."""
    source = call.value("self")
    blank = nothing(source.shape, call.axes)
    padded = assembled([source, blank], lambda labels: torch.cat(list(labels)))
    first = replace(padded, shape=source.shape, kinds=padded.kinds[:1].clone())

    def move(labels: Tensor) -> Tensor:
        result: Tensor = call.op(**_named(call, {"self": (labels + 1).double()}))
        return (result - 1).long()

    moved = rearranged(first, lambda labels: move(labels).clamp(min=0))
    empty = len(first.fields)
    kinds = move(first.kinds.expand(source.shape))
    return replace(moved, fields=(*first.fields, ()), kinds=torch.where(kinds < 0, empty, kinds))


@register(aten.glu)
def gated_linear_unit(call: Call) -> Value:
    """The first half of the channels times a function of the second."""
    source = call.value("self")
    dim = _dims(call["dim"], source)[0]
    halves = [rearranged(source, partial(_half, dim, which)) for which in range(2)]
    return merged(halves, call.shapes[0])


def _half(dim: int, which: int, labels: Tensor) -> Tensor:
    return labels.chunk(2, dim)[which]
