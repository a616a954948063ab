"""The receptive field by the gradient: an oracle that shares no arithmetic with the analysis.

A unit depends on a pixel if its derivative is not zero. Computed derivatives show this only if nothing cancels,
saturates or underflows. The oracle therefore changes the model first: float64, positive constant weights, identities
for activations and normalization, averages for maxima, sums for differences. It differentiates all channels at once.
At the edge of the field of a deep network, derivatives are below 1e-150 of the largest, so they are compared with zero
and no other threshold, and start from a large number.

Gates (one factor for a whole map, as in squeeze-and-excitation) are constant unless `gates` is true, since the analysis
leaves them out.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

_START = 1e150  # the derivative of the output by itself

_IDENTITIES = frozenset(
    [
        *("relu", "relu6", "leaky_relu", "prelu", "rrelu", "elu", "selu", "celu", "gelu", "silu", "mish", "threshold"),
        *("hardswish", "hardsigmoid", "hardtanh", "sigmoid", "tanh", "softplus", "logsigmoid", "softsign"),
        *("batch_norm", "layer_norm", "group_norm", "instance_norm", "local_response_norm", "rms_norm"),
        *("softmax", "log_softmax", "dropout", "dropout1d", "dropout2d", "dropout3d", "feature_dropout"),
    ]
)
_SUMS = frozenset(["sub", "subtract", "isub", "rsub", "maximum", "minimum"])
_PRODUCTS = frozenset(["mul", "multiply", "imul"])


class _Reached(Exception):  # noqa: N818 - it ends the pass and is no error
    """The forward pass has computed the tensor in question."""


class _Positive(TorchFunctionMode):
    """Replaces operations that could hide a path by positive and linear ones that read the same elements."""

    def __init__(self, gates: bool) -> None:
        super().__init__()
        self.gates = gates

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", "").strip("_")
        if name in _IDENTITIES:
            return args[0] if args else kwargs["input"]
        if name in _SUMS:
            return torch.add(args[0], args[1])
        if name in _PRODUCTS and not self.gates:
            args = _without_gate(args)
        if name == "max_pool2d":
            return _averaged(*args, **kwargs)
        if name == "adaptive_max_pool2d":
            return F.adaptive_avg_pool2d(*args[:2])
        if name == "amax":
            return torch.mean(*args, **kwargs)
        return func(*args, **kwargs)


def _without_gate(factors: tuple[Any, ...]) -> tuple[Any, ...]:
    """The two factors of a product, with 1 in place of a gate, whose powers would overflow in a deep network."""
    if len(factors) != 2 or any(not isinstance(factor, Tensor) or factor.ndim < 3 for factor in factors):
        return factors
    spread = [any(n > 1 for n in factor.shape[2:]) for factor in factors]
    return tuple(f if s or spread[0] == spread[1] else torch.ones_like(f) for f, s in zip(factors, spread, strict=True))


def _averaged(
    source: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor:
    """The sum over the windows of a max-pool, as a depthwise convolution with ones."""
    kernel, dilation, padding, stride = (
        (n, n) if isinstance(n, int) else tuple(n) for n in (kernel_size, dilation, padding, stride or kernel_size)
    )
    outputs = F.max_pool2d(source.detach(), kernel, stride, padding, dilation, ceil_mode).shape[-2:]
    room = [(n - 1) * s + (k - 1) * d + 1 for n, s, k, d in zip(outputs, stride, kernel, dilation, strict=True)]
    after = [r - p - n for r, p, n in zip(room, padding, source.shape[-2:], strict=True)]
    padded = F.pad(source, (padding[1], after[1], padding[0], after[0]))
    ones = source.new_ones(source.shape[1], 1, *kernel)
    return F.conv2d(padded, ones, None, stride, 0, dilation, source.shape[1])


@dataclass(frozen=True)
class GradientField:
    """One tensor of a positive version of a model, and the pixels on which its units depend."""

    image: Tensor
    output: Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of units along each axis."""
        return tuple(self.output.shape[2:])

    def mask(self, unit: Sequence[int]) -> Tensor:
        """The pixels (rows x columns, bool) on which any channel of a unit depends."""
        index: list[int | slice] = [slice(None), slice(None), *unit]
        start = torch.zeros_like(self.output)
        start[tuple(index)] = _START
        (gradient,) = torch.autograd.grad(self.output, self.image, start, retain_graph=True, allow_unused=True)
        if gradient is None:
            return torch.zeros(self.image.shape[2:], dtype=torch.bool)
        return (gradient[0] != 0).any(dim=0)

    def region(self, unit: Sequence[int]) -> tuple[list[int], ...]:
        """The rows and the columns of the input that a unit depends on."""
        return lines(self.mask(unit))


