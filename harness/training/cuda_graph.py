"""A training step as one CUDA graph: recorded once, then launched whole, so that no kernel waits for Python."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from harness.errors import HarnessError

WARM_UP = 3  # steps that run eagerly first, in which libraries choose algorithms and allocate what they keep


class StepGraph:
    """The recording of `step(index)`, to be replayed on other indices of the same shape.

    Everything that the step changes must be changed in place, and everything random in it drawn from `generators`.
    Raises HarnessError if the step does something that no graph can hold, such as reading a value on the host.
    """

    def __init__(self, step: Callable[[Tensor], None], index: Tensor, generators: Iterable[torch.Generator]) -> None:
        self.index = index.clone()
        self.graph = torch.cuda.CUDAGraph()
        for generator in generators:
            self.graph.register_generator_state(generator)
        try:
            with torch.cuda.graph(self.graph):
                step(self.index)
        except RuntimeError as error:
            raise HarnessError(
                f"a training step cannot be recorded as a CUDA graph: {error}; "
                "forward must not read values on the host (.item(), .tolist(), a tensor in an if), or use --device cpu"
            ) from error

    def fits(self, index: Tensor) -> bool:
        """Whether a batch has the shape of the recording; the last one of an epoch may be smaller."""
        return index.shape == self.index.shape

    def replay(self, index: Tensor) -> None:
        """Run the step on a batch, without waiting for it."""
        self.index.copy_(index)
        self.graph.replay()
