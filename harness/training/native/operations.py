"""The operations of a network in order, as `torch.nn` modules, or the reason why it is not one after the other."""

import operator
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from harness.device import threads
from harness.errors import ForeignError, foreign_call
from harness.training.native.agreement import disagreement
from harness.training.network import returns_logits

IMAGES = 2
"""In the batch whose shapes are looked at."""


class NotCoveredError(Exception):
    """Why a network is not trained by the native kernels, or not with its recipe."""


def operations_of(network: nn.Module) -> Iterator[tuple[Any, tuple[int, ...] | None]]:
    """The operations of a network in order, each with the shape of its result.

    Functions are given as the modules that they equal, and there is a `Factor` before a weighted average.
    """
    if _hooks(network) > returns_logits(network):
        raise NotCoveredError("it has hooks")
    graph = _traced(network)
    layers, before = dict(network.named_modules()), None
    for node in graph.nodes:
        if node.op == "get_attr" or _counts_images(node):
            continue
        if node.op == "output":
            if node.args != (before,):
                raise NotCoveredError("it has more than one result")
        elif node.op != "placeholder":
            if node.args[:1] != (before,):
                raise NotCoveredError("it is not one operation after the other")
            operation = layers[str(node.target)] if node.op == "call_module" else _function(network, node)
            yield operation, node.meta["shape"]
        before = node
    with running("its training"), torch.enable_grad():
        different = disagreement(network, graph)
    if different:
        raise NotCoveredError(
            f"its {different} are not those of its operations: a layer is in a mode of its own, gradients are cut off "
            "or changed, or the precision is another"
        )


def _hooks(network: nn.Module) -> int:
    """How many functions are called before or behind a forward or backward pass of a module or a parameter."""
    of_modules = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")
    of_parameters = ("_backward_hooks", "_post_accumulate_grad_hooks")
    hooks = [getattr(module, name) for module in network.modules() for name in of_modules]
    hooks += [getattr(parameter, name) for parameter in network.parameters() for name in of_parameters]
    return sum(len(one or ()) for one in hooks)


@contextmanager
def running(what: str) -> Iterator[None]:
    """The boundary around a network that runs: NotCoveredError if it fails.

    On one thread, since those of torch cannot be used in a process that was forked.
    """
    try:
        with threads(1), foreign_call(what):
            yield
    except ForeignError as error:
        raise NotCoveredError(f"it cannot be traced: {error}") from error


def _traced(network: nn.Module) -> fx.Graph:
    """The graph of a network, with the shapes for `IMAGES` images."""
    with running("its forward pass"), torch.no_grad():
        copied = deepcopy(network)
        training, graph = (_Tracer().trace(copied.train(mode)) for mode in (True, False))
        run = _Shapes(fx.GraphModule(copied, graph))
        run.extra_traceback = False
        run.run(torch.zeros(IMAGES, 1, 28, 28))
    if str(training) != str(graph):
        raise NotCoveredError("it computes something else in training than in evaluation")
    return graph


class _Tracer(fx.Tracer):
    """Looks into a layer of torch, too, if its forward was replaced."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return super().is_leaf_module(m, module_qualified_name) and "forward" not in vars(m)


class _Shapes(fx.Interpreter):
    """Notes the shape of each result."""

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        n.meta["shape"] = tuple(result.shape) if isinstance(result, Tensor) else None
        return result


@dataclass(frozen=True)
class Factor:
    """A multiplication of all maps with a parameter."""

    weight: Tensor


def _counts_images(node: fx.Node) -> bool:
    """Whether a node reads the number of images, as in `x.view(x.size(0), -1)`, or a shape for no more than that."""
    match node.target, node.args, node.kwargs:
        case ("size", (_, 0), _) | ("size", (_,), {"dim": 0}):
            return True
        case operator.getitem, (fx.Node() as shape, 0), _:
            return _is_shape(shape)
    return _is_shape(node) and all(map(_counts_images, node.users))


def _is_shape(node: fx.Node) -> bool:
    return (node.target, node.args[1:], node.kwargs) in (("size", (), {}), (getattr, ("shape",), {}))


def _function(network: nn.Module, node: fx.Node) -> Any:
    arguments: Any = node.args[1:]
    options: Any = dict(node.kwargs)
    match node.target:
        case operator.mul | torch.mul | "mul" if arguments and getattr(arguments[0], "op", None) == "get_attr":
            return Factor(operator.attrgetter(str(arguments[0].target))(network))
        case _ if sum(not _counts_images(one) for one in node.all_input_nodes) > 1:
            raise NotCoveredError("it is not one operation after the other")
        case torch.mean | "mean" if _axes(*arguments[:1], **options) == [2, 3]:
            return nn.AdaptiveAvgPool2d(1)
        case F.relu | torch.relu | "relu" | "relu_":
            return nn.ReLU()
        case F.max_pool2d | torch.max_pool2d:
            return nn.MaxPool2d(*arguments, **options)
        case F.adaptive_avg_pool2d:
            return nn.AdaptiveAvgPool2d(*arguments, **options)
        case F.avg_pool2d:
            return nn.AvgPool2d(*arguments, **options)
        case torch.flatten | "flatten" | "view" | "reshape":
            return nn.Flatten()
        case F.log_softmax | torch.log_softmax | "log_softmax":
            return nn.LogSoftmax(options.get("dim", arguments[0] if arguments else None))
        case _:
            raise NotCoveredError(f"it has {getattr(node.target, '__name__', node.target)}")


def _axes(dim: int | tuple[int, ...] = (), **_: Any) -> list[int]:
    """The axes of four that a mean is over."""
    return sorted(axis % 4 for axis in ((dim,) if isinstance(dim, int) else dim or ()))
