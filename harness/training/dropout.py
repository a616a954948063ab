"""Element-wise dropout with masks from random bytes, drawn by one generator per network.

torch draws one uniform number per element, which takes a third of an epoch of these small networks on a CPU. Here one
byte per element gives the rate rounded down to 1/256, and the few elements that are missing are dropped by drawing the
gaps between them. The rate is exact, and elements are independent.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function

from harness.training.batch_norm import side_by_side

_SPARSE = 1 / 32  # below this rate, drawing gaps alone is faster than drawing one byte per element


class Dropout(nn.Dropout):
    """`torch.nn.Dropout` with its own generators: one, or S under `torch.vmap` over S stacked networks.

    Each of the S networks has the masks that it would have alone.
    """

    def __init__(self, rate: float, generators: list[torch.Generator]) -> None:
        super().__init__(rate)
        self.generators = generators

    def forward(self, input: Tensor) -> Tensor:
        """Any shape; the input itself in evaluation mode."""
        if not self.training or self.p == 0:
            return input
        mask = _Draw.apply(input, self.p, self.generators)
        output: Tensor = _Multiply.apply(input, mask, self.p)
        return output


class _Draw(Function):
    # A mask. It has a rule of its own under vmap, since a draw is not a function of the input.

    @staticmethod
    def forward(input: Tensor, rate: float, generators: list[torch.Generator]) -> Tensor:
        (generator,) = generators
        return mask(input, rate, generator)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.mark_non_differentiable(output)

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], input: Tensor, rate: float, generators: list[torch.Generator]
    ) -> tuple[Tensor, int]:
        inputs = side_by_side(input, in_dims[0], info.batch_size)
        return masks(inputs.movedim(1, 0), rate, generators).movedim(0, 1), 1


class _Multiply(Function):
    # Whose gradient is masked alike.

    @staticmethod
    def forward(input: Tensor, mask: Tensor, rate: float) -> Tensor:
        return masked(input, mask, rate)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, mask, ctx.rate = inputs
        ctx.save_for_backward(mask)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return masked(gradient, ctx.saved_tensors[0], ctx.rate), None, None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], input: Tensor, mask: Tensor, rate: float) -> tuple[Any, int]:
        both = (side_by_side(one, dim, info.batch_size) for one, dim in zip((input, mask), in_dims, strict=False))
        return _Multiply.apply(*both, rate), 1


def replace(model: nn.Module, generators: list[torch.Generator]) -> None:
    """Make every `torch.nn.Dropout` of a network a `Dropout` with these generators.

    It stays the same object, since forward may reach it by another way than its name.
    """
    for module in model.modules():
        if type(module) is nn.Dropout:
            module.__class__ = Dropout
            vars(module)["generators"] = generators


def masked(input: Tensor, mask: Tensor, rate: float) -> Tensor:
    """The input times the factors of a mask, or where that is true, scaled: one operation in either case."""
    if mask.dtype != torch.bool:
        return input * mask
    output: Tensor = torch.ops.aten.native_dropout_backward(input, mask, 1 / (1 - rate))  # of whatever is masked
    return output


def masks(like: Tensor, rate: float, generators: list[torch.Generator]) -> Tensor:
    """The masks of S networks for inputs (S, ...), each by its own generator."""
    if like.device.type != "cpu" and rate < 1:
        return kept(like, rate, generators)
    return torch.stack([mask(one, rate, generator) for one, generator in zip(like, generators, strict=True)])


def kept(like: Tensor, rate: float, generators: list[torch.Generator]) -> Tensor:
    """Whether each element of inputs (S, ...) is kept, with probability 1 - rate: the masks of a GPU, which draws fast.

    A byte each, since for these networks a GPU waits for memory.
    """
    drawn = torch.empty(like.shape, dtype=torch.bool, device=like.device)
    for one, generator in zip(drawn, generators, strict=True):
        one.bernoulli_(1 - rate, generator=generator)
    return drawn


def mask(like: Tensor, rate: float, generator: torch.Generator) -> Tensor:
    """0 with probability `rate`, else 1 / (1 - rate), each element independent: shape and type of `like`.

    On a GPU as `kept`.
    """
    if rate >= 1:
        return torch.zeros_like(like)
    if like.device.type != "cpu":
        return kept(like[None], rate, [generator])[0]
    # In one fixed memory order, so that the layout of `like` does not change which elements are dropped.
    order = torch.channels_last if like.dim() == 4 else torch.contiguous_format
    drawn = torch.empty_like(like, memory_format=order)
    flat = drawn.as_strided((drawn.numel(),), (1,))
    # An element is dropped by its byte, with probability below / 256, or by a gap that ends on it: together, the rate.
    below = math.floor(256 * rate) if rate >= _SPARSE else 0
    scale = 1 / (1 - rate)
    if below:
        flat.copy_(_random_bytes(len(flat), generator).ge_(below)).mul_(scale)
    else:
        flat.fill_(scale)
    rest = 1 - (1 - rate) / (1 - below / 256)
    if rest > 0:
        flat.index_fill_(0, _successes(len(flat), rest, generator), 0.0)
    return drawn


def _random_bytes(n: int, generator: torch.Generator) -> Tensor:
    # Eight bytes per draw.
    words = torch.empty(math.ceil(n / 8), dtype=torch.int64).random_(-(2**63), None, generator=generator)
    return words.view(torch.uint8)[:n]


def _successes(n: int, rate: float, generator: torch.Generator) -> Tensor:
    """The indices of the successes in n trials at `rate`, ascending: the gaps between them are geometric."""
    n_gaps = math.ceil(n * rate + 6 * math.sqrt(n * rate) + 16)
    indices = [torch.full((1,), -1, dtype=torch.int64)]
    while indices[-1][-1] < n:  # 6 deviations above the mean: a second draw is needed about once in a billion
        gaps = torch.empty(n_gaps, dtype=torch.float64).geometric_(rate, generator=generator).long()
        indices.append(indices[-1][-1] + gaps.cumsum(0))
    drawn = torch.cat(indices[1:])
    return drawn[: torch.searchsorted(drawn, n)]
