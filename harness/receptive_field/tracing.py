"""The operations that a model runs, as a graph, with the paths of its modules as names.

The model runs once on tensors without data (on the meta device) while every basic operation is recorded. This follows
functional calls, reused modules and Python control flow, and takes milliseconds. Tensors that depend on constants alone
(masks, tables of indices) have data, so that rules can read them.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

from harness.errors import HarnessError


@dataclass(frozen=True)
class Ref:
    """One of the tensors that a node returns."""

    node: int
    output: int


@dataclass
class Node:
    """One basic operation, or the input.

    `function` is what the model called (such as conv2d) and `op` the basic operation behind it, None for the input.
    Among `args` and `kwargs` is a `Ref` in place of each tensor that depends on the input. `outputs` are the tensors
    that it returns, without data.
    """

    function: str
    op: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    name: str
    outputs: list[Tensor] = field(default_factory=list)

    @property
    def arguments(self) -> dict[str, Any]:
        """All arguments by name, including defaults."""
        schema = self.op._schema.arguments
        named = {a.name: a.default_value for a in schema if a.has_default_value()}
        return named | dict(zip((a.name for a in schema), self.args, strict=False)) | self.kwargs

    @property
    def reads(self) -> list[Ref]:
        """The tensors among its arguments that depend on the input."""
        leaves = tree_flatten((self.args, self.kwargs))[0]
        return [leaf for leaf in leaves if isinstance(leaf, Ref)]


@dataclass
class Graph:
    """The nodes in the order in which they ran, the input first, and the names of their tensors."""

    nodes: list[Node]
    names: dict[str, Ref]
    outputs: dict[str, Ref]

    def live(self, target: Ref) -> list[int]:
        """The nodes on a path to `target`, in order; any other node is dead."""
        found, waiting = set(), [target.node]
        while waiting:
            node = waiting.pop()
            if node not in found:
                found.add(node)
                waiting += [ref.node for ref in self.nodes[node].reads]
        return sorted(found)


class _Functions(TorchFunctionMode):
    """Remembers which function of torch the model is calling."""

    name = ""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        self.name = getattr(func, "__name__", str(func)).strip("_")
        named = dict(zip(("input", "pad", "mode"), args, strict=False)) | dict(kwargs or {})
        if self.name == "pad" and named.get("mode") == "circular":
            return _wrapped(named["input"], named["pad"])
        return func(*args, **(kwargs or {}))


def _wrapped(source: Tensor, pad: Sequence[int]) -> Tensor:
    """Circular padding as a choice of indices; torch itself copies it piece by piece into an empty tensor."""
    for i in range(len(pad) // 2):
        length = source.shape[-1 - i]
        places = torch.arange(-pad[2 * i], length + pad[2 * i + 1]) % length
        source = source.index_select(source.ndim - 1 - i, places)
    return source


class _Recorder(TorchDispatchMode):
    """Records every basic operation that depends on the input, and runs the others."""

    def __init__(self, functions: _Functions) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.functions = functions
        self.nodes: list[Node] = []
        self.scope: list[str] = []
        self.tensors: dict[int, Ref] = {}
        self.marked: list[Ref | None] | None = None
        self.closed = False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if self.closed:
            return func(*args, **kwargs)
        if self.marked is not None and func is torch.ops.aten.clone.default:
            self.marked.append(self.tensors.get(id(args[0])))
            return func(*args, **kwargs)
        leaves = [leaf for leaf in tree_flatten((args, kwargs))[0] if isinstance(leaf, Tensor)]
        traced = any(id(leaf) in self.tensors for leaf in leaves)
        if not traced and all(leaf.device.type != "meta" for leaf in leaves):
            return func(*args, **(kwargs | {"device": "cpu"} if kwargs.get("device") is not None else kwargs))
        result = self._without_data(func, *tree_map(_meta, (args, kwargs)))
        if traced:
            self._record(func, args, kwargs, result)
        return result

    def _without_data(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        try:
            return func(*args, **kwargs)
        except NotImplementedError as error:
            raise HarnessError(
                f"{self.functions.name or func} ({func}) in {self._location()} cannot run without data: {error}. The"
                " analysis needs a model whose shapes do not depend on the values of its input."
            ) from error

    def _record(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
        refs = tree_map(
            lambda leaf: self.tensors.get(id(leaf), leaf) if isinstance(leaf, Tensor) else leaf, (args, kwargs)
        )
        name = self.functions.name or func.overloadpacket.__name__
        if func._schema.is_mutable and torch.Tag.inplace_view not in func.tags:
            raise HarnessError(
                f"{name} ({func}) in {self._location()} writes into a tensor in a way that cannot be followed"
            )
        node = Node(name, func, refs[0], refs[1], ".".join([*self.scope[-1:], name]))
        for output, tensor in enumerate(leaf for leaf in tree_flatten(result)[0] if isinstance(leaf, Tensor)):
            node.outputs.append(tensor)
            self.tensors[id(tensor)] = Ref(len(self.nodes), output)
        self.nodes.append(node)

    def _location(self) -> str:
        return self.scope[-1] if self.scope and self.scope[-1] else "the model"

    def find(self, tensor: Tensor) -> Ref | None:
        """The node and output of a tensor that the model holds.

        The model holds wrappers of the tensors that are recorded. An operation on a wrapper, here clone, reaches the
        recorder with the tensor itself.
        """
        self.marked = []
        tensor.clone()
        (ref,), self.marked = self.marked, None
        return ref


def _meta(leaf: Any) -> Any:
    if isinstance(leaf, Tensor) and leaf.device.type != "meta":
        return leaf.to("meta")
    return leaf


def _copy_without_data(model: nn.Module) -> nn.Module:
    """A copy of the model in eval mode, whose parameters have shapes and no data."""
    memo: dict[int, Any] = {}
    for name, parameter in model.named_parameters():
        if isinstance(parameter, nn.parameter.UninitializedParameter):
            raise HarnessError(f"{type(model).__name__} is lazy: {name} has no shape before the model has run once")
        memo[id(parameter)] = nn.Parameter(
            torch.empty_like(parameter, device="meta", requires_grad=False), requires_grad=False
        )
    for module in model.modules():
        if isinstance(module, torch.jit.ScriptModule):
            raise HarnessError("a TorchScript module hides its operations; analyse the module that it was made from")
        computed = (value for value in vars(module).values() if isinstance(value, Tensor) and not value.is_leaf)
        memo |= {id(value): value.detach().clone() for value in computed}
    return copy.deepcopy(model, memo).eval()


def trace(model: nn.Module, input_size: tuple[int, ...]) -> Graph:
    """Run the model on one input of `input_size` (channels first, no batch) and record its operations.

    Raises:
        HarnessError: the model cannot run on this size, or chooses its path by the values of its input.

    """
    functions = _Functions()
    recorder = _Recorder(functions)
    names = _Names(recorder)
    shadow = _copy_without_data(model)
    for path, module in shadow.named_modules():
        if path:
            names.watch(path, module)
    kinds = (parameter.dtype for parameter in shadow.parameters() if parameter.is_floating_point())
    image = torch.empty(1, *input_size, device="meta", dtype=next(kinds, None))
    returned: dict[str, Ref] = {}

    def entered(wrapped: Tensor) -> Any:
        outputs = shadow(wrapped)
        returned.update(names.outputs("output", outputs))
        recorder.closed = True
        return outputs

    recorder.nodes.append(Node("input", None, (), {}, "input", [image]))
    recorder.tensors[id(image)] = Ref(0, 0)
    try:
        with warnings.catch_warnings(), torch.no_grad(), recorder, functions:
            warnings.simplefilter("ignore")  # torch's advice on speed is irrelevant without data
            torch.func.functionalize(entered)(image)
    except HarnessError:
        raise
    except (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError, AssertionError) as error:
        raise HarnessError(
            f"{type(model).__name__} does not run on an input of {input_size}, in"
            f" {functions.name or 'forward'}: {(str(error).strip() or type(error).__name__).splitlines()[0]}"
        ) from error
    return Graph(recorder.nodes, names.all(), returned)


class _Names:
    """Names every tensor that a module returns after that module; a second call has the suffix _1, and so on."""

    def __init__(self, recorder: _Recorder) -> None:
        self.recorder = recorder
        self.refs: dict[str, Ref] = {}
        self.starts: list[int] = []

    def watch(self, path: str, module: nn.Module) -> None:
        """Name what each call of a module returns."""

        def enter(*_: Any) -> None:
            self.recorder.scope.append(path)
            self.starts.append(len(self.recorder.nodes))

        def leave(_: nn.Module, __: Any, outputs: Any) -> None:
            self.recorder.scope.pop()
            start, name = self.starts.pop(), _numbered(path, self.refs)
            self.outputs(name, outputs)
            ref = self.refs.get(name)
            if ref is not None and ref.node >= start and not any(module.children()):
                self.recorder.nodes[ref.node].name = name

        module.register_forward_pre_hook(enter)
        module.register_forward_hook(leave)

    def outputs(self, name: str, outputs: Any) -> dict[str, Ref]:
        """Name what a module returned: a tensor `name`, the parts of a dict or tuple `name.key`."""
        refs = {key: self.recorder.find(tensor) for key, tensor in _parts(name, outputs)}
        found = {key: ref for key, ref in refs.items() if ref is not None}
        self.refs.update(found)
        return found

    def all(self) -> dict[str, Ref]:
        """The names of modules first, then those of single operations."""
        taken = dict(self.refs)
        for index, node in enumerate(self.recorder.nodes):
            if self.refs.get(node.name) != Ref(index, 0):
                node.name = _numbered(node.name, taken)
                taken[node.name] = Ref(index, 0)
        return taken


def _numbered(name: str, taken: Mapping[str, Any]) -> str:
    """The first of name, name_1, name_2, ... that is not taken."""
    candidates = (name if k == 0 else f"{name}_{k}" for k in range(len(taken) + 1))
    return next(candidate for candidate in candidates if candidate not in taken)


def _parts(name: str, outputs: Any) -> Iterator[tuple[str, Tensor]]:
    if isinstance(outputs, Tensor):
        yield name, outputs
    elif isinstance(outputs, Mapping):
        for key, part in outputs.items():
            yield from _parts(f"{name}.{key}".strip("."), part)
    elif isinstance(outputs, (tuple, list)):
        fields = getattr(outputs, "_fields", range(len(outputs)))
        for key, part in zip(fields, outputs, strict=True):
            yield from _parts(f"{name}.{key}".strip("."), part)
