"""Initial weights that are the same on every CPU, where torch's own differ in the last place.

`torch.rand` gives the same numbers everywhere, but `uniform_` and `normal_`, which initialize layers, compute with them
what depends on the instructions that the CPU has. Here both are computed without such freedom; `uniform_` gives what
torch gives on a CPU with fused multiply-adds.
"""

import ctypes
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from harness.training.native import library
from harness.training.seeding import seeded


def initialized(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    """A new network with the weights that belong to a seed. Seeds torch's global generator."""
    with seeded(seed), _Portable():  # type: ignore[no-untyped-call]
        return build()


class _Portable(TorchDispatchMode):
    """Replaces the random initializations of float32 tensors while a network is built."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        draw = _DRAWS.get(func)
        if draw is None or args[0].dtype != torch.float32 or args[0].device.type != "cpu":
            return func(*args, **(kwargs or {}))
        return args[0].copy_(draw(args[0].shape, *args[1:], **(kwargs or {})))


def _uniform(
    shape: torch.Size, low: float = 0.0, high: float = 1.0, generator: torch.Generator | None = None
) -> Tensor:
    bounds = torch.tensor([low, high])
    low_, width = bounds[0].double(), (bounds[1] - bounds[0]).double()
    return torch.rand(shape, generator=generator).double() * width + low_  # exact but for the rounding of the sum


def _normal(shape: torch.Size, mean: float = 0.0, std: float = 1.0, generator: torch.Generator | None = None) -> Tensor:
    """By the transform of Box and Muller, with the logarithm and the cosine of the kernels."""
    kernels, sine, cosine = library.load(), ctypes.c_double(), ctypes.c_double()

    def deviate(radius: float, turns: float) -> float:
        kernels.sine_cosine(turns, ctypes.byref(sine), ctypes.byref(cosine))
        return mean + std * math.sqrt(-2 * kernels.logarithm(1 - radius)) * cosine.value

    draws = torch.rand(shape.numel(), 2, generator=generator, dtype=torch.float64).tolist()
    return torch.tensor([deviate(*pair) for pair in draws], dtype=torch.float64).view(shape)


_DRAWS: dict[Any, Callable[..., Tensor]] = {
    torch.ops.aten.uniform_.default: _uniform,
    torch.ops.aten.normal_.default: _normal,
}
