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
torch.library.define("receptive_field::recur", "(Tensor input, int dim) -> Tensor")

read = torch.ops.receptive_field.read.default
"""The part of a block of memory that a view shows; whole and part are given by size, stride and offset."""

write = torch.ops.receptive_field.write.default
"""A block of memory after something is written into a view of it."""

recur = torch.ops.receptive_field.recur.default
"""Each step along a dimension reads itself and all steps before it."""

torch.library.impl("receptive_field::recur", "Meta", lambda source, dim: torch.empty_like(source))


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
    """Read what torch.lstm, gru, rnn_tanh and rnn_relu read: the steps up to each step, and the first state.

    A layer in both directions reads all steps.

    Returns:
        the steps of the last layer, and the last state of every layer as one tensor or, for an LSTM, two.

    """
    states = [state] if isinstance(state, Tensor) else list(state)
    time, directions = 1 if batch_first and source.ndim == 3 else 0, 2 if bidirectional else 1
    each = len(weights) // (layers * directions)
    steps, last = source, []
    for layer in range(layers):
        summed = steps.matmul(weights[layer * directions * each][: states[0].shape[-1]].t())
        for first in (first[layer * directions + way] for first in states for way in range(directions)):
            summed = summed + first.mean(-1, keepdim=True).unsqueeze(time)
        read = summed.mean(time, keepdim=True).expand_as(summed) if bidirectional else recur(summed, time)
        last += [read.select(time, -1)] * directions
        steps = torch.cat([read, read], -1) if bidirectional else read
    final = torch.stack(last)
    return (steps, *(final[..., :1].expand(first.shape) for first in states))


RECURRENT: dict[str, Callable[..., Any]] = dict.fromkeys(("lstm", "gru", "rnn_tanh", "rnn_relu"), recurrent)
