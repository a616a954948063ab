"""A training step as a CUDA graph: recorded once and launched as a whole, so that no kernel waits for Python."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from harness.errors import HarnessError

WARM_UP = 3  # eager steps before the recording, in which libraries choose algorithms and allocate workspaces


class StepGraph:
    """The recording of `step(index)`, which can be replayed on other indices of the same shape.

    The step must change tensors in place and draw random numbers from `generators` only. Raises HarnessError if it does
    what a graph cannot record, such as reading a value on the host.
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
        """Whether a batch has the recorded shape; the last batch of an epoch may be smaller."""
        return index.shape == self.index.shape

    def replay(self, index: Tensor) -> None:
        """Launch the step on a batch, without waiting for it."""
        self.index.copy_(index)
        self.graph.replay()
