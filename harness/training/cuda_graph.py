"""Steps as CUDA graphs: recorded once and launched as a whole, so that no kernel waits for Python."""

import gc
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor

from harness.device import current, out_of_memory
from harness.errors import HarnessError

Shapes = tuple[torch.Size, ...]

WARM_UP = 3  # eager steps before a recording, in which libraries choose algorithms and allocate workspaces


class Recording(NamedTuple):
    """A graph, and the tensors from which it reads its inputs and to which it writes its result, if it has one."""

    graph: torch.cuda.CUDAGraph
    inputs: list[Tensor]
    result: Any


class StepGraphs:
    """The recordings of some steps of training or of one of the test, one for each shape of their inputs.

    An epoch has two shapes if its last launch is smaller. The steps must change tensors in place and draw from no
    generator. Nothing else that they compute outlives them but a copy of their result, so that all graphs share memory.
    Raises HarnessError if they do what a graph cannot record, as to read a value on the host or copy one from there.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.stream, self.pool = torch.cuda.Stream(device), torch.cuda.graph_pool_handle()
        self.eager = Counter[Shapes]()
        self.recorded: dict[Shapes, Recording] = {}

    def launch(self, step: Callable[..., Any], *inputs: Tensor) -> Any:
        """Launch the steps, the same in every call, without waiting for them; gives their result, a tensor or None."""
        shapes = tuple(value.shape for value in inputs)
        with current(self.device):
            if self.eager[shapes] < WARM_UP:
                self.eager[shapes] += 1
                return self._warm_up(step, inputs)
            if shapes not in self.recorded:
                self.recorded[shapes] = self._record(step, inputs)
            graph, own, result = self.recorded[shapes]
            for held, value in zip(own, inputs, strict=True):
                held.copy_(value)
            graph.replay()
            return None if result is None else result.clone()

    def _warm_up(self, step: Callable[..., Any], inputs: Iterable[Tensor]) -> Any:
        # On the stream of the recording, for which workspaces and algorithms are.
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            result = step(*inputs)
        torch.cuda.current_stream().wait_stream(self.stream)
        return result

    def _record(self, step: Callable[..., Any], inputs: Iterable[Tensor]) -> Recording:
        graph = torch.cuda.CUDAGraph()
        own = [value.clone(memory_format=torch.contiguous_format) for value in inputs]
        first: BaseException | None = None
        try:
            with (
                _uncollected(),
                torch.cuda.stream(torch.cuda.current_stream()),  # to which torch 2.11 does not go back after a failure
                # What other threads do meanwhile, such as one that loads data, does not end a recording of this one.
                torch.cuda.graph(graph, pool=self.pool, stream=self.stream, capture_error_mode="thread_local"),
            ):
                try:
                    result = step(*own)
                except BaseException as error:
                    first = error
                    raise
        except BaseException as error:  # a recording that failed cannot be ended either, which says less
            first = first or error
            if out_of_memory(first) or not isinstance(first, Exception):
                raise first from first.__cause__  # no fault of the step
            raise HarnessError(
                f"a step cannot be recorded as a CUDA graph: {first}; forward must neither read values on the host "
                "(.item(), .tolist(), a tensor in an if) nor copy any from there (torch.tensor, which a buffer can "
                "replace), or use --device cpu"
            ) from first
        finally:
            first = None  # whose traceback has this frame: such a circle would keep the graphs of a trainer in memory
        return Recording(graph, own, result)


@contextmanager
def _uncollected() -> Iterator[None]:
    """No reference cycle is collected meanwhile: to destroy a graph of an earlier training would end a recording."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
