"""Batch normalization of stacked networks gives what torch gives each of them."""

from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state

from harness.training import batch_norm
from harness.training.batch_norm import StackedBatchNorm2d

NETWORKS = 3


class Network(nn.Module):
    """Normalizes the images, and then the maps of a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.images = nn.BatchNorm2d(2, eps=0.1)
        self.convolution = nn.Conv2d(2, 4, 3)
        self.maps = nn.BatchNorm2d(4, momentum=0.3)
        for weight in self.parameters():
            nn.init.normal_(weight)

    def forward(self, images: Tensor) -> Tensor:
        maps: Tensor = self.maps(self.convolution(self.images(images)))
        return maps


@pytest.fixture
def networks() -> list[nn.Module]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return [Network().double() for _ in range(NETWORKS)]


def numbers(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("shared", [False, True], ids=["images of their own", "the same images"])
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
def test_stacked_networks_have_what_each_has_alone(networks: list[nn.Module], training: bool, shared: bool) -> None:
    images = numbers(*(() if shared else (NETWORKS,)), 8, 2, 6, 6).requires_grad_()
    gradient = numbers(NETWORKS, 8, 4, 4, 4)
    stacked = deepcopy(networks[0]).train(training)
    batch_norm.replace(stacked)
    weights, buffers = stack_module_state(networks)

    def one(weights: Any, buffers: Any, images: Tensor) -> Any:
        return functional_call(stacked, (weights, buffers), (images,))

    together = torch.vmap(one, in_dims=(0, 0, None if shared else 0))(weights, buffers, images)
    together.backward(gradient)
    found, images.grad = images.grad, None
    for number, network in enumerate(networks):
        output = network.train(training)(images if shared else images[number])
        torch.testing.assert_close(together[number], output, rtol=1e-12, atol=1e-12)
        output.backward(gradient[number])
        for name, weight in network.named_parameters():
            torch.testing.assert_close(weights[name].grad[number], weight.grad, rtol=1e-12, atol=1e-12)
        for name, buffer in network.named_buffers():
            torch.testing.assert_close(buffers[name][number], buffer, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(found, images.grad, rtol=1e-12, atol=1e-12)


def test_only_usual_ones_are_replaced() -> None:
    class Own(nn.BatchNorm2d):
        """One that somebody changed."""

    unusual = [
        Own(2),
        nn.BatchNorm1d(2),
        nn.BatchNorm2d(2, affine=False),
        nn.BatchNorm2d(2, track_running_stats=False),
        nn.BatchNorm2d(2, momentum=None),
    ]
    usual = [nn.BatchNorm2d(2), nn.BatchNorm2d(2, momentum=0.0)]
    model = nn.Sequential(nn.Sequential(*usual), *unusual)
    before = [type(layer) for layer in unusual]
    names = list(model.state_dict())
    batch_norm.replace(model)
    assert [type(layer) for layer in usual] == [StackedBatchNorm2d] * 2
    assert [type(layer) for layer in unusual] == before
    assert list(model.state_dict()) == names


def test_it_takes_maps_and_nothing_else() -> None:
    with pytest.raises(ValueError, match="expected 4D input"):
        StackedBatchNorm2d(2)(torch.zeros(3, 2))
