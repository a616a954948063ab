"""A stand-in for CUDA graphs on the CPU: the operations of a recording, which a replay does again in their places."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Tape(TorchDispatchMode):
    """Computes operations and keeps them; one that hands a number to the host fails, as it does in a recording."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations: list[tuple[Any, Any, Any, list[Tensor]]] = []

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if operation is torch.ops.aten._local_scalar_dense.default:
            raise RuntimeError("operation not permitted when stream is capturing")
        result = operation(*args, **(kwargs or {}))
        memory = {tensor.untyped_storage().data_ptr() for tensor in tensors((args, kwargs))}
        new = [one for one in tensors(result) if one.untyped_storage().data_ptr() not in memory]
        if new or operation._schema.is_mutable:  # else it is a view
            self.operations.append((operation, args, kwargs or {}, new))
        return result

    def play(self) -> None:
        for operation, args, kwargs, new in self.operations:
            again = tensors(operation(*args, **kwargs))
            for old, value in zip(new, again[-len(new) :] if new else [], strict=True):
                old.copy_(value)


def tensors(value: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor)]


class Graph:
    """What a `torch.cuda.CUDAGraph` is; `empty` ones lose what was recorded."""

    empty = False

    def __init__(self) -> None:
        self.tape, self.fresh = Tape(), True

    def replay(self) -> None:
        # On the CPU the recording computed already what the first replay would.
        if not self.fresh and not self.empty:
            with torch.no_grad():
                self.tape.play()
        self.fresh = False


class Stream:
    """Everything waits for everything else."""

    def __init__(self, device: Any = None) -> None:
        self.device = device

    def wait_stream(self, other: Any) -> None:
        pass


class Cuda:
    """What was asked of torch.cuda, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[str] = []
        self.graphs: list[Graph] = []
        self.end: Exception | None = None  # raised at the end of a recording
        for name in ("device", "stream", "graph"):
            monkeypatch.setattr(torch.cuda, name, getattr(self, name))
        monkeypatch.setattr(torch.cuda, "CUDAGraph", self._new)
        monkeypatch.setattr(torch.cuda, "Stream", Stream)
        monkeypatch.setattr(torch.cuda, "current_stream", Stream)
        monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: "a pool")

    def _new(self) -> Graph:
        self.graphs.append(Graph())
        return self.graphs[-1]

    @contextmanager
    def device(self, device: Any) -> Iterator[None]:
        self.calls.append(f"on {device}")
        try:
            yield
        finally:
            self.calls.append(f"off {device}")

    @contextmanager
    def stream(self, stream: Stream) -> Iterator[None]:
        if stream.device is not None:
            self.calls.append("eager")
        try:
            yield
        finally:
            if stream.device is None:
                self.calls.append("back")

    @contextmanager
    def graph(self, graph: Graph, **settings: Any) -> Iterator[None]:
        self.calls.append("record")
        self.settings = {**settings, "collected": gc.isenabled()}
        try:
            with graph.tape:
                yield
        finally:
            if self.end is not None:
                raise self.end


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Cuda:
    """torch.cuda with graphs, on the CPU."""
    return Cuda(monkeypatch)
