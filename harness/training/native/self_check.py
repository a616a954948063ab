"""Whether the library that was built here computes what torch computes, by one step of a small network."""

from functools import cache

import torch
from torch import nn
from torch.nn import functional as F

from harness.data.synthetic import synthetic
from harness.errors import HarnessError
from harness.recipe import Recipe
from harness.training.augmentation import normalized
from harness.training.native.trainer import NativeTrainer

TOLERANCE = 1e-4  # of the gradients, relative; those of the kernels differ by 1e-6


def _network() -> nn.Module:
    """Every kind of unit, in maps and channels that no vector divides."""
    return nn.Sequential(
        *(nn.Conv2d(1, 5, 3, padding=1), nn.BatchNorm2d(5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(5, 5, 3, groups=5, bias=False), nn.Conv2d(5, 7, 1), nn.ReLU(), nn.BatchNorm2d(7)),
        *(nn.Conv2d(7, 6, 5, stride=2), nn.AdaptiveAvgPool2d(1), nn.Conv2d(6, 10, 1), nn.Flatten(), nn.LogSoftmax(1)),
    )


@cache
def fault() -> str | None:
    """Why there is no library, or what is wrong with it, found out once per process; None if it is right."""
    try:
        return _difference()
    except HarnessError as error:
        return str(error)


def _difference() -> str | None:
    data = synthetic(19)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = _network()
    # Without momentum, and with a rate that changes nothing, the momentum is the gradient.
    recipe = Recipe(lr=1e-30, batch_size=19, epochs=1, momentum=0.0)
    trainer = NativeTrainer(network, recipe, data, seed=0)
    trainer.train_steps(torch.arange(19), 0)
    loss = F.nll_loss(network.double()(normalized(data.train_images, recipe.normalize).double()), data.train_labels)
    gradient = torch.cat([one.flatten() for one in torch.autograd.grad(loss, list(network.parameters()))])
    error = ((trainer.network.momentum - gradient).norm() / gradient.norm()).item()
    if error < TOLERANCE and abs(trainer.loss_sum.value - loss.item()) < TOLERANCE:
        return None
    return f"what was built here does not compute what torch does: its gradients differ by {error:.1e}"
