"""Element-wise dropout whose masks are drawn from random bytes, by a generator of its own.

torch draws a uniform number an element, which takes a third of the time of an epoch of these small networks on a CPU.
Here a byte an element decides what bytes can decide, and the rest of the rate is made up by gaps between the few
elements dropped beside, so that the rate is exact and every element independent.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

SPARSE = 1 / 32  # below this rate, drawing the gaps costs less than drawing a byte an element


class Dropout(nn.Dropout):
    """`torch.nn.Dropout`, elements zeroed at `rate` and the others scaled by 1 / (1 - rate), with its own generators.

    One generator a network: under `torch.vmap` over S stacked networks there must be S of them, and each network's
    masks are those that it would have alone.
    """

    def __init__(self, rate: float, generators: list[torch.Generator]) -> None:
        super().__init__(rate)
        self.generators = generators

    def forward(self, input: Tensor) -> Tensor:
        """Any shape; the input itself in evaluation mode."""
        if not self.training or self.p == 0:
            return input
        output: Tensor = _Drop.apply(input, self.p, self.generators)[0]
        return output


class _Drop(torch.autograd.Function):
    """Multiply with a mask; its own rule under vmap, since a draw is not a function of its input."""

    @staticmethod
    def forward(input: Tensor, rate: float, generators: list[torch.Generator]) -> tuple[Tensor, Tensor]:
        (generator,) = generators
        drawn = mask(input, rate, generator)
        return input * drawn, drawn

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(output[1])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor, None, None]:
        return gradient * ctx.saved_tensors[0], None, None

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], input: Tensor, rate: float, generators: list[torch.Generator]
    ) -> tuple[tuple[Tensor, Tensor], tuple[int, int]]:
        stacked = input.movedim(in_dims[0] or 0, 0)
        drawn = torch.stack([mask(one, rate, own) for one, own in zip(stacked, generators, strict=True)])
        return (stacked * drawn, drawn), (0, 0)


def replace(model: nn.Module, generators: list[torch.Generator]) -> None:
    """Put a `Dropout` with these generators in the place of every `torch.nn.Dropout` of a network."""
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if type(child) is nn.Dropout:
                setattr(parent, name, Dropout(child.p, generators).train(child.training))


def mask(like: Tensor, rate: float, generator: torch.Generator) -> Tensor:
    """0 with probability `rate`, else 1 / (1 - rate), each element independent: shape and type of `like`."""
    if rate >= 1:
        return torch.zeros_like(like)
    if like.device.type != "cpu":
        return torch.empty_like(like).bernoulli_(1 - rate, generator=generator).div_(1 - rate)
    # In one order, whatever that of `like`, so that the layout of a network does not change what it draws.
    order = torch.channels_last if like.dim() == 4 else torch.contiguous_format
    drawn = torch.empty_like(like, memory_format=order)
    flat = drawn.as_strided((drawn.numel(),), (1,))
    # Dropped by its byte, with probability below / 256, or by a gap that ends on it: together exactly the rate.
    below = math.floor(256 * rate) if rate >= SPARSE else 0
    scale = 1 / (1 - rate)
    if below:
        flat.copy_(random_bytes(len(flat), generator).ge_(below)).mul_(scale)
    else:
        flat.fill_(scale)
    rest = 1 - (1 - rate) / (1 - below / 256)
    if rest > 0:
        flat.index_fill_(0, successes(len(flat), rest, generator), 0.0)
    return drawn


def random_bytes(n: int, generator: torch.Generator) -> Tensor:
    """Independent uniform bytes: (n,) uint8, eight from each draw."""
    words = torch.empty(math.ceil(n / 8), dtype=torch.int64).random_(-(2**63), None, generator=generator)
    return words.view(torch.uint8)[:n]


def successes(n: int, rate: float, generator: torch.Generator) -> Tensor:
    """The places of the successes in n trials at `rate`, in order: gaps between them are geometric."""
    most = math.ceil(n * rate + 6 * math.sqrt(n * rate) + 16)
    places = [torch.full((1,), -1, dtype=torch.int64)]
    while places[-1][-1] < n:  # a second draw is needed about once in a thousand million
        gaps = torch.empty(most, dtype=torch.float64).geometric_(rate, generator=generator).long()
        places.append(places[-1][-1] + gaps.cumsum(0))
    found = torch.cat(places[1:])
    return found[: torch.searchsorted(found, n)]
