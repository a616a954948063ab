"""The optimizer of a recipe."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from harness.recipe import Adadelta, Adam, AdamW, Recipe, RMSprop


def optimizer_of(weights: Iterable[Tensor], recipe: Recipe, rate: float | Tensor) -> torch.optim.Optimizer:
    """The optimizer of a recipe. A CUDA graph can be replayed with another rate if the rate is a tensor."""
    weights = list(weights)
    common: dict[str, Any] = {"lr": rate, "weight_decay": recipe.weight_decay}
    # What counts steps can be recorded in a CUDA graph only if it counts on the device.
    counting: dict[str, Any] = {"capturable": any(weight.is_cuda for weight in weights)}
    match recipe.optimizer:
        case None:
            real = all(weight.is_floating_point() for weight in weights)  # the fused step is of no complex numbers
            sgd = torch.optim.SGD(weights, **common, momentum=recipe.momentum, nesterov=recipe.nesterov, fused=real)
            sgd.register_step_pre_hook(_begin_late_momentum)
            return sgd
        case Adadelta() as settings:
            return torch.optim.Adadelta(weights, **common, **asdict(settings), **counting)
        case Adam() as settings:
            return torch.optim.Adam(weights, **common, **asdict(settings), **counting, fused=True)
        case AdamW() as settings:
            return torch.optim.AdamW(weights, **common, **asdict(settings), **counting, fused=True)
        case RMSprop() as settings:
            return torch.optim.RMSprop(weights, **common, **asdict(settings), **counting)


def _begin_late_momentum(optimizer: torch.optim.Optimizer, *_: Any) -> None:
    """Begin with zeros for weights whose first gradient comes after that of others: a fused step begins with all."""
    for group in optimizer.param_groups:
        moved = [weight for weight in group["params"] if weight.grad is not None]
        late = [weight for weight in moved if "momentum_buffer" not in optimizer.state.get(weight, {})]
        if group["momentum"] and 0 < len(late) < len(moved):
            for weight in late:
                optimizer.state[weight]["momentum_buffer"] = torch.zeros_like(weight)


def set_momentum(optimizer: torch.optim.Optimizer, momentum: float | None) -> None:
    """Set the momentum, or the first beta of Adam; None leaves it as it is."""
    if momentum is None:
        return
    for group in optimizer.param_groups:
        if "betas" in group:
            group["betas"] = (momentum, group["betas"][1])
        else:
            group["momentum"] = momentum
