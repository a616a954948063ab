"""A network of whatever builds one: lazy layers have their shapes, and what takes anything but images is named."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from harness.errors import HarnessError
from harness.network import new_network


class Lazy(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(nn.LazyConv2d(8, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.Flatten(), nn.LazyLinear(10))


class Eager(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 26 * 26, 10))


def test_lazy_layers_are_those_of_known_shapes_with_the_weights_of_the_seed() -> None:
    torch.manual_seed(3)
    expected = Eager()
    torch.manual_seed(3)
    found = new_network(Lazy, "mine")
    assert found.training
    assert list(map(type, found.children())) == list(map(type, expected))
    ours = found.state_dict()
    assert all(torch.equal(value, ours[name]) for name, value in expected.state_dict().items())


def test_their_shapes_are_those_for_the_image() -> None:
    [weight, *_] = new_network(Lazy, "mine", (3, 64, 48)).parameters()
    assert weight.shape == (8, 3, 3, 3)


@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated:DeprecationWarning")  # by torch itself
def test_a_network_that_is_compiled_or_copied_to_several_devices_is_the_network_itself() -> None:
    inside = Eager()
    wrapped: Any = torch.compile(nn.DataParallel(inside))
    assert new_network(lambda: wrapped, "mine") is inside


class TwoInputs(nn.Module):
    def forward(self, images: Tensor, digit: Tensor) -> Tensor:
        return images + digit


class NoInput(nn.Module):
    def forward(self) -> Tensor:
        return torch.zeros(2, 10)


@pytest.mark.parametrize(("build", "names"), [(TwoInputs, "images, digit"), (NoInput, "nothing")])
def test_what_takes_anything_but_a_batch_is_refused_before_it_runs(build: type[nn.Module], names: str) -> None:
    with pytest.raises(HarnessError, match=f"^mine: its forward takes {names}, where a batch of images is all there"):
        new_network(build, "mine")


def test_a_lazy_layer_that_no_image_reaches_is_one_line() -> None:
    with pytest.raises(HarnessError, match=r"^mine: its forward pass of 2 x 1 x 28 x 28 raised RuntimeError: "):
        new_network(lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.LazyConv2d(8, 3)), "mine")
