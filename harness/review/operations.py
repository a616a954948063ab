"""The operations of a network in the order in which they run, with the shapes, the weights and the cost of each."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

aten = torch.ops.aten


@dataclass(frozen=True)
class Operation:
    """A function of torch that a network calls on a tensor that depends on its input; numbers are per image."""

    module: str
    """The path of the module that calls it, empty for the network itself."""
    function: str
    """Its name in torch, such as conv2d."""
    reads: tuple[int, ...]
    """The places of the operations whose results it takes, -1 for the input."""
    shape: tuple[int, ...]
    """Of the result, without the batch."""
    weights: Mapping[str, tuple[int, ...]]
    """The parameters that it takes, or what is made of them, each with its shape."""
    parameters: int
    """The numbers in those that are trained and that no operation before it takes."""
    multiplications: int
    activations: int
    """The numbers that it writes; 0 where it only looks at a tensor in another shape."""

    @property
    def name(self) -> str:
        """The module with the function, as in "features.3 (conv2d)"."""
        return f"{self.module} ({self.function})" if self.module else self.function


def operations(network: nn.Module, images: Tensor) -> list[Operation]:
    """The operations behind the result for some images, without gradients. The network stays in its mode."""
    recorder = _Recorder(network, images)
    with _paths(network, recorder.path), torch.no_grad(), _all_counted(), recorder:
        network(images)
    return recorder.operations


@contextmanager
def _all_counted() -> Iterator[None]:
    """Without oneDNN, whose LSTM is one operation that `FlopCounterMode` does not know, on processors that have it."""
    enabled = torch._C._get_mkldnn_enabled()
    torch._C._set_mkldnn_enabled(False)
    try:
        yield
    finally:
        torch._C._set_mkldnn_enabled(enabled)


@contextmanager
def _paths(network: nn.Module, path: list[str]) -> Iterator[None]:
    """Keep the path of the module that is running at the end of `path`."""
    handles = []
    for name, module in network.named_modules():
        handles.append(module.register_forward_pre_hook(lambda *_, name=name: path.append(name)))
        handles.append(module.register_forward_hook(lambda *_: (path.pop(), None)[1], always_call=True))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class _Recorder(TorchFunctionMode):
    """Notes each function that is called on what depends on the input, and what is made of parameters alone."""

    def __init__(self, network: nn.Module, images: Tensor) -> None:
        super().__init__()
        self.images = len(images)
        self.path = [""]
        self.operations: list[Operation] = []
        self.parameters = dict(network.named_parameters())
        self.unread = {name for name, weight in self.parameters.items() if weight.requires_grad}
        # By the identity of a tensor, which no other takes while it lives: the place of the operation behind it, or the
        # names of the parameters behind it.
        self.results: dict[int, tuple[int, Tensor]] = {id(images): (-1, images)}
        self.weights: dict[int, tuple[set[str], Tensor]] = {
            id(weight): ({name}, weight) for name, weight in self.parameters.items()
        }

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        taken = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        reads = dict.fromkeys(self.results[id(one)][0] for one in taken if id(one) in self.results)
        storages = {one.untyped_storage().data_ptr() for one in taken}
        with FlopCounterMode(display=False, custom_mapping=_UNKNOWN) as counter:
            result = func(*args, **kwargs or {})
        made = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        behind = set[str]().union(*(self.weights[id(one)][0] for one in taken if id(one) in self.weights))
        if not reads:
            self.weights |= {id(one): (behind, one) for one in made}
        elif made:
            written = sum(one.numel() for one in made if one.untyped_storage().data_ptr() not in storages)
            self.results |= {id(one): (len(self.operations), one) for one in made}
            self.operations.append(
                Operation(
                    module=self.path[-1],
                    function=getattr(func, "__name__", str(func)).strip("_"),
                    reads=tuple(reads),
                    shape=tuple(made[0].shape[1:]),
                    weights={name: tuple(weight.shape) for name, weight in self.parameters.items() if name in behind},
                    parameters=sum(self.parameters[name].numel() for name in self.unread & behind),
                    multiplications=counter.get_total_flops() // 2 // self.images,
                    activations=written // self.images,
                )
            )
            self.unread -= behind
        return result


def _flops_with_vector(*shapes: tuple[int, ...], **_: Any) -> int:
    """A product with a vector multiplies each number of its larger operand once, and adds it."""
    return 2 * max(map(math.prod, shapes))


def _flops_of_bilinear(one: tuple[int, ...], weight: tuple[int, ...], *_: Any, **__: Any) -> int:
    """Each image's first vector times the weights, then that matrix times its second vector."""
    of_weights, of_matrix = math.prod(weight), math.prod(weight) // one[1]
    return 2 * one[0] * (of_weights + of_matrix)


_UNKNOWN = {
    **dict.fromkeys([aten.mv, aten.addmv, aten.dot], _flops_with_vector),
    aten._trilinear: _flops_of_bilinear,
}
"""What `FlopCounterMode` does not know."""
