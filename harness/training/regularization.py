"""What a recipe adds to the loss and takes from the gradients, of one network or of many: L1 and clipping."""

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_, clip_grad_value_

from harness.recipe import Recipe


def l1(weights: Iterable[Tensor]) -> Tensor:
    """The sum of the absolute values of all weights that are trained."""
    return torch.stack([weight.abs().sum() for weight in weights if weight.requires_grad]).sum()


def l1_of_each(weights: Iterable[Tensor]) -> Tensor:
    """The sum for each of S networks (S,), whose weights are stacked (S, ...)."""
    return torch.stack([_rows(weight).abs().sum(1) for weight in weights if weight.requires_grad]).sum(0)


def clip(weights: Iterable[Tensor], recipe: Recipe) -> None:
    """Clip the gradients of one network, in place."""
    if recipe.clip_grad_norm is not None:
        clip_grad_norm_(weights, recipe.clip_grad_norm)
    if recipe.clip_grad_value is not None:
        clip_grad_value_(weights, recipe.clip_grad_value)


def clip_each(weights: Iterable[Tensor], recipe: Recipe) -> None:
    """Clip the gradients of each of S networks, whose weights are stacked (S, ...), in place."""
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    if recipe.clip_grad_norm is not None:
        norms = torch.stack([_rows(gradient).norm(dim=1) for gradient in gradients]).norm(dim=0)
        factors = (recipe.clip_grad_norm / (norms + 1e-6)).clamp(max=1.0)  # as clip_grad_norm_
        for gradient in gradients:
            gradient.mul_(per_network(factors, gradient))
    if recipe.clip_grad_value is not None:
        clip_grad_value_(weights, recipe.clip_grad_value)


def per_network(values: Tensor, like: Tensor) -> Tensor:
    """Values (S,) in a shape that multiplies the S parts of a tensor (S, ...)."""
    return values.view(-1, *(1,) * (like.dim() - 1))


def _rows(stacked: Tensor) -> Tensor:
    return stacked.reshape(len(stacked), -1)
