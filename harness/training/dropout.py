"""Element-wise dropout whose masks are drawn for each network by its seed.

On a CPU from random bytes: torch draws one uniform number per element, which takes a third of an epoch of these small
networks. Here one byte per element gives the rate rounded down to 1/256, and the few elements that are missing are
dropped by drawing the gaps between them. The rate is exact, and elements are independent. On a GPU by `philox`.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function

from harness.training.batch_norm import side_by_side
from harness.training.philox import kept

_SPARSE = 1 / 32  # below this rate, drawing gaps alone is faster than drawing one byte per element


class Masks(ABC):
    """The masks of S networks, one after the other as a training step asks for them."""

    generators: Sequence[torch.Generator]
    """Whose states a checkpoint has to keep."""

    @abstractmethod
    def begin(self) -> None:
        """Called before each training step."""

    @abstractmethod
    def draw(self, inputs: Tensor, rate: float) -> Tensor:
        """Masks for inputs (N, S, ...): the factors of all elements, or whether each is kept, a bool."""


class FromGenerators(Masks):
    """Masks by a generator for each network: those that it would have alone."""

    def __init__(self, generators: Sequence[torch.Generator]) -> None:
        self.generators = generators

    def begin(self) -> None:
        """Nothing: a generator continues from where it is."""

    def draw(self, inputs: Tensor, rate: float) -> Tensor:
        """Factors of the shape and type of inputs (N, S, ...)."""
        each = zip(inputs.unbind(1), self.generators, strict=True)
        drawn = [mask(one, rate, generator) for one, generator in each]
        return drawn[0].unsqueeze(1) if len(drawn) == 1 else torch.stack(drawn).movedim(0, 1)


class FromCounters(Masks):
    """Masks by the seed of each network, the step and the place, as a GPU draws them: a byte an element.

    `step` is a number on the device that the trainer counts up.
    """

    def __init__(self, seeds: Sequence[int], step: Tensor) -> None:
        signed = [(seed + 2**63) % 2**64 - 2**63 for seed in seeds]
        self.seeds, self.step, self.layer = torch.tensor(signed, device=step.device), step, 0
        self.generators = ()

    def begin(self) -> None:
        """The layers of a step are counted as they draw."""
        self.layer = 0

    def draw(self, inputs: Tensor, rate: float) -> Tensor:
        """Which elements of inputs (N, S, ...) are kept."""
        self.layer += 1
        drawn: Tensor = kept(list(inputs.shape), self.seeds, self.step, self.layer - 1, rate)
        return drawn


def masks_of(seeds: Sequence[int], step: Tensor) -> Masks:
    """The masks of networks with these seeds on the device of `step`, a count of the steps that were taken there."""
    if step.device.type == "cpu":
        return FromGenerators([torch.Generator().manual_seed(seed) for seed in seeds])
    return FromCounters(seeds, step)


class Dropout(nn.Dropout):
    """`torch.nn.Dropout` with masks for one network, or for S under `torch.vmap` over S stacked ones."""

    def __init__(self, rate: float, masks: Masks) -> None:
        super().__init__(rate)
        self.masks = masks

    def forward(self, input: Tensor) -> Tensor:
        """Any shape; the input itself in evaluation mode."""
        if not self.training or self.p == 0:
            return input
        if torch._C._current_graph_task_id() != -1:  # this is a backward pass
            raise RuntimeError("torch.utils.checkpoint would give nn.Dropout another mask; use F.dropout within it")
        mask = _Draw.apply(input, self.p, self.masks)
        output: Tensor = _Multiply.apply(input, mask, self.p)
        return input.copy_(output) if self.inplace else output


class _Draw(Function):
    # A mask. It has a rule of its own under vmap, since a draw is not a function of the input.

    @staticmethod
    def forward(input: Tensor, rate: float, masks: Masks) -> Tensor:
        return masks.draw(input.unsqueeze(1), rate).squeeze(1)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.mark_non_differentiable(output)

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], input: Tensor, rate: float, masks: Masks
    ) -> tuple[Tensor, int]:
        return masks.draw(side_by_side(input, in_dims[0], info.batch_size), rate), 1


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


def replace(model: nn.Module, masks: Masks) -> None:
    """Make every `torch.nn.Dropout` of a network a `Dropout` with these masks.

    It stays the same object, since forward may reach it by another way than its name.
    """
    for module in model.modules():
        if type(module) is nn.Dropout:
            module.__class__ = Dropout
            vars(module)["masks"] = masks


def masked(input: Tensor, mask: Tensor, rate: float) -> Tensor:
    """The input times the factors of a mask, or where that is true, scaled: one operation in either case."""
    if mask.dtype != torch.bool:
        return input * mask
    scale = 1 / (1 - rate) if rate < 1 else 0.0
    output: Tensor = torch.ops.aten.native_dropout_backward(input, mask, scale)  # of whatever is masked
    return output


def mask(like: Tensor, rate: float, generator: torch.Generator) -> Tensor:
    """0 with probability `rate`, else 1 / (1 - rate), each element independent: shape and type of `like`."""
    if rate >= 1:
        return torch.zeros_like(like)
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
