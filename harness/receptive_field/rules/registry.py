"""The registry of rules: what a rule is, and which operation has which.

A rule is a function from a `Call` to the `FieldMap` of the result, or a tuple of them for an operation that returns
several tensors. Operations are those of torch.ops.aten, to which torch reduces modules and functions alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_unflatten

from harness.receptive_field.combine import merged
from harness.receptive_field.field_map import FieldMap, NoRuleError, nothing

aten = torch.ops.aten


@dataclass(frozen=True)
class Call:
    """One operation that a model runs.

    `function` is what the model called, `op` the operation behind it. `arguments` are by name, each tensor that depends
    on the input as a `FieldMap`. `shapes` are those of the results, and `axes` is the number of axes of the input.
    """

    function: str
    op: Any
    arguments: dict[str, Any]
    shapes: list[torch.Size]
    axes: int

    def __getitem__(self, name: str) -> Any:
        return self.arguments[name]

    def value(self, *names: str) -> FieldMap:
        """The map of the tensor argument with this name, or with the first of several names that the operation has."""
        found = next((self.arguments[name] for name in names if name in self.arguments), None)
        if isinstance(found, FieldMap):
            return found
        if isinstance(found, Tensor):
            return nothing(found.shape, self.axes)
        raise NoRuleError(f"{self.function} has no tensor argument {' or '.join(names)}")

    def repeated(self, labels: Mapping[str, Any]) -> Any:
        """The result of the operation itself, with labels in place of its field maps."""
        known = {argument.name for argument in self.op._schema.arguments}
        return self.op(**{name: part for name, part in {**self.arguments, **labels}.items() if name in known})

    @property
    def values(self) -> list[FieldMap]:
        """The maps of all arguments that depend on the input."""
        return [argument for argument in self.arguments.values() if isinstance(argument, FieldMap)]


_Rule = Callable[[Call], FieldMap | tuple[FieldMap, ...]]
_AnyRule = TypeVar("_AnyRule", bound=_Rule)
_rules: dict[Any, _Rule] = {}


def register(*operations: Any) -> Callable[[_AnyRule], _AnyRule]:
    """Make the decorated function the rule of some operations, such as torch.ops.aten.cumsum."""

    def decorate(rule: _AnyRule) -> _AnyRule:
        _rules.update(dict.fromkeys(operations, rule))
        return rule

    return decorate


def rule_of(op: Any) -> _Rule | None:
    """The rule of an operation, if it has one; `pointwise` for all that torch marks as elementwise."""
    found = _rules.get(op.overloadpacket, _rules.get(op))
    return pointwise if found is None and torch.Tag.pointwise in op.tags else found


def applied(rule: _Rule, call: Call) -> tuple[FieldMap, ...]:
    """The maps of the results. The rule sees one map of those that lie beside each other in an argument at a time."""
    leaves, spec = tree_flatten(call.arguments, is_leaf=lambda leaf: isinstance(leaf, FieldMap))
    turns = 1 + max((len(leaf.beside) for leaf in leaves if isinstance(leaf, FieldMap)), default=0)
    results: list[tuple[FieldMap, ...]] = []
    for turn in range(turns):
        chosen = [_term(leaf, turn) if isinstance(leaf, FieldMap) else leaf for leaf in leaves]
        result = rule(call if turns == 1 else replace(call, arguments=tree_unflatten(chosen, spec)))
        results.append(result if isinstance(result, tuple) else (result,))
    if turns == 1:
        return results[0]
    return tuple(
        replace(merged(parts, parts[0].shape), windows=parts[0].windows) for parts in zip(*results, strict=True)
    )


def _term(value: FieldMap, turn: int) -> FieldMap:
    terms = value.terms
    return terms[turn] if turn < len(terms) else nothing(value.shape, len(value.places))


@register(
    aten.hardswish, aten._prelu_kernel, aten.prelu, aten.log_sigmoid_forward, aten.rrelu_with_noise, aten.masked_fill,
    aten.floor_divide, aten.complex, aten.polar, aten.normal, aten.poisson, aten.tril, aten.triu,
    # which torch 2.11 does not mark
    aten.leaky_relu, aten.leaky_relu_, aten.elu_, aten.selu_, aten.celu_, aten.hardtanh_, aten.hardsigmoid_,
)  # fmt: skip
def pointwise(call: Call) -> FieldMap:
    """Elementwise with broadcasting: the union of what the operands read, and not the larger of the two."""
    return merged(call.values, call.shapes[0])
