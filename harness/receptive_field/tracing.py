"""The operations that a model runs, recorded with the paths of its modules as names.

A copy of the model runs once on tensors without data (on the meta device) while every basic operation is recorded. This
follows functional calls, reused modules, work in place and Python control flow, and takes milliseconds. Tensors that
depend on constants alone (masks, tables of indices) have data, so that rules can read them.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from harness.errors import HarnessError
from harness.receptive_field.field_map import NoRuleError
from harness.receptive_field.functions import Functions
from harness.receptive_field.graph import Graph, Node, Ref
from harness.receptive_field.memory import Memory
from harness.receptive_field.outside import preserved
from harness.receptive_field.shadow import shadow

aten = torch.ops.aten

LARGEST = 2**25
"""Numbers of an input, for each of which about a hundred bytes are needed."""


class _Recorder(TorchDispatchMode):
    """Records every basic operation that depends on the input, and runs the others."""

    def __init__(self, functions: Functions, image: Tensor, constants: Sequence[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.functions = functions
        self.nodes = [Node("input", None, (), {}, "input", [image.shape])]
        self.memory = Memory(self._add)
        self.memory.hold(image, Ref(0, 0))
        self.memory.constants(constants)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        with torch._C.DisableTorchFunction():  # which answers the model, and not us
            try:
                return self._run(func, args, dict(kwargs or {}))
            except Exception as error:
                self.functions.note(error)
                raise

    def _run(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if torch.is_inference_mode_enabled():  # where torch itself does not reduce functions to basic operations
            with self:
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        leaves = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        if func is aten.lift_fresh.default:
            self.memory.constants(leaves)  # numbers that the model writes down
        refs = {id(leaf): ref for leaf in leaves if (ref := self.memory.ref(leaf)) is not None}
        real = all(leaf.device.type != "meta" for leaf in leaves)
        if func is aten.native_batch_norm.default and args[5] and args[3] is not None:
            func = aten._native_batch_norm_legit.default  # the same, and says that it writes running averages
        is_view = any(r.alias_info is not None and not r.alias_info.is_write for r in func._schema.returns)
        where = {"device": "cpu" if real else "meta"} if kwargs.get("device") is not None else {}
        if real and (is_view or not refs):
            result = func(*args, **kwargs | where)
        else:
            result = self._without_data(func, *tree_map(_meta, (args, kwargs | where)))
        results = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        if func.overloadpacket in (aten.as_strided, aten.as_strided_):
            self.memory.share(leaves, results)  # it shows memory, whatever its operand shows of it
            return result
        if refs:
            return self._record(func, args, kwargs, refs, result, results)
        self.memory.share(leaves, results)
        self.memory.constants(results)
        return result

    def _without_data(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        try:
            return func(*args, **kwargs)
        except NotImplementedError as error:
            raise NoRuleError(
                f"{self.functions.name or func} ({func}) in {self.functions.location()} cannot be followed: its shapes,"
                " or its result, depend on the values of the input"
            ) from error

    def _record(
        self,
        func: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        refs: dict[int, Ref],
        result: Any,
        results: list[Tensor],
    ) -> Any:
        """Add the node of an operation; returns what the model gets."""
        name = self.functions.name or func.overloadpacket.__name__
        named = dict(zip((a.name for a in func._schema.arguments), args, strict=False)) | kwargs
        writes = [a.name for a in func._schema.arguments if a.alias_info and a.alias_info.is_write]
        written = [named[name] for name in writes if named.get(name) is not None]
        in_place = bool(written) and all(r.alias_info and r.alias_info.is_write for r in func._schema.returns)
        op = _functional(func) if in_place else func
        lists = any(not isinstance(tensor, Tensor) for tensor in written)
        resized = in_place and any(t.shape != r.shape for t, r in zip(written, results, strict=False) if not lists)
        if op is None or lists or resized:
            raise NoRuleError(
                f"{name} ({func}) in {self.functions.location()} writes into a tensor in a way that has no rule"
            )
        args, kwargs = tree_map(lambda leaf: refs.get(id(leaf), leaf), (args, kwargs))
        index = len(self.nodes)
        self.nodes.append(
            Node(name, op, args, kwargs, ".".join([*self.functions.scope[-1:], name]), [t.shape for t in results])
        )
        if in_place:
            for output, tensor in enumerate(written):
                changes = torch.Tag.inplace_view not in func.tags
                (self.memory.write if changes else self.memory.hold)(tensor, Ref(index, output))
            return written[0] if len(written) == 1 else tuple(written)
        for output, tensor in enumerate(results):
            self.memory.hold(tensor, Ref(index, output))
        for output, tensor in enumerate(written, len(results)):
            self.memory.write(tensor, Ref(index, output))
        return result

    def _add(self, op: Any, args: tuple[Any, ...], shape: torch.Size) -> Ref:
        """Add the node of an operation on memory."""
        name = op.overloadpacket.__name__
        self.nodes.append(Node(name, op, args, {}, ".".join([*self.functions.scope[-1:], name]), [shape]))
        return Ref(len(self.nodes) - 1, 0)


def _functional(func: Any) -> Any:
    """The operation that computes what another one writes: add for add_; None if there is none."""
    name = func._schema.name.partition("::")[2].rstrip("_")
    found = [getattr(getattr(torch.ops, func.namespace), f"{name}{end}", None) for end in ("", "_functional")]
    wanted = [_parameter(a) for a in func._schema.arguments if not a.is_out]
    for overload in (getattr(packet, overload) for packet in found if packet for overload in packet.overloads()):
        if list(map(_parameter, overload._schema.arguments)) == wanted and not overload._schema.is_mutable:
            return overload
    return None


def _parameter(argument: Any) -> tuple[str, str]:
    """Its name and its type, since overloads may share names: squeeze takes one dimension as `dim`, and several too."""
    return argument.name, str(argument.type)


def _meta(leaf: Any) -> Any:
    if isinstance(leaf, Tensor) and leaf.device.type != "meta":
        return leaf.to("meta")
    return leaf


def trace(model: nn.Module, input_size: tuple[int, ...]) -> Graph:
    """Run a copy of the model on one input of `input_size` (channels first, no batch) and record its operations.

    Raises:
        NoRuleError: the model reads values of a tensor that depends on its input.
        HarnessError: the model cannot run on this size, or it is one that memory has no room for.

    """
    if (n := math.prod(input_size)) > LARGEST:
        raise HarnessError(f"an input of {n:,} numbers is too large to be followed; give at most {LARGEST:,}")
    double, constants = shadow(model)
    kinds = (parameter.dtype for parameter in double.parameters() if parameter.is_floating_point())
    image = torch.empty(1, *input_size, device="meta", dtype=next(kinds, None))
    refused = f"{type(model).__name__} does not run on an input of {input_size}"
    functions = Functions(refused, next((parameter.device for parameter in model.parameters()), torch.device("cpu")))
    recorder = _Recorder(functions, image, constants)
    functions.depends = lambda tensor: recorder.memory.ref(tensor) is not None
    names = _Names(recorder)
    for path, module in double.named_modules():
        if path:
            names.watch(path, module)
    failure: BaseException | None = None
    try:
        with (
            preserved(model),
            _any_algorithm(),
            warnings.catch_warnings(),
            torch.random.fork_rng(devices=[]),
            torch.no_grad(),
            recorder,
            functions,
        ):
            warnings.simplefilter("ignore")  # torch's advice on speed is irrelevant without data
            names.outputs("output", double(image))
    except (Exception, SystemExit) as error:
        functions.note(error)
        failure = error
    if functions.refusal is not None:
        raise functions.refusal from failure
    if isinstance(failure, HarnessError):
        raise failure
    if failure is not None:
        reason = (str(failure).strip() or type(failure).__name__).splitlines()[0]
        raise HarnessError(f"{refused}, in {functions.name or 'forward'}: {reason}") from failure
    return Graph(recorder.nodes, names.all(), names.parts)


@contextmanager
def _any_algorithm() -> Iterator[None]:
    """Without deterministic algorithms, for which torch takes some functions, such as interpolation, to pieces."""
    wanted, only_warn = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    torch._C._set_deterministic_algorithms(False)
    try:
        yield
    finally:
        torch._C._set_deterministic_algorithms(wanted, warn_only=only_warn)


class _Names:
    """Names every tensor that a module returns after that module; a second call has the suffix _1, and so on."""

    def __init__(self, recorder: _Recorder) -> None:
        self.recorder = recorder
        self.refs: dict[str, Ref] = {}
        self.parts: dict[str, dict[str, Ref]] = {}
        self.starts: list[int] = []

    def watch(self, path: str, module: nn.Module) -> None:
        """Name what each call of a module returns."""

        def enter(*_: Any) -> None:
            self.recorder.functions.scope.append(path)
            self.starts.append(len(self.recorder.nodes))

        def leave(_: nn.Module, __: Any, outputs: Any) -> None:
            self.recorder.functions.scope.pop()
            start, name = self.starts.pop(), _numbered(path, self.parts)
            self.outputs(name, outputs)
            ref = self.refs.get(name)
            if ref is not None and ref.node >= start and not any(module.children()):
                self.recorder.nodes[ref.node].name = name

        module.register_forward_pre_hook(enter)
        module.register_forward_hook(leave)

    def outputs(self, name: str, outputs: Any) -> None:
        """Name what a module returned: a tensor `name`, the parts of a dict or tuple `name.key`."""
        with torch._C.DisableTorchFunction():
            refs = {key: self.recorder.memory.ref(tensor) for key, tensor in _parts(name, outputs)}
        self.parts[name] = {
            key if key == name else _numbered(key, self.refs): ref for key, ref in refs.items() if ref is not None
        }
        self.refs.update(self.parts[name])

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
