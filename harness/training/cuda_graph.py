"""Training steps as CUDA graphs: recorded once and launched as a whole, so that no kernel waits for Python."""

from collections import Counter
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from harness.device import current
from harness.errors import ForeignError, HarnessError

WARM_UP = 3  # eager steps before a recording, in which libraries choose algorithms and allocate workspaces


class StepGraphs:
    """A `step(index)` that is recorded once for each shape of index, and then replayed.

    An epoch has two shapes if its last batch is smaller. The step must change tensors in place and draw random numbers
    from `generators` only. Nothing that it computes outlives it but in these tensors, so that all graphs share memory.
    Raises HarnessError if the step does what a graph cannot record, such as reading a value on the host.
    """

    def __init__(
        self, step: Callable[[Tensor], None], device: torch.device, generators: Iterable[torch.Generator]
    ) -> None:
        self.step, self.device, self.generators = step, device, list(generators)
        self.stream, self.pool = torch.cuda.Stream(device), torch.cuda.graph_pool_handle()
        self.eager = Counter[torch.Size]()
        self.recorded: dict[torch.Size, tuple[torch.cuda.CUDAGraph, Tensor]] = {}

    def launch(self, index: Tensor) -> None:
        """Launch the step on a batch, without waiting for it."""
        with current(self.device):
            if self.eager[index.shape] < WARM_UP:
                self._warm_up(index)
                return
            if index.shape not in self.recorded:
                self.recorded[index.shape] = self._record(index)
            graph, own = self.recorded[index.shape]
            own.copy_(index)
            graph.replay()

    def _warm_up(self, index: Tensor) -> None:
        # On the stream of the recording, for which workspaces and algorithms are.
        self.eager[index.shape] += 1
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            self.step(index)
        torch.cuda.current_stream().wait_stream(self.stream)

    def _record(self, index: Tensor) -> tuple[torch.cuda.CUDAGraph, Tensor]:
        graph, own = torch.cuda.CUDAGraph(), index.clone()
        first: BaseException | None = None
        if torch.__version__ < "2.14":  # later ones register a generator by themselves, and warn if they are asked to
            for generator in self.generators:
                graph.register_generator_state(generator)
        try:
            # What other threads do meanwhile, such as one that loads data, does not end a recording of this one.
            with torch.cuda.graph(graph, pool=self.pool, stream=self.stream, capture_error_mode="thread_local"):
                try:
                    self.step(own)
                except BaseException as error:
                    first = error
                    raise
        except BaseException as error:  # a recording that failed cannot be ended either, which says less
            first = first or error
            cause = first.__cause__ if isinstance(first, ForeignError) else first
            if isinstance(cause, torch.OutOfMemoryError) or not isinstance(first, Exception):
                raise first from first.__cause__  # no fault of the step
            raise HarnessError(
                f"a training step cannot be recorded as a CUDA graph: {first}; forward must not read values on the "
                "host (.item(), .tolist(), a tensor in an if), or use --device cpu"
            ) from first
        return graph, own
