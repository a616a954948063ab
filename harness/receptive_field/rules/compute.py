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

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from harness.receptive_field import lattice
from harness.receptive_field.combine import merged, unweighed, windowed
from harness.receptive_field.field_map import FieldMap, NoRuleError, rearranged
from harness.receptive_field.lattice import Window
from harness.receptive_field.rules.registry import Call, register
from harness.receptive_field.sums import mixed

aten = torch.ops.aten


@register(aten.mul, aten.div)
def scale(call: Call) -> FieldMap:
    """A product; one factor for a whole map is a gate (squeeze and excitation), whose field does not count."""
    factors = call.values
    for gate, other in (factors, factors[::-1]) if len(factors) == 2 else ():
        if _is_gate(gate, other):
            both = merged([other, unweighed(gate, call.shapes[0])], call.shapes[0])
            return replace(both, windows=None)
    return merged(factors, call.shapes[0])


def _is_gate(factor: FieldMap, scaled: FieldMap) -> bool:
    """Whether a factor is one for a whole map."""
    return any(scaled.units(a) > 1 for a in scaled.axes) and all(factor.units(a) == 1 for a in scaled.axes)


@register(aten.bucketize, aten.searchsorted)
def search(call: Call) -> FieldMap:
    """The place of each element among boundaries, all of which it is compared with."""
    boundaries = call.value("boundaries", "sorted_sequence")
    along = len(boundaries.shape) - 1
    compared = _scalar(boundaries) if along == 0 else mixed(boundaries, [along])
    return replace(merged([call.value("self"), compared], call.shapes[0]), windows=None)


@register(aten.convolution, aten._convolution)
def convolution(call: Call) -> FieldMap:
    """A window over space and a sum over the channels of each group; weights made of whole maps are gates."""
    source, weight, groups = call.value("input"), call["weight"], call["groups"]
    made = [part for part in (weight, call["bias"]) if isinstance(part, FieldMap)]
    if any(part.units(axis) > 1 for part in made for axis in part.axes):
        raise NoRuleError(f"{call.function} with weights computed from the input")
    dims = range(2, len(source.shape))
    steps = [_per_dim(call[name], len(dims)) for name in ("stride", "padding", "dilation")]
    make = lattice.transposed if call["transposed"] else lattice.sliding
    windows = {dim: make(weight.shape[dim], *(s[dim - 2] for s in steps)) for dim in dims}
    result = windowed(source, windows, call.shapes[0], mixing=(groups, call.shapes[0][1]))
    gates = [unweighed(_scalar(part), result.shape) for part in made]
    return replace(merged([result, *gates], result.shape), windows=result.windows)


def _scalar(value: FieldMap) -> FieldMap:
    summed = mixed(value, range(len(value.shape)))
    return rearranged(summed, lambda labels: labels.reshape(()))


def _per_dim(numbers: int | Sequence[int], count: int) -> list[int]:
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
    kernels, padding = _per_dim(kernel, count), _per_dim(call["padding"], count)
    strides = _per_dim(call["stride"] or kernel, count)
    dilation = _per_dim(call.arguments.get("dilation", 1), count)
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
    """Pooling separately per channel: a sum over each dimension that is pooled whole, a window along the others."""
    ends = {dim: tuple(range(source.shape[dim])) for dim in windows if shape[dim] == 1}
    dims = [dim for dim, everything in ends.items() if windows[dim].inside(0) == everything]
    between = torch.Size(n if d in dims else shape[d] for d, n in enumerate(source.shape))
    result = windowed(source, {dim: window for dim, window in windows.items() if dim not in dims}, between)
    summed = mixed(result, dims)
    return replace(summed, windows={**(result.windows or {}), **(summed.windows or {})})


@register(
    aten.mean, aten.sum, aten.amax, aten.amin, aten.var, aten.std, aten.var_mean, aten.prod, aten.linalg_vector_norm,
    aten.norm, aten.logsumexp, aten.max, aten.min, aten.any, aten.all, aten.std_mean, aten.nansum, aten.median,
    aten.nanmedian, aten.mode, aten.kthvalue, aten.argmax, aten.argmin, aten.aminmax, aten.count_nonzero,
)  # fmt: skip
def reduction(call: Call) -> FieldMap | tuple[FieldMap, ...]:
    """A statistic over whole dimensions; over space it counts as a kernel of the size of the map."""
    source = call.values[0]
    dims = [] if call.shapes[0] == source.shape else _dims(call.arguments.get("dim"), source)  # any(dim=()) has none
    result = mixed(source, dims)
    if len(call.shapes[0]) != len(source.shape):
        result = replace(rearranged(result, lambda labels: labels.squeeze(dims)), windows=result.windows)
    if result.shape != call.shapes[0]:
        raise NoRuleError(f"{call.function} to a tensor of the shape {tuple(call.shapes[0])}")
    return (result,) * len(call.shapes) if len(call.shapes) > 1 else result


def _dims(dims: Any, source: FieldMap) -> list[int]:
    listed = [dims] if isinstance(dims, int) else list(dims or range(len(source.shape)))
    return [dim % len(source.shape) for dim in listed]


