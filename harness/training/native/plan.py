"""A network as the units that `kernels.cpp` computes, or the reason why it is not one.

What it takes, one after the other, as `torch.nn` modules or as their functions: convolutions (any kernel, stride and
groups, with a padding below the kernel) and linear maps; ReLU; batch normalization; dropout; max-pools without padding;
averages over a whole map, plain or weighted as in `models.blocks`; flattening; and at the end a log-softmax over ten
classes, unless a classifier has that behind its logits. Maps are square.
"""

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from harness.training.native.operations import IMAGES, Factor, NotCoveredError, operations_of
from harness.training.network import returns_logits

CONVOLUTION, COPY, AVERAGE = range(3)  # the kinds of a unit


class Unit(ctypes.Structure):
    """A convolution, a copy or an average, and what follows it. Mirrors `Unit` in kernels.cpp."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("weight", "bias", "gamma", "beta", "mean", "variance")),
        *((name, ctypes.c_double) for name in ("eps", "momentum", "dropout")),
        *(
            (name, ctypes.c_int32)
            for name in (
                *("kind", "inputs", "outputs", "groups", "kernel", "stride", "padding", "side_in", "side"),
                *("relu_before", "normalized", "relu_after", "window", "step", "side_out"),
            )
        ),
    ]


@dataclass
class Plan:
    """The units of a network, and where its parameters and running statistics are in flat arrays."""

    units: list[Unit] = field(default_factory=list)
    parameters: list[Tensor] = field(default_factory=list)
    """In the order of the network, which is that of the flat array."""
    buffers: list[Tensor] = field(default_factory=list)
    """Running means and variances, unit by unit."""

    @property
    def multiplications(self) -> int:
        """Those of all convolutions and linear maps, for one image."""
        return sum(
            unit.outputs * unit.groups * unit.inputs * unit.kernel**2 * unit.side**2
            for unit in self.units
            if unit.kind == CONVOLUTION
        )


def plan_of(network: nn.Module) -> Plan:
    """The plan of a network from N x 1 x 28 x 28 images to N x 10 log-probabilities; NotCoveredError if none."""
    return _Planner(network).plan


class _Planner:
    """Walks the traced operations of a network and appends units."""

    def __init__(self, network: nn.Module) -> None:
        self.channels, self.side, self.finished = 1, 28, False
        self.factor: Tensor | None = None
        self.places = _places(network.parameters())
        self.plan = Plan(parameters=list(network.parameters()))
        shape = None
        for operation, shape in operations_of(network):
            if self.finished:
                raise NotCoveredError("something follows the log-softmax")
            if self.factor is not None and not isinstance(operation, nn.AdaptiveAvgPool2d):
                raise NotCoveredError("it multiplies maps with a parameter without averaging them")
            self._add(operation)
            flat = self.channels * self.side**2
            if shape not in ((IMAGES, self.channels, self.side, self.side), (IMAGES, flat)):
                raise NotCoveredError(f"it has maps of another shape after {operation}")
        if self.factor is not None:
            raise NotCoveredError("it multiplies its results with a factor")
        if not (self.finished or returns_logits(network)) or shape != (IMAGES, 10):
            raise NotCoveredError("it does not end in a log-softmax over ten classes")
        if sorted(self._used()) != sorted(self.places.values()):
            raise NotCoveredError("it has parameters that are used twice or never")
        if _overlap([*self.plan.parameters, *self.plan.buffers]):
            raise NotCoveredError("it has parameters or running statistics that share their memory")
        if any(not tensor.requires_grad or tensor.dtype != torch.float32 for tensor in self.plan.parameters):
            raise NotCoveredError("it has parameters that are not trained or not float32")

    def _used(self) -> Iterator[int]:
        for unit in self.plan.units:
            yield from (place for place in (unit.weight, unit.bias, unit.gamma, unit.beta) if place >= 0)

    def _add(self, operation: Any) -> None:
        match operation:
            case nn.Conv2d():
                self._convolution(operation)
            case nn.Linear():
                self._linear(operation)
            case nn.BatchNorm2d():
                self._normalization(operation)
            case nn.ReLU():
                self._relu()
            case nn.Dropout():
                self._dropout(operation.p)
            case nn.MaxPool2d():
                self._pool(operation)
            case nn.AdaptiveAvgPool2d():
                if operation.output_size not in (1, (1, 1)):
                    raise NotCoveredError(f"{operation} does not average the whole map")
                self._average()
            case nn.AvgPool2d():
                whole = _square(operation.kernel_size, operation) == self.side and operation.padding in (0, (0, 0))
                if not whole or operation.divisor_override is not None:
                    raise NotCoveredError(f"{operation} does not average the whole map")
                self._average()
            case nn.Flatten():
                pass  # a linear map reads whole maps; see there
            case nn.LogSoftmax():
                if operation.dim not in (None, 1, -1):  # None is 1 for maps and for what is flat
                    raise NotCoveredError(f"{operation} is not over the classes")
                self.finished = True
            case Factor():
                self.factor = operation.weight
            case _:
                raise NotCoveredError(f"it has {type(operation).__name__}")

    def _unit(self, kind: int, outputs: int, side: int, **rest: int) -> None:
        """Append a unit with nothing after it."""
        nowhere = dict.fromkeys(("weight", "bias", "gamma", "beta", "mean", "variance"), -1)
        base = {"inputs": 1, "outputs": 1, "groups": outputs, "kernel": 1, "stride": 1, "side_in": self.side}
        shape = {**base, **rest, "side": side, "side_out": side}
        self.plan.units.append(Unit(kind=kind, **{**nowhere, **shape}))
        self.channels, self.side = outputs, side

    def _convolution(self, layer: nn.Conv2d) -> None:
        kernel, stride = _square(layer.kernel_size, layer), _square(layer.stride, layer)
        if layer.dilation not in (1, (1, 1)) or isinstance(layer.padding, str) or layer.padding_mode != "zeros":
            raise NotCoveredError(f"{layer} has a dilation or a padding that is not")
        padding = _square(layer.padding, layer)
        if padding >= kernel:
            raise NotCoveredError(f"{layer} has a padding as large as its kernel")
        side = (self.side + 2 * padding - kernel) // stride + 1
        shape = {"kernel": kernel, "stride": stride, "padding": padding, "groups": layer.groups}
        self._weighted(layer, layer.in_channels, layer.out_channels, side, **shape)

    def _linear(self, layer: nn.Linear) -> None:
        """A linear map of flattened maps is a convolution with a kernel of their size."""
        if layer.in_features != self.channels * self.side**2:
            raise NotCoveredError(f"{layer} does not fit {self.channels} maps of side {self.side}")
        self._weighted(layer, self.channels, layer.out_features, 1, kernel=self.side, stride=1, padding=0, groups=1)

    def _weighted(
        self, layer: nn.Conv2d | nn.Linear, inputs: int, outputs: int, side: int, *, groups: int, **shape: int
    ) -> None:
        if inputs != self.channels or side < 1:
            raise NotCoveredError(f"{layer} does not fit {self.channels} maps of side {self.side}")
        places = {"weight": self._place(layer.weight), "bias": self._place(layer.bias)}
        self._unit(CONVOLUTION, outputs, side, **shape, **places)
        unit = self.plan.units[-1]
        unit.inputs, unit.outputs, unit.groups = inputs // groups, outputs // groups, groups

    def _average(self) -> None:
        weight, self.factor = self.factor, None
        if weight is not None and tuple(weight.shape) != (self.side, self.side):
            raise NotCoveredError(f"a weighted average does not fit maps of side {self.side}")
        self._unit(AVERAGE, self.channels, 1, kernel=self.side, weight=self._place(weight))

    def _last(self, *after: str) -> Unit:
        """The unit that an operation can join: the last, unless something that must come later is in it already."""
        last = self.plan.units[-1] if self.plan.units else None
        if last is None or any(getattr(last, name) for name in after):
            self._unit(COPY, self.channels, self.side)
        return self.plan.units[-1]

    def _normalization(self, layer: nn.BatchNorm2d) -> None:
        if layer.momentum is None or not layer.track_running_stats:
            raise NotCoveredError(f"{layer} has no running average with a momentum")
        assert layer.running_mean is not None
        assert layer.running_var is not None
        unit = self._last("normalized", "dropout", "window")
        # A ReLU that was last so far comes before the normalization.
        unit.relu_before, unit.relu_after, unit.normalized = unit.relu_after, 0, 1
        unit.gamma, unit.beta = self._place(layer.weight), self._place(layer.bias)
        unit.eps, unit.momentum = layer.eps, layer.momentum
        start = sum(buffer.numel() for buffer in self.plan.buffers)
        unit.mean, unit.variance = start, start + self.channels
        self.plan.buffers += [layer.running_mean, layer.running_var]

    def _relu(self) -> None:
        # A ReLU and a dropout may change places.
        self._last("window").relu_after = 1

    def _dropout(self, rate: float) -> None:
        if rate > 1 - 2**-32:  # kernels.cpp compares with words of 32 bits
            raise NotCoveredError("it drops everything")
        if rate > 0:
            self._last("dropout", "window").dropout = rate

    def _pool(self, layer: nn.MaxPool2d) -> None:
        window = _square(layer.kernel_size, layer)
        step = _square(layer.stride or layer.kernel_size, layer)
        if layer.padding not in (0, (0, 0)) or layer.dilation not in (1, (1, 1)) or layer.ceil_mode:
            raise NotCoveredError(f"{layer} has a padding, a dilation or ceil_mode")
        if window > self.side:
            raise NotCoveredError(f"{layer} does not fit maps of side {self.side}")
        unit = self._last("window")
        unit.window, unit.step = window, step
        unit.side_out = self.side = (self.side - window) // step + 1

    def _place(self, tensor: Tensor | None) -> int:
        if tensor is not None and tensor not in self.places:
            raise NotCoveredError("it computes its weights, or has a factor that is no parameter")
        return -1 if tensor is None else self.places[tensor]


def _places(tensors: Iterator[Tensor]) -> dict[Tensor, int]:
    places, start = {}, 0
    for tensor in tensors:
        places[tensor] = start
        start += tensor.numel()
    return places


def _overlap(tensors: list[Tensor]) -> bool:
    """Whether a number is of two of the tensors: each is to have memory of its own."""
    spans = sorted(
        (one.data_ptr(), one.data_ptr() + one.element_size() * _extent(one)) for one in tensors if one.numel()
    )
    return any(end > start for (_, end), (start, _) in pairwise(spans))


def _extent(tensor: Tensor) -> int:
    """The numbers from the first to the last of a tensor in its memory, some of which may be of others."""
    return 1 + sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))


def _square(size: int | tuple[int, ...], layer: nn.Module) -> int:
    sides = {size} if isinstance(size, int) else set(size)
    if len(sides) != 1:
        raise NotCoveredError(f"{layer} is not square")
    return sides.pop()
