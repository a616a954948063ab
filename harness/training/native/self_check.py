"""Whether the library that was built here computes what torch computes, and the bits that it computes elsewhere.

By a step of a small network for the first, and by two of everything that has bits of its own for the second.
"""

import hashlib
from copy import deepcopy
from functools import cache

import torch
from torch import nn
from torch.nn import functional as F

from harness.data.synthetic import synthetic
from harness.errors import HarnessError
from harness.recipe import RandomDistortion, Recipe
from harness.training.augmentation import normalized
from harness.training.native.initial import initialized
from harness.training.native.library import settings_of
from harness.training.native.operations import NotCoveredError, running
from harness.training.native.trainer import NativeTrainer, Network

TOLERANCE = 1e-4  # of gradients and predictions, relative; those of the kernels differ by 1e-6
IMAGES = 19
BITS = "e7b88e8023434fed"
"""Of the second check, by g++ 12 on x86-64; they change with `NUMERICS` only."""


def _network(dropout: float = 0.0) -> nn.Module:
    """Every kind of unit, in maps and channels that no vector divides."""
    return nn.Sequential(
        *(nn.Conv2d(1, 5, 3, padding=1), nn.BatchNorm2d(5), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(dropout)),
        *(nn.Conv2d(5, 5, 3, groups=5, bias=False), nn.Conv2d(5, 7, 1), nn.ReLU(), nn.BatchNorm2d(7)),
        *(nn.Conv2d(7, 6, 5, stride=2), nn.AdaptiveAvgPool2d(1), nn.Conv2d(6, 10, 1), nn.Flatten(), nn.LogSoftmax(1)),
    )


@cache
def fault() -> str | None:
    """Why there is no library, or what is wrong with it, found out once per process; None if it is right."""
    try:
        if why := _difference():
            return why
        return None if _bits() == BITS else "what was built here computes other bits than elsewhere; look at CXX"
    except (HarnessError, NotCoveredError) as error:  # the second where torch makes numbers of another type by default
        return str(error)


def wrong_predictions(network: nn.Module, recipe: Recipe) -> str | None:
    """What the kernels predict otherwise than a network of theirs, with the log-softmax in it; None if nothing.

    The plan of a network is all that they know of it. This is of each network that is trained natively, in case that
    its plan says less than it should.
    """
    images = synthetic(IMAGES).test_images
    with running("its predictions"), torch.no_grad():
        expected = deepcopy(network).eval()(normalized(images, recipe.normalize)).double()
    found = Network(deepcopy(network), IMAGES).predict(settings_of(recipe, seed=0), images).double().log_softmax(1)
    error = ((found - expected).nan_to_num().norm() / expected.nan_to_num().norm()).item()
    return f"the kernels predict otherwise than it does, by {error:.1e}" if error > TOLERANCE else None


def _difference() -> str | None:
    data = synthetic(IMAGES)
    with torch.random.fork_rng(devices=[]):
        network = initialized(_network, seed=0)
    # Without momentum, and with a rate that changes nothing, the momentum is the gradient.
    recipe = Recipe(lr=1e-30, batch_size=IMAGES, epochs=1, momentum=0.0)
    trainer = NativeTrainer(network, recipe, data, seed=0)
    trainer.train_steps(torch.arange(IMAGES), 0)
    loss = F.nll_loss(network.double()(normalized(data.train_images, recipe.normalize).double()), data.train_labels)
    gradient = torch.cat([one.flatten() for one in torch.autograd.grad(loss, list(network.parameters()))])
    error = ((trainer.network.momentum - gradient).norm() / gradient.norm()).item()
    if error < TOLERANCE and abs(trainer.loss_sum.value - loss.item()) < TOLERANCE:
        return None
    return f"what was built here does not compute what torch does: its gradients differ by {error:.1e}"


def _bits() -> str:
    """A hash of what two steps leave: weights, their average, momentum, the loss and predictions."""
    data = synthetic(IMAGES)
    distorted = RandomDistortion(
        degrees=8, translate=0.1, scale=(0.9, 1.1), shear=0.1, elastic=0.5, interpolation="bilinear", on="tensor"
    )
    recipe = Recipe(
        lr=0.1,
        batch_size=IMAGES,
        epochs=1,
        nesterov=True,
        weight_decay=1e-3,
        average=0.5,
        augmentation=distorted,
    )
    with torch.random.fork_rng(devices=[]):
        network = initialized(lambda: _network(0.1), seed=0)
    trainer = NativeTrainer(network, recipe, data, seed=0)
    for _ in range(2):
        trainer.train_steps(torch.arange(IMAGES), 0)
        trainer.epoch += 1
    found = {**trainer.state(), "logits": trainer.network.predict(trainer.settings, data.test_images)}
    numbers = [found[name].numpy().tobytes() for name in sorted(found) if found[name].is_floating_point()]
    return hashlib.sha256(b"".join([*numbers, bytes(trainer.loss_sum)])).hexdigest()[:16]
