"""The receptive field as the gradient shows it: an oracle that shares no arithmetic with the analysis.

A unit depends on a pixel when the derivative is not zero. That is only true of the numbers that come out if nothing
cancels, saturates or underflows, and so the model is changed before it is asked: float64, positive constant weights,
activations and normalization as identity, averages for maxima, sums for differences, all channels seeded at once.
The smallest derivative at the edge of a deep network is below 1e-150 of the largest: nothing is compared with a
threshold, only with zero, and the seed is large.

Gates (a factor for a whole map, as in squeeze-and-excitation) are held constant unless `gates` is true, as the
analysis leaves them out.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

SEED = 1e150

IDENTITIES = frozenset(
    [
        *("relu", "relu6", "leaky_relu", "prelu", "rrelu", "elu", "selu", "celu", "gelu", "silu", "mish", "threshold"),
        *("hardswish", "hardsigmoid", "hardtanh", "sigmoid", "tanh", "softplus", "logsigmoid", "softsign"),
        *("batch_norm", "layer_norm", "group_norm", "instance_norm", "local_response_norm", "rms_norm"),
        *("softmax", "log_softmax", "dropout", "dropout1d", "dropout2d", "dropout3d", "feature_dropout"),
    ]
)
SUMS = frozenset(["sub", "subtract", "isub", "rsub", "maximum", "minimum"])
PRODUCTS = frozenset(["mul", "multiply", "imul"])


class _Reached(Exception):  # noqa: N818 - it ends the pass and is no error
    """The forward pass has come to the tensor that was asked for."""


class _Positive(TorchFunctionMode):
    """Replaces what could hide a path by something positive and linear that reads the same elements."""

    def __init__(self, gates: bool) -> None:
        super().__init__()
        self.gates = gates

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", "").strip("_")
        if name in IDENTITIES:
            return args[0] if args else kwargs["input"]
        if name in SUMS:
            return torch.add(args[0], args[1])
        if name in PRODUCTS and not self.gates:
            args = _without_gate(args)
        if name == "max_pool2d":
            return _averaged(*args, **kwargs)
        if name == "adaptive_max_pool2d":
            return F.adaptive_avg_pool2d(*args[:2])
        if name == "amax":
            return torch.mean(*args, **kwargs)
        return func(*args, **kwargs)


def _without_gate(factors: tuple[Any, ...]) -> tuple[Any, ...]:
    """Two factors of which one that is the same all over a map becomes one: its powers would overflow in a deep net."""
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
    """A sum over the windows of a maximum, as a convolution with ones of every channel alone."""
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
    """One tensor of a positive version of a model, whose units can be asked which pixels they depend on."""

    image: Tensor
    output: Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        """How many units there are along each axis."""
        return tuple(self.output.shape[2:])

    def mask(self, unit: Sequence[int]) -> Tensor:
        """The pixels (rows x columns, bool) on which a unit depends, all its channels together."""
        place: list[int | slice] = [slice(None), slice(None), *unit]
        seed = torch.zeros_like(self.output)
        seed[tuple(place)] = SEED
        (gradient,) = torch.autograd.grad(self.output, self.image, seed, retain_graph=True, allow_unused=True)
        if gradient is None:
            return torch.zeros(self.image.shape[2:], dtype=torch.bool)
        return (gradient[0] != 0).any(dim=0)

    def region(self, unit: Sequence[int]) -> tuple[list[int], ...]:
        """The rows and the columns of the input that a unit depends on."""
        return _lines(self.mask(unit))


def _lines(mask: Tensor) -> tuple[list[int], ...]:
    found = mask.nonzero()
    return tuple(found[:, axis].unique().tolist() for axis in range(mask.ndim))


@dataclass(frozen=True)
class Measured:
    """Size, stride and padding of an interior unit along one axis, in pixels, by the gradient alone."""

    size: int
    stride: int
    padding: int
    used: int


def gradient_field(
    model: nn.Module, input_size: Sequence[int], at: str | None = None, gates: bool = False
) -> GradientField:
    """Run a positive version of a model, of which the caller's is the pattern and stays unchanged.

    Args:
        model: any module that takes one tensor.
        input_size: channels, rows and columns.
        at: the path of the module whose output is asked for, by default the model itself.
        gates: whether factors for a whole map count as paths.

    """
    positive = positive_copy(model)
    image = torch.ones(1, *input_size, dtype=torch.float64, requires_grad=True)
    reached: list[Tensor] = []

    def keep(_: nn.Module, __: Any, output: Tensor) -> None:
        reached.append(output)
        raise _Reached

    positive.get_submodule(at or "").register_forward_hook(keep)
    try:
        with _Positive(gates):
            positive(image + 0)
    except _Reached:
        pass
    return GradientField(image, reached[0])


def positive_copy(model: nn.Module) -> nn.Module:
    """A float64 copy in eval mode whose weights are positive and sum to one for every output, without biases."""
    positive = copy.deepcopy(model).double().eval()
    with torch.no_grad():
        for name, parameter in positive.named_parameters():
            parameter.fill_(0 if name.endswith("bias") else 1 / max(1, parameter[:1].numel()))
            parameter.requires_grad_(False)
    return positive


def measure(
    model: nn.Module, channels: int, length: int, width: int, at: str | None = None, axis: int = 0
) -> Measured | None:
    """Measure along one axis on a strip: long in that axis, and as thin in the other as the network allows.

    A field of 2,000 pixels takes seconds on a strip. The two fields in the middle must be equal up to a shift and end
    before the border, or else there is no interior unit and the answer is None: a longer strip is needed.
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