def _normalized(source: FieldMap, dims: Sequence[int]) -> FieldMap:
    """A map divided by its own statistics, which count as a sum over channels and not as one over space."""
    space = {dim for dim in dims if any(dim in source.dims(a) for a in source.axes)}
    terms = [source, mixed(source, [dim for dim in dims if dim not in space])]
    statistics = [unweighed(mixed(source, dims), source.shape)] if space else []
    return replace(merged([*terms, *statistics], source.shape), windows=None)


@register(aten._softmax, aten._log_softmax, aten._safe_softmax)
def softmax(call: Call) -> FieldMap:
    """Elements divided by their sum over one dimension."""
    source = call.value("self")
    return _normalized(source, _dims(call["dim"], source))


_AFFINE = ("weight", "bias")
_RUNNING = ("running_mean", "running_var")


def _adapted(call: Call, normalized: FieldMap, shape: Sequence[int], names: Sequence[str] = _AFFINE) -> FieldMap:
    """A normalized map with the arguments of some names that are computed from the input, viewed as `shape`.

    Those that are one for a whole map scale it as a gate does.
    """
    made = [part for name in names if isinstance(part := call.arguments.get(name), FieldMap)]
    parts = [rearranged(part, lambda labels: labels.reshape(shape)) for part in made]
    parts = [unweighed(part, normalized.shape) if _is_gate(part, normalized) else part for part in parts]
    return replace(merged([normalized, *parts], normalized.shape), windows=None)


def _per_channel(value: FieldMap) -> list[int]:
    """The shape of one number per channel that is broadcast over a map."""
    return [value.shape[1], *[1] * (len(value.shape) - 2)]


@register(
    aten.native_batch_norm,
    aten._native_batch_norm_legit,
    aten._native_batch_norm_legit_no_training,
    aten.cudnn_batch_norm,
    aten._batch_norm_no_update,
    aten._batch_norm_with_update,
)
def batch_norm(call: Call) -> FieldMap | tuple[FieldMap, ...]:
    """Elementwise with running statistics; those of the batch read a whole channel, and running ones follow them."""
    source, shape = call.value("input"), _per_channel(call.value("input"))
    if not (call.arguments.get("training", False) or "with_update" in str(call.op)):
        return _adapted(call, source, shape, _AFFINE + _RUNNING)
    dims = [dim for dim in range(len(source.shape)) if dim != 1]
    statistics = rearranged(mixed(source, dims), lambda labels: labels.flatten())
    running = [call.value(name) for name in _RUNNING if call.arguments.get(name) is not None]
    return (
        _adapted(call, _normalized(source, dims), shape),
        *[statistics] * (len(call.shapes) - 1),
        *(merged([statistics, before], statistics.shape) for before in running),
    )


@register(aten.native_layer_norm, aten._fused_rms_norm)
def layer_norm(call: Call) -> FieldMap:
    """Statistics over the last dimensions."""
    source, shape = call.value("input"), call["normalized_shape"]
    normalized = _normalized(source, range(len(source.shape) - len(shape), len(source.shape)))
    return _adapted(call, normalized, shape)


@register(aten.native_group_norm)
def group_norm(call: Call) -> FieldMap:
    """Statistics over groups of channels and all of space."""
    source = call.value("input")
    groups, shape = call["group"], source.shape
    apart = rearranged(source, lambda labels: labels.unflatten(1, (groups, -1)))
    normalized = _normalized(apart, range(2, len(apart.shape)))
    return _adapted(call, rearranged(normalized, lambda labels: labels.reshape(shape)), _per_channel(source))


_FACTORS = {
    aten.mm: ("self", "mat2"),
    aten.bmm: ("self", "mat2"),
    aten.mv: ("self", "vec"),
    aten.dot: ("self", "tensor"),
    aten.addmm: ("mat1", "mat2"),
    aten.addmv: ("mat", "vec"),
    aten.baddbmm: ("batch1", "batch2"),
    aten.addbmm: ("batch1", "batch2"),
}
"""The names of the factors of each product; what is called "self" and is none of them is added to it."""


@register(*_FACTORS)
def matrix_product(call: Call) -> FieldMap:
    """A sum over the last dimension, as in a linear layer; attention if both factors depend on the input."""
    product = call.op.overloadpacket
    left, right = (call[name] for name in _FACTORS[product])
    with_vector = len(right.shape) == 1
    terms: list[FieldMap] = []
    windows: Mapping[int, Window] | None = None
    for factor, dim in ((left, -1), (right, 0 if with_vector else -2)):
        if isinstance(factor, FieldMap):
            summed = mixed(factor, [dim % len(factor.shape)])
            windows = windows or summed.windows
            terms.append(summed)
    if with_vector:
        terms = [rearranged(term, lambda labels: labels.squeeze(-1)) for term in terms]
    elif product is aten.addbmm:
        terms = [rearranged(mixed(term, [0]), lambda labels: labels.squeeze(0)) for term in terms]
    if "self" not in _FACTORS[product] and isinstance(call["self"], FieldMap):
        terms.append(call["self"])
    return replace(merged(terms, call.shapes[0]), windows=windows)
