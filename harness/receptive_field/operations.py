"""Basic operations that torch lacks: views of memory that was written to, and recurrence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

_GEOMETRY = "int[] {0}_size, int[] {0}_stride, int {0}_offset"

torch.library.define(
    "receptive_field::read", f"(Tensor memory, {_GEOMETRY.format('whole')}, {_GEOMETRY.format('part')}) -> Tensor"
)
torch.library.define(
    "receptive_field::write",
    f"(Tensor memory, Tensor source, {_GEOMETRY.format('whole')}, {_GEOMETRY.format('part')}) -> Tensor",
)
torch.library.define("receptive_field::recur", "(Tensor input, int dim, bool reverse) -> Tensor")

read = torch.ops.receptive_field.read.default
"""The part of a block of memory that a view shows; whole and part are given by size, stride and offset."""

write = torch.ops.receptive_field.write.default
"""A block of memory after something is written into a view of it."""

recur = torch.ops.receptive_field.recur.default
"""Each step along a dimension reads itself and all steps before it, or after it."""

torch.library.impl("receptive_field::recur", "Meta", lambda source, dim, reverse: torch.empty_like(source))


def recurrent(
    source: Tensor,
    state: Tensor | Sequence[Tensor],
    weights: Sequence[Tensor],
    biased: bool,
    layers: int,
    dropout: float,
    training: bool,
    bidirectional: bool,
    batch_first: bool = False,
) -> tuple[Tensor, ...]:
    """Read what torch.lstm, gru, rnn_tanh and rnn_relu read: each step reads the steps up to it, and the first state.

    Returns:
        the steps of the last layer, and the last state of every layer as one tensor or, for an LSTM, two.

    """
    states = [state] if isinstance(state, Tensor) else list(state)
    time, directions = 1 if batch_first and source.ndim == 3 else 0, 2 if bidirectional else 1
    each = len(weights) // (layers * directions)
    steps, last = source, []
    for layer in range(layers):
        ends = []
        for index in range(layer * directions, (layer + 1) * directions):
            summed = steps.matmul(weights[index * each][: states[0].shape[-1]].t())
            for first in states:
                summed = summed + first[index].mean(-1, keepdim=True).unsqueeze(time)
            reverse = index % directions == 1
            ends.append(recur(summed, time, reverse))
            last.append(ends[-1].select(time, 0 if reverse else -1))
        steps = torch.cat(ends, -1)
    final = torch.stack(last)
    return (steps, *(final[..., :1].expand(first.shape) for first in states))


RECURRENT: dict[str, Callable[..., Any]] = dict.fromkeys(("lstm", "gru", "rnn_tanh", "rnn_relu"), recurrent)
