"""Initial weights that are the same on every CPU, where torch's own differ in the last place.

`torch.rand` gives the same numbers everywhere, but `uniform_` and `normal_`, which initialize layers, compute with them
what depends on the instructions that the CPU has. Here both are computed without such freedom; `uniform_` gives what
torch gives on a CPU with fused multiply-adds. `randn`, `randn_like` and `normal` of a shape are new tensors and
`normal_`. Other draws, and what LAPACK makes of draws, are refused. What is not seen: arithmetic of a constructor's
own, as a product of matrices, and the draws of other libraries, which are seeded.
"""

import ctypes
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from harness.training.native import library
from harness.training.native.operations import NotCoveredError
from harness.training.seeding import seeded


def initialized(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    """A new network with the weights that belong to a seed; NotCoveredError if the CPU has a part in them.

    Seeds torch's global generator.
    """
    construction = _Portable()
    with seeded(seed), construction:
        network = build()
    if construction.refusal:
        raise NotCoveredError(construction.refusal)
    return network


def refusal_of(build: Callable[[], nn.Module]) -> str | None:
    """Why the initial weights of a network would depend on the CPU; None if they do not. Needs no compiler."""
    construction = _Watched()
    with torch.random.fork_rng(devices=[]), seeded(0), construction:
        build()
    return construction.refusal


class _Watched(TorchDispatchMode):
    """Notes the first operation in the construction of a network whose result depends on the CPU."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.refusal: str | None = None

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        options = kwargs or {}
        if written := _WRITTEN.get(func):
            with self:
                return written(*args, **options)
        draw = _DRAWS.get(func)
        if draw and args[0].dtype == torch.float32 and args[0].device.type == "cpu":
            return self.draw(func, draw, args, options)
        result = func(*args, **options)
        # A tensor on the meta device has no numbers.
        if self.refusal is None and _varies(func) and not getattr(result, "is_meta", False):
            self.refusal = f"its constructor calls {func.overloadpacket.__name__}, whose result depends on the CPU"
        return result

    def draw(self, func: Any, draw: Callable[..., Tensor], args: Any, options: Any) -> Any:
        """Draw a tensor of float32 for which there is a portable way."""
        return func(*args, **options)


class _Portable(_Watched):
    """Takes the portable way."""

    def draw(self, func: Any, draw: Callable[..., Tensor], args: Any, options: Any) -> Any:
        return args[0].copy_(draw(args[0].shape, *args[1:], **options))


def _varies(func: Any) -> bool:
    """Whether the result of an operation depends on the CPU, among those that initial weights come from."""
    name = func.overloadpacket.__name__
    drawn = torch.Tag.nondeterministic_seeded in func.tags and name not in _SAME_EVERYWHERE
    return drawn or "linalg" in name or name in _LIBRARIES


_SAME_EVERYWHERE = {"rand", "rand_like", "randint", "randint_like", "randperm", "random", "random_"}
"""The draws of torch that only count and scale by powers of two."""
_LIBRARIES = {"geqrf", "ormqr", "erfinv", "erfinv_"}
"""What LAPACK and MKL compute by the instructions there are, beside `torch.linalg`: the last is of `trunc_normal_`."""


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


def _new_normal(size: Sequence[int], *, generator: torch.Generator | None = None, **options: Any) -> Tensor:
    return torch.empty(size, **options).normal_(generator=generator)


_WRITTEN: dict[Any, Callable[..., Tensor]] = {
    torch.ops.aten.randn.default: _new_normal,
    torch.ops.aten.randn.generator: _new_normal,
    torch.ops.aten.randn_like.default: lambda like, **options: torch.empty_like(like, **options).normal_(),
    torch.ops.aten.normal.float_float: lambda mean, std, size, *, generator=None, **options: torch.empty(
        size, **options
    ).normal_(mean, std, generator=generator),
}
"""New tensors, by what fills them."""
