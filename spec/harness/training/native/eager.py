"""One step of a network by the kernels, and the same in eager torch: in float64, which is the reference, or float32."""

import math
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.data import MNIST
from harness.recipe import Normalize, Recipe
from harness.training.augmentation import normalized
from harness.training.native.trainer import NativeTrainer
from models.blocks import WeightedAverage

STILL = Recipe(lr=1e-30, batch_size=1, epochs=1, momentum=0.0)  # a step moves nothing, and the momentum is the gradient


@dataclass(frozen=True)
class Result:
    """What a step on a batch comes to."""

    loss: float
    gradients: list[Tensor]
    """Of the parameters, in the order of the network."""
    statistics: Tensor
    """Running means and variances of all normalizations, one after the other."""
    logits: Tensor
    """Log-probabilities of the batch after the step, in evaluation mode."""


def noise(n: int, seed: int = 0) -> MNIST:
    """Images of noise, in which no two windows are the same, so that each maximum is at one place."""
    random = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (n, 28, 28), generator=random, dtype=torch.uint8)
    labels = torch.randint(0, 10, (n,), generator=random)
    return MNIST(images, labels, images.clone(), labels.clone())


def shaken(network: nn.Module, seed: int = 0) -> nn.Module:
    """The network with parameters and statistics that are the same on every CPU, none of them 0 or 1."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                reach = 1 / math.sqrt(layer.weight[0].numel())
                for parameter, share in zip(layer.parameters(), (1.5, 0.3), strict=False):  # weights, biases
                    drawn = 2 * torch.rand(parameter.shape, generator=random) - 1
                    parameter.copy_(share * reach * (drawn + 0.2 * drawn.sign()))
            elif isinstance(layer, nn.BatchNorm2d | WeightedAverage):
                for tensor in (*layer.parameters(), *layer.buffers()):
                    if tensor.is_floating_point():
                        tensor.copy_(torch.rand(tensor.shape, generator=random) + 0.5)
    return network


def undropped(network: nn.Module) -> nn.Module:
    """The network with dropouts of rate 0."""
    for layer in network.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    return network


def running(network: nn.Module) -> Tensor:
    """Running means and variances, one after the other."""
    return flat(value for name, value in network.named_buffers() if "running" in name)


def flat(tensors: Iterable[Tensor]) -> Tensor:
    """All numbers of some tensors in one; none of no tensors."""
    return torch.cat([torch.empty(0), *(tensor.detach().flatten() for tensor in tensors)])


def native(network: nn.Module, data: MNIST, recipe: Recipe = STILL, *, start: int = 0) -> Result:
    """A step of the kernels on all images at once, which is the step of this number."""
    recipe = replace(recipe, batch_size=len(data.train_labels))
    trainer = NativeTrainer(network, recipe, data, seed=5)
    assert trainer.train_steps(torch.arange(recipe.batch_size), start) == 1
    sizes = [weight.numel() for weight in network.parameters()]
    gradients = trainer.network.momentum.split(sizes)
    logits = trainer.network.predict(trainer.settings, data.test_images)
    statistics = trainer.network.buffers
    return Result(trainer.loss_sum.value, list(gradients), statistics, F.log_softmax(logits, 1))


def eager(
    network: nn.Module, data: MNIST, dtype: torch.dtype = torch.float64, normalize: Normalize = STILL.normalize
) -> Result:
    """A step of torch on all images at once; the network is not changed."""
    network = deepcopy(network).to(dtype).train()
    images = normalized(data.train_images, normalize).to(dtype)
    loss = F.nll_loss(network(images), data.train_labels)
    loss.backward()
    gradients = [weight.grad.flatten() for weight in network.parameters() if weight.grad is not None]
    network.eval()
    with torch.no_grad():
        logits = network(images)
    return Result(loss.item(), gradients, running(network), logits)


def distance(found: Tensor, exact: Tensor) -> float:
    """Relative distance in the Euclidean norm."""
    return float((found.double() - exact).norm() / exact.norm())
