"""The rules of operations that compute: what the elements of a result read, given what those of the operands read.

To add a rule, also for an operation of another library:

    from harness.receptive_field import register
    from harness.receptive_field.field_map import FieldMap, rearranged
    from harness.receptive_field.rules.registry import Call

    @register(torch.ops.mylib.shift_rows)
    def shift_rows(call: Call) -> FieldMap:
        return rearranged(call.value("input"), lambda labels: labels.roll(1, dims=2))
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from harness.receptive_field import lattice
from harness.receptive_field.combine import kinds_mixed, merged, mixed, windowed
from harness.receptive_field.field_map import FieldMap, NoRuleError, rearranged
from harness.receptive_field.lattice import Window
from harness.receptive_field.rules.registry import Call, pointwise, register

aten = torch.ops.aten


@register(aten.mul, aten.div)
def scale(call: Call) -> FieldMap:
    """A product; one factor for a whole map is a gate (squeeze and excitation) and only makes the field global."""
    factors = call.values
    for gate, other in (factors, factors[::-1]) if len(factors) == 2 else ():
        spread = [a for a in other.axes if other.units(a) > 1]
        if spread and all(gate.units(a) == 1 for a in other.axes):
            is_global = other.is_global or any(gate.fields)
            return replace(merged([other], call.shapes[0]), is_global=is_global)
    return merged(factors, call.shapes[0])


@register(aten.convolution, aten._convolution)
def convolution(call: Call) -> FieldMap:
    """A window over space and a sum over the channels of each group; transposed if the operation is."""
    weight = call["weight"]
    if isinstance(weight, FieldMap):
        raise NoRuleError(f"{call.function} with weights computed from the input")
    source, groups = call.value("input"), call["groups"]
    dims = range(2, len(source.shape))
    steps = [_spread(call[name], len(dims)) for name in ("stride", "padding", "dilation")]
    make = lattice.transposed if call["transposed"] else lattice.sliding
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
def pool(call: Call) -> FieldMap:
    """A window over space, separately per channel; ceil_mode only shows in the number of outputs."""
    source = call.value("self")
    kernel = call["kernel_size"]
    count = len(kernel) if len(kernel) > 1 else 3 if "3d" in str(call.op) else 2 if "2d" in str(call.op) else 1
    kernels, padding = _spread(kernel, count), _spread(call["padding"], count)
    strides = _spread(call["stride"] or kernel, count)
    dilation = _spread(call.arguments.get("dilation", 1), count)
    first = len(source.shape) - count
    windows = {first + i: lattice.sliding(kernels[i], strides[i], padding[i], dilation[i]) for i in range(count)}
    return _pooled(source, windows, call.shapes[0])


@register(
    aten._adaptive_avg_pool2d,
    aten._adaptive_avg_pool3d,
    aten.adaptive_avg_pool1d,
    aten.adaptive_max_pool2d,
    aten.adaptive_max_pool3d,
)
def adaptive_pool(call: Call) -> FieldMap:
    """Windows spread evenly over a map; they overlap where the sizes do not divide."""
    source = call.value("self")
    first = len(source.shape) - len(call["output_size"])
    dims = range(first, len(source.shape))
    return _pooled(source, {dim: lattice.bins(source.shape[dim], call.shapes[0][dim]) for dim in dims}, call.shapes[0])


def _pooled(source: FieldMap, windows: dict[int, Window], shape: torch.Size) -> FieldMap:
    result = windowed(source, windows, shape)
    return replace(result, is_global=result.is_global or all(shape[dim] == 1 for dim in windows))


@register(
    aten.mean, aten.sum, aten.amax, aten.amin, aten.var, aten.std, aten.var_mean, aten.prod, aten.linalg_vector_norm,
    aten.norm, aten.logsumexp, aten.max, aten.min, aten.any, aten.all,
)  # fmt: skip
def reduction(call: Call) -> FieldMap | tuple[FieldMap, ...]:
    """A statistic over whole dimensions; over space it counts as a kernel of the size of the map."""
    if "other" in call.arguments:
        return pointwise(call)
    source = call.values[0]
    dims = _dims(call.arguments.get("dim"), source)
    result = mixed(source, dims)
    is_global = source.is_global or _spans(source, dims)
    windows = result.windows
    if len(call.shapes[0]) != len(source.shape):
        result = rearranged(result, lambda labels: labels.squeeze(dims))
    result = replace(result, is_global=is_global, windows=windows)
    return (result,) * len(call.shapes) if len(call.shapes) > 1 else result


def _dims(dims: Any, source: FieldMap) -> list[int]:
    listed = [dims] if isinstance(dims, int) else list(dims or range(len(source.shape)))
    return [dim % len(source.shape) for dim in listed]


def _spans(source: FieldMap, dims: Sequence[int]) -> bool:
    """Whether an axis of the input runs along any of the dimensions."""
    return any(set(source.dims(a)) & set(dims) for a in source.axes)


def _normalized(source: FieldMap, dims: Sequence[int], groups: int = 1) -> FieldMap:
    """A map divided by its own statistics, which act as a gate over space and as a sum over channels."""
    channels = [dim for dim in dims if all(dim not in source.dims(a) for a in source.axes)]
    is_global = source.is_global or _spans(source, dims)
    outputs = source.shape[channels[0]] if groups > 1 else 1
    combined = kinds_mixed(source, channels, groups, outputs) if channels else source
    return replace(combined, is_global=is_global)


@register(aten._softmax, aten._log_softmax, aten._safe_softmax)
def softmax(call: Call) -> FieldMap:
    """Elements divided by their sum over one dimension."""
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
def batch_norm(call: Call) -> FieldMap:
    """Elementwise with running statistics; global with those of the batch."""
    source = call.value("input")
    statistics = call.arguments.get("training", False) or "with_update" in str(call.op)
    space = [dim for dim in range(len(source.shape)) if dim != 1]
    return replace(source, is_global=source.is_global or bool(statistics and _spans(source, space)), windows=None)


@register(aten.native_layer_norm, aten._fused_rms_norm)
def layer_norm(call: Call) -> FieldMap:
    """Statistics over the last dimensions; global if these include space."""
    source = call.value("input")
    count = len(call["normalized_shape"])
    return replace(_normalized(source, range(len(source.shape) - count, len(source.shape))), windows=None)


@register(aten.native_group_norm)
def group_norm(call: Call) -> FieldMap:
    """Statistics over groups of channels and all of space."""
    source = call.value("input")
    return replace(_normalized(source, range(1, len(source.shape)), call["group"]), windows=None)


@register(aten.mm, aten.bmm, aten.addmm, aten.baddbmm, aten.mv, aten.addmv, aten.addbmm)
def matrix_product(call: Call) -> FieldMap:
    """A sum over the last dimension, as in a linear layer; attention if both factors depend on the input."""
    names = {
        "mm": ("self", "mat2"),
        "bmm": ("self", "mat2"),
        "addmm": ("mat1", "mat2"),
        "baddbmm": ("batch1", "batch2"),
    }
    names |= {"mv": ("self", "vec"), "addmv": ("mat", "vec"), "addbmm": ("batch1", "batch2")}
    left, right = (call[name] for name in names[call.op.overloadpacket.__name__])
    if isinstance(left, FieldMap) and isinstance(right, FieldMap):
        return attention(call)
    source = left if isinstance(left, FieldMap) else right
    if not isinstance(source, FieldMap):
        return pointwise(call)
    dim = len(source.shape) - (1 if source is left or len(source.shape) == 1 else 2)
    summed = mixed(source, [dim])
    windows, is_global = summed.windows, source.is_global or _spans(source, [dim])
    if call.op.overloadpacket in (aten.mv, aten.addmv):
        summed = rearranged(summed, lambda labels: labels.squeeze(dim))
    bias = call.arguments.get("self") if call.op.overloadpacket in (aten.addmm, aten.baddbmm, aten.addmv) else None
    terms = [summed, bias] if isinstance(bias, FieldMap) else [summed]
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
def attention(call: Call) -> FieldMap:
    """Every element may read what any element of the operands reads; windowed attention counts as global too."""
    sums = [mixed(source, range(len(source.shape))) for source in call.values]
    alike = [rearranged(part, lambda labels: labels.reshape(())) for part in sums]
    result = merged(alike, call.shapes[0])
    return replace(result, is_global=True, windows=sums[0].windows)
