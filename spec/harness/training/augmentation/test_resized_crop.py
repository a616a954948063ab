"""Parts in another size are those of torchvision, in pixels and in draws."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision import transforms as vision
from torchvision.transforms import InterpolationMode, functional

from harness.recipe import RandomResizedCrop
from harness.training.augmentation.resized_crop import ResizedCrop
from spec.harness.training.augmentation.samples import SIZE, draws, noise, pil, pixels, same_distribution

N = 120
SIZES = [(28, 28), (20, 33)]
PART = ("top", "left", "height", "width")


def by_torchvision(drawn: ResizedCrop, images: list[Any]) -> list[Any]:
    size, mode = drawn.transform.size, InterpolationMode(drawn.transform.interpolation)
    wanted = list(size) if isinstance(size, tuple) else [size, size]
    parts = torch.stack([getattr(drawn, name) for name in PART], 1).int().tolist()
    return [functional.resized_crop(image, *part, wanted, mode) for image, part in zip(images, parts, strict=True)]


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("wanted", [28, (31, 24), 14, 1])
def test_a_part_of_an_8_bit_image_is_that_of_torchvision_bit_for_bit(
    wanted: Any, size: tuple[int, int], interpolation: Any
) -> None:
    images = noise(N, size)
    transform = RandomResizedCrop(wanted, interpolation=interpolation)
    drawn = ResizedCrop.draw(transform, size, draws(N))
    expected = torch.stack([pixels(image) for image in by_torchvision(drawn, [pil(image) for image in images])])
    off = (drawn.apply(images).int() - expected.int()).abs().flatten(1).amax(1)
    height, _ = transform.size_after(size)
    lower = (drawn.height > height) & torch.tensor(interpolation == "bilinear")  # whose columns PIL may take first
    assert (off <= lower.int()).all()
    assert wanted != 28 or not lower.any()


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("wanted", [28, (31, 24), 14, 1])
def test_a_part_of_a_tensor_is_that_of_torchvision(wanted: Any, size: tuple[int, int], interpolation: Any) -> None:
    images = torch.randn(N, 1, *size, generator=torch.Generator().manual_seed(1))
    transform = RandomResizedCrop(wanted, interpolation=interpolation, on="tensor")
    drawn = ResizedCrop.draw(transform, size, draws(N))
    changed = drawn.apply(images)
    assert changed.dtype == torch.float32
    torch.testing.assert_close(changed, torch.stack(by_torchvision(drawn, list(images))), rtol=0, atol=2e-5)


@pytest.mark.thorough
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"scale": (0.85, 1.0)},
        {"scale": (0.5, 1.5), "ratio": (0.5, 2.5)},  # most parts do not lie within the image
        {"scale": (0.2, 0.6), "ratio": (1.4, 3.0)},
    ],
    ids=str,
)
def test_parts_are_drawn_as_by_torchvision(settings: dict[str, Any], size: tuple[int, int]) -> None:
    n, transform = 3_000, RandomResizedCrop(28, **settings)
    image = torch.zeros(1, *size)
    torch.manual_seed(0)
    scale, ratio = list(transform.scale), list(transform.ratio)
    theirs = np.array([vision.RandomResizedCrop.get_params(image, scale, ratio) for _ in range(n)])
    drawn = ResizedCrop.draw(transform, size, draws(n))
    for name, column in zip(PART, theirs.T, strict=True):
        assert same_distribution(getattr(drawn, name), column), name
    assert same_distribution(drawn.height * drawn.width, theirs[:, 2] * theirs[:, 3])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("ratio", [(3.0, 4.0), (0.1, 0.2), (0.5, 3.0), (56.0, 56.0), (0.0179, 0.02)])
def test_where_no_part_fits_it_is_the_middle_as_in_torchvision(ratio: Any, size: tuple[int, int]) -> None:
    transform = RandomResizedCrop(28, scale=(5.0, 9.0), ratio=ratio)
    try:
        transform.size_after(size)
    except ValueError:
        assert 0 in vision.RandomResizedCrop.get_params(torch.zeros(1, *size), [5.0, 9.0], list(ratio))[2:]
        return
    drawn = ResizedCrop.draw(transform, size, draws(5))
    expected = vision.RandomResizedCrop.get_params(torch.zeros(1, *size), [5.0, 9.0], list(ratio))
    assert torch.stack([getattr(drawn, name) for name in PART], 1).tolist() == [list(expected)] * 5


def test_the_whole_image_in_its_size_is_the_image() -> None:
    images: Tensor = noise(N)
    drawn = ResizedCrop.draw(RandomResizedCrop(28, scale=(1, 1), ratio=(1, 1)), SIZE, draws(N))
    assert torch.equal(drawn.apply(images), images)
