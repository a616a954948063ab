"""The operations that a model runs, as a graph."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch.utils._pytree import tree_leaves


@dataclass(frozen=True)
class Ref:
    """One of the tensors that a node returns, or one of those that it writes besides, which come after these."""

    node: int
    output: int


@dataclass
class Node:
    """One basic operation, or the input.

    `function` is what the model called (such as conv2d) and `op` the basic operation behind it, None for the input.
    Among `args` and `kwargs` is a `Ref` in place of each tensor that depends on the input. `shapes` are those of the
    tensors that it returns.
    """

    function: str
    op: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    name: str
    shapes: list[torch.Size] = field(default_factory=list)

    @property
    def arguments(self) -> dict[str, Any]:
        """All arguments by name, including defaults."""
        schema = self.op._schema.arguments
        named = {a.name: a.default_value for a in schema if a.has_default_value()}
        return named | dict(zip((a.name for a in schema), self.args, strict=False)) | self.kwargs

    @cached_property
    def reads(self) -> list[Ref]:
        """The tensors among its arguments that depend on the input."""
        leaves = tree_leaves((self.args, self.kwargs))
        return [leaf for leaf in leaves if isinstance(leaf, Ref)]


@dataclass
class Graph:
    """The nodes in the order in which they ran, the input first, and the names of their tensors.

    `parts` has, by its name, the tensors that each call of a module returned, and those of the model as "output".
    """

    nodes: list[Node]
    names: dict[str, Ref]
    parts: dict[str, dict[str, Ref]]

    def live(self, target: Ref) -> list[int]:
        """The nodes on a path to `target`, in order; any other node is dead."""
        found, waiting = set(), [target.node]
        while waiting:
            node = waiting.pop()
            if node not in found:
                found.add(node)
                waiting += [ref.node for ref in self.nodes[node].reads]
        return sorted(found)