def lines(mask: Tensor) -> tuple[list[int], ...]:
    """The rows and the columns that have a pixel in a mask."""
    found = mask.nonzero()
    return tuple(found[:, axis].unique().tolist() for axis in range(mask.ndim))


@dataclass(frozen=True)
class Measured:
    """What the gradient shows of an interior unit along one axis, in pixels."""

    size: int
    stride: int
    padding: int
    used: int


def gradient_field(
    model: nn.Module, input_size: Sequence[int], at: str | None = None, gates: bool = False
) -> GradientField:
    """Run a positive version of a model.

    Args:
        model: any module that takes one tensor; it is not changed.
        input_size: channels, rows and columns.
        at: the path of the module whose output is of interest; by default the model itself.
        gates: whether factors for a whole map count as paths.

    """
    positive = _positive_copy(model)
    image = torch.ones(1, *input_size, dtype=torch.float64, requires_grad=True)
    reached: list[Tensor] = []

    def stop(_: nn.Module, __: Any, output: Tensor) -> None:
        reached.append(output)
        raise _Reached

    positive.get_submodule(at or "").register_forward_hook(stop)
    try:
        with _Positive(gates):
            positive(image + 0)
    except _Reached:
        pass
    return GradientField(image, reached[0])


def _positive_copy(model: nn.Module) -> nn.Module:
    """A float64 copy in eval mode with positive weights that sum to one per output, and without biases."""
    positive = copy.deepcopy(model).double().eval()
    with torch.no_grad():
        for name, parameter in positive.named_parameters():
            parameter.fill_(0 if name.endswith("bias") else 1 / max(1, parameter[:1].numel()))
            parameter.requires_grad_(False)
    return positive


def measure(
    model: nn.Module, channels: int, length: int, width: int, at: str | None = None, axis: int = 0
) -> Measured | None:
    """Measure along one axis on a strip, long along this axis and as narrow across it as the network allows.

    On a strip, a field of 2,000 pixels takes seconds. None means that a longer strip is needed: the two fields in the
    middle reach the border or differ by more than a shift, so that there is no interior unit.
    """
    shape = (length, width) if axis == 0 else (width, length)
    found = gradient_field(model, (channels, *shape), at)
    middle = [n // 2 for n in found.shape]
    before = [n - 1 if a == axis else n for a, n in enumerate(middle)]
    first, second = (found.region(unit)[axis] for unit in (before, middle))
    stride = second[0] - first[0]
    if first[0] == 0 or second[-1] == length - 1 or [i + stride for i in first] != second:
        return None
    return Measured(second[-1] - second[0] + 1, stride, middle[axis] * stride - second[0], len(second))


def plain_mask(model: nn.Module, input_size: Sequence[int], index: Any) -> Tensor:
    """The pixels (rows x columns, bool) on which `output[index]` depends, by derivatives at a random image.

    The model is used as it is, with its statistics, gates and weights, so it must not hide a path: no ReLU or maximum.
    """
    torch.manual_seed(0)
    image = torch.randn(1, *input_size, dtype=torch.float64, requires_grad=True)
    output = _fresh(model)(image)
    (gradient,) = torch.autograd.grad(output[index].square().sum(), image)
    return (gradient[0] != 0).any(dim=0)


def plain_region(model: nn.Module, input_size: Sequence[int], index: Any) -> tuple[list[int], ...]:
    """The rows and the columns on which `output[index]` depends, by derivatives at a random image."""
    return lines(plain_mask(model, input_size, index))


def changes(model: nn.Module, input_size: Sequence[int]) -> Tensor:
    """(*output, rows, columns) whether another value of a pixel can change an element, with a derivative or without."""
    torch.manual_seed(0)
    channels, rows, columns = input_size
    images = torch.rand(40, 1, *input_size, dtype=torch.float64)
    found = torch.zeros(*_fresh(model)(images[0]).shape, rows, columns, dtype=torch.bool)
    for image in images:
        before = _fresh(model)(image)
        for row, column in product(range(rows), range(columns)):
            other = image.clone()
            other[0, :, row, column] = torch.rand(channels)
            found[..., row, column] |= before != _fresh(model)(other)
    return found


def _fresh(model: nn.Module) -> nn.Module:
    """A copy of the model in double precision, with the buffers that it had before it ran."""
    return copy.deepcopy(model).double().eval()
