"""Rotation and affine maps of 8-bit images are those of torchvision on PIL images, in pixels and in draws."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision import transforms as vision
from torchvision.transforms import InterpolationMode, functional

from harness.recipe import RandomAffine, RandomRotation
from harness.training.augmentation.affine import Sheared, draw
from harness.training.augmentation.warp import Warp
from spec.harness.training.augmentation.samples import SIZE, draws, noise, pil, pixels, same_distribution

N = 100


def rotated(warp: Warp, image: Tensor, k: int) -> Tensor:
    """The k-th image as torchvision rotates it."""
    mode = InterpolationMode(warp.transform.interpolation)
    return pixels(functional.rotate(pil(image), warp.affine.angle[k].item(), mode, fill=warp.transform.fill))


def mapped(warp: Warp, image: Tensor, k: int) -> Tensor:
    """The k-th image as torchvision maps it, whose angle is clockwise."""
    affine, mode = warp.affine, InterpolationMode(warp.transform.interpolation)
    shear = affine.shear[k].tolist() if isinstance(affine, Sheared) else [0.0, 0.0]
    shift = [int(pixel) for pixel in affine.shift[k]]
    turned = functional.affine(
        pil(image), -affine.angle[k].item(), shift, affine.scale[k].item(), shear, mode, fill=warp.transform.fill
    )
    return pixels(turned)


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
@pytest.mark.parametrize(
    "settings",
    [
        {"degrees": 7},
        {"degrees": (-3.0, 40.0), "fill": (9,)},
        {"degrees": (90.0, 90.0), "fill": 200},
        {"degrees": (-180, 180), "fill": 1.7},
    ],
    ids=str,
)
def test_a_rotation_is_that_of_torchvision_bit_for_bit(settings: dict[str, Any], interpolation: Any) -> None:
    images = noise(N)
    warp = Warp.draw(RandomRotation(**settings, interpolation=interpolation), SIZE, draws(N))
    for k, image in enumerate(warp.apply(images)):
        assert torch.equal(image, rotated(warp, images[k], k))


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
@pytest.mark.parametrize(
    "settings",
    [
        {"degrees": (5, 20), "translate": (0.1, 0.3), "scale": (0.8, 1.2), "shear": (5, 9, -20, 10), "fill": (1,)},
        {"shear": 10, "fill": 255},
        {"shear": (5, 25)},
        {"translate": (0.0, 0.2)},
    ],
    ids=str,
)
@pytest.mark.parametrize("size", [(28, 28), (20, 33)])
def test_an_affine_map_is_that_of_torchvision_bit_for_bit(
    settings: dict[str, Any], interpolation: Any, size: tuple[int, int]
) -> None:
    images = noise(N, size)
    warp = Warp.draw(RandomAffine(**settings, interpolation=interpolation), size, draws(N))
    for k, image in enumerate(warp.apply(images)):
        assert torch.equal(image, mapped(warp, images[k], k))


def test_a_rotation_of_tensors_is_that_of_torchvision() -> None:
    images = torch.randn(N, 1, 28, 28, generator=torch.Generator().manual_seed(2))
    rotation = RandomRotation(degrees=(3, 30), on="tensor", interpolation="bilinear", fill=(-0.4,))
    warp = Warp.draw(rotation, SIZE, draws(N))
    for k, image in enumerate(warp.apply(images)):
        # torchvision lets the fill act twice where it mixes with the edge of an image, and once where it is given none
        turned = functional.rotate(images[k] + 0.4, warp.affine.angle[k].item(), InterpolationMode.BILINEAR)
        torch.testing.assert_close(image, turned - 0.4, atol=1e-4, rtol=0)


def test_angles_are_drawn_as_by_torchvision() -> None:
    theirs = np.array([vision.RandomRotation.get_params([-3.0, 40.0]) for _ in range(5_000)])
    drawn = draw(RandomRotation(degrees=(-3.0, 40.0)), SIZE, draws(5_000))
    assert same_distribution(drawn.angle, theirs)


def test_affine_maps_are_drawn_as_by_torchvision() -> None:
    n, size = 5_000, (20, 60)
    transform = RandomAffine(degrees=(5, 20), translate=(0.1, 0.3), scale=(0.8, 1.3), shear=(5, 9, -20, 10))
    drawn = draw(transform, size, draws(n))
    assert isinstance(drawn, Sheared)
    # torchvision wants width and height
    params = [
        vision.RandomAffine.get_params([5, 20], (0.1, 0.3), (0.8, 1.3), [5, 9, -20, 10], [60, 20]) for _ in range(n)
    ]
    angle, shift, scale, shear = (np.array(part) for part in zip(*params, strict=True))
    assert same_distribution(-drawn.angle, angle)
    assert same_distribution(drawn.scale, scale)
    for axis in (0, 1):
        assert same_distribution(drawn.shift[:, axis], shift[:, axis])
        assert same_distribution(drawn.shear[:, axis], shear[:, axis])
    columns = torch.stack([drawn.angle, drawn.scale, *drawn.shift.T, *drawn.shear.T])
    assert torch.corrcoef(columns).fill_diagonal_(0).abs().max() < 0.06


@pytest.mark.parametrize("shear", [10, (-10.0, 10.0)])
def test_one_range_of_shear_is_of_columns_alone(shear: Any) -> None:
    drawn = draw(RandomAffine(shear=shear), SIZE, draws(5_000))
    assert isinstance(drawn, Sheared)
    assert drawn.shear[:, 1].eq(0).all()
    assert same_distribution(drawn.shear[:, 0], np.random.default_rng(0).uniform(-10, 10, 5_000))
