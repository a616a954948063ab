"""Functions with a backward pass of their own are followed by their forward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from harness.receptive_field import receptive_field
from spec.harness.receptive_field.field_networks import Net, conv


class Sign(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.factor = factor
        return x.sign() * factor

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        return gradient * ctx.factor, None


class Apart(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x.sign()

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient


class Crossed(torch.autograd.Function):
    """Two inputs, one of them shifted, two outputs, and an argument that is no tensor."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, names: tuple[str, ...] = ()) -> tuple[Tensor, Tensor]:
        return x[:, :, 3:] + y[:, :, :-3], y.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        return gradients


APPLY = Sign.apply


class TestAutogradFunctions:
    @pytest.mark.parametrize(
        "function",
        [lambda _, x: Sign.apply(x, 2.0), lambda _, x: APPLY(x, 2.0), lambda _, x: Apart.apply(x)],
        ids=["with_context", "taken_before", "context_apart"],
    )
    def test_are_followed_by_their_forward(self, function: Callable[[Any, Tensor], Tensor]) -> None:
        field = receptive_field(nn.Sequential(conv(3), Net(function), conv(3)))
        assert (field.size, field.is_global) == ((5, 5), False)

    def test_several_inputs_and_outputs_keep_their_fields(self) -> None:
        net = Net(lambda m, x: Crossed.apply(x, m.a(x), ("a",)), a=conv(5, padding=2))
        assert receptive_field(net, at="output.0").size == (6, 5)
        assert receptive_field(net, at="output.1").size == (5, 5)
