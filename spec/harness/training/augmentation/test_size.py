"""Crops and other sizes are those of torchvision on PIL images."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision import transforms as vision
from torchvision.transforms import functional

from harness.recipe import CenterCrop, RandomCrop, Resize
from harness.training.augmentation.crop import Center, Crop
from harness.training.augmentation.resize import Resized
from spec.harness.training.augmentation.samples import SIZE, draws, noise, pil, pixels, same_distribution

N = 30
SIZES = [(28, 28), (20, 33)]


def by_torchvision(transform: Any, images: Tensor) -> Tensor:
    return torch.stack([pixels(transform(pil(image))) for image in images])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("wanted", [22, 28, 23, 15, 1, (28, 20), (31, 9), (40, 41), 56])
def test_another_size_is_that_of_torchvision_bit_for_bit(wanted: Any, size: tuple[int, int]) -> None:
    images = noise(N, size)
    transform = Resize(size=wanted)
    resized = Resized.draw(transform, size, draws(N)).apply(images)
    assert torch.equal(resized, by_torchvision(vision.Resize(wanted), images))
    assert resized.shape[1:] == transform.size_after(size)


def test_lower_and_wider_images_are_those_of_torchvision_within_a_grey_level() -> None:
    images = noise(N)
    resized = Resized.draw(Resize(size=(14, 40)), SIZE, draws(N)).apply(images)
    assert (resized.int() - by_torchvision(vision.Resize((14, 40)), images).int()).abs().max() <= 1


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("wanted", [22, 23, 25, 28, 1, (9, 30), (32, 33), 41])
def test_the_middle_is_that_of_torchvision(wanted: Any, size: tuple[int, int]) -> None:
    images = noise(N, size)
    middle = Center.draw(CenterCrop(size=wanted), size, draws(N)).apply(images)
    assert torch.equal(middle, by_torchvision(vision.CenterCrop(wanted), images))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("padding", [None, 0, 4, (2, 5), (1, 2, 3, 6)])
@pytest.mark.parametrize("wanted", [20, (19, 11)])
def test_a_part_is_that_of_torchvision(wanted: Any, padding: Any, size: tuple[int, int]) -> None:
    images = noise(N, size)
    transform = RandomCrop(size=wanted, padding=padding, fill=(9,))
    crop = Crop.draw(transform, size, draws(N))
    height, width = transform.size_after(size)
    for k, image in enumerate(crop.apply(images)):
        padded = pil(images[k]) if padding is None else functional.pad(pil(images[k]), padding, fill=(9,))
        top, left = int(crop.top[k]), int(crop.left[k])
        assert torch.equal(image, pixels(functional.crop(padded, top, left, height, width)))


def test_places_are_drawn_as_by_torchvision() -> None:
    n, size = 4_000, (20, 33)
    padded = vision.Pad((1, 2, 3, 6))(pil(noise(2, size)[0]))
    theirs = np.array([vision.RandomCrop.get_params(padded, (19, 30)) for _ in range(n)])
    crop = Crop.draw(RandomCrop(size=(19, 30), padding=(1, 2, 3, 6)), size, draws(n))
    for ours, column in ((crop.top, 0), (crop.left, 1)):
        assert same_distribution(ours, theirs[:, column])
        assert sorted(set(ours.tolist())) == sorted(set(theirs[:, column].tolist()))
    assert abs(torch.corrcoef(torch.stack([crop.top, crop.left]))[0, 1]) < 0.07


def test_a_part_of_the_size_of_the_image_is_the_image() -> None:
    images = noise(N)
    assert torch.equal(Crop.draw(RandomCrop(size=28), SIZE, draws(N)).apply(images), images)
