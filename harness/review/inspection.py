"""The review of a network: what it is made of, what one output sees, and what to remark."""

import math
import warnings
from dataclasses import dataclass

import torch
from torch import nn

from harness.errors import HarnessError, foreign_call
from harness.receptive_field import JumpMismatchError, ReceptiveField, receptive_field
from harness.review.operations import Operation, operations

IMAGES = 2
"""In the batch that is looked at."""


@dataclass(frozen=True)
class Review:
    """What a network is made of; all numbers are per image."""

    operations: tuple[Operation, ...]
    parameters: int
    """That are trained."""
    frozen: int
    """Parameters that are not."""
    unused: tuple[str, ...]
    """The parameters that the result does not depend on."""
    field: ReceptiveField | None
    no_field: str
    """Why it has no receptive field, or none that describes all units; empty if it has one."""
    warnings: tuple[str, ...]
    """Of torch, when it runs."""

    @property
    def multiplications(self) -> int:
        """Those of convolutions and matrix products."""
        return sum(one.multiplications for one in self.operations)

    @property
    def activations(self) -> int:
        """All numbers that are written on the way to the result."""
        return sum(one.activations for one in self.operations)

    @property
    def convolutions(self) -> list[int]:
        """The places of the convolutions."""
        return self.places("conv")

    def places(self, *functions: str) -> list[int]:
        """The places of the operations whose function begins with one of these words."""
        return [place for place, one in enumerate(self.operations) if one.function.startswith(functions)]

    def source(self, place: int) -> int:
        """The operation whose numbers the one at a place reads, whatever their shape; -1 for the input."""
        before = min(self.operations[place].reads)
        while before >= 0 and not self.operations[before].activations:
            before = min(self.operations[before].reads)
        return before

    def map_read(self, place: int) -> tuple[int, ...]:
        """The shape of the map that a fully connected layer reads, however it is made flat; () if it reads no map.

        A layer that reads fewer numbers than the map has reads their averages, or what another layer made of them.
        """
        place = min(self.operations[place].reads)
        numbers = math.prod(self.shape(place))
        while place >= 0 and len(self.shape(place)) != 3:
            place = min(self.operations[place].reads)
        return self.shape(place) if math.prod(self.shape(place)) <= numbers else ()

    @property
    def reads_places_apart(self) -> bool:
        """Whether a fully connected layer has weights of its own for each place of a map."""
        return any(max(self.map_read(place)[1:], default=1) > 1 for place in self.places("linear"))

    @property
    def global_averages(self) -> list[int]:
        """The places of the averages over a whole map."""
        return [place for place in self.places("adaptive_avg_pool", "avg_pool", "mean") if self._is_global(place)]

    def _is_global(self, place: int) -> bool:
        before, after = self.shape(self.source(place)), self.operations[place].shape
        return len(before) == 3 and max(before[1:]) > 1 and max(after[1:], default=1) == 1

    def shape(self, place: int) -> tuple[int, ...]:
        """The shape of the result of an operation, or of the input."""
        return self.operations[place].shape if place >= 0 else (1, 28, 28)


def review(network: nn.Module) -> Review:
    """The review of a network for images of 1 x 28 x 28, in evaluation mode, in which it is left.

    Raises HarnessError with what the network raises for such images.
    """
    images = torch.rand(IMAGES, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    with foreign_call(f"its forward pass of {IMAGES} x 1 x 28 x 28"), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = operations(network.eval(), images)
    trained = {name: weight for name, weight in network.named_parameters() if weight.requires_grad}
    used = {name for one in found for name in one.weights}
    field, no_field = None, ""
    try:
        field = receptive_field(network)
    except JumpMismatchError as error:
        field, no_field = receptive_field(network, strict=False), str(error).partition(";")[0]
    except HarnessError as error:
        no_field = str(error)
    return Review(
        operations=tuple(found),
        parameters=sum(weight.numel() for weight in trained.values()),
        frozen=sum(weight.numel() for weight in network.parameters() if not weight.requires_grad),
        # A network that was traced by torch.jit shows no operations, and nothing is said of its parameters.
        unused=tuple(name for name in trained if found and name not in used),
        field=field,
        no_field=no_field,
        warnings=tuple(dict.fromkeys(str(one.message).splitlines()[0] for one in caught)),
    )
