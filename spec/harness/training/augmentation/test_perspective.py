"""Perspective is that of torchvision on PIL images, in pixels and in draws."""

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms as vision
from torchvision.transforms import InterpolationMode, functional

from harness.recipe import RandomPerspective
from harness.training.augmentation.perspective import Perspective
from spec.harness.training.augmentation.samples import SIZE, draws, noise, pil, pixels, same_distribution

N = 200


CORNERS = [[0, 0], [27, 0], [27, 27], [0, 27]]


def ends(drawn: Perspective, k: int) -> list[list[int]]:
    """Where the corners of the k-th image go."""
    both: list[list[int]] = torch.stack([drawn.x[k], drawn.y[k]], 1).int().tolist()
    return both


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
@pytest.mark.parametrize("scale", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("size", [(28, 28), (20, 33)])
def test_pixels_are_those_of_pil_bit_for_bit(interpolation: Any, scale: float, size: tuple[int, int]) -> None:
    images = noise(N, size)
    transform = RandomPerspective(distortion_scale=scale, p=1.0, interpolation=interpolation, fill=(9,))
    drawn = Perspective.draw(transform, size, draws(N))
    terms, mode = drawn.coefficients(*size), Image.Resampling[interpolation.upper()]
    for k, image in enumerate(drawn.apply(images)):
        if terms[k].isfinite().all():
            source = pil(images[k])
            expected = source.transform(source.size, Image.Transform.PERSPECTIVE, terms[k].tolist(), mode, fillcolor=9)
            assert torch.equal(image, pixels(expected))


def test_coefficients_are_those_of_torchvision() -> None:
    drawn = Perspective.draw(RandomPerspective(p=1.0), SIZE, draws(N))
    theirs = torch.tensor([functional._get_perspective_coeffs(CORNERS, ends(drawn, k)) for k in range(N)])
    # torchvision solves eight equations, which leaves rounding errors of float64 where a term is 0
    torch.testing.assert_close(drawn.coefficients(*SIZE), theirs, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_images_are_those_of_torchvision_but_for_pixels_on_the_border(interpolation: Any) -> None:
    images = noise(N)
    drawn = Perspective.draw(RandomPerspective(p=1.0, interpolation=interpolation, fill=9), SIZE, draws(N))
    mode = InterpolationMode(interpolation)
    expected = torch.stack(
        [pixels(functional.perspective(pil(images[k]), CORNERS, ends(drawn, k), mode, 9)) for k in range(N)]
    )
    apart = drawn.apply(images).ne(expected)
    assert apart.sum() <= 20  # of 156,800 pixels
    assert apart.flatten(1).any(1).sum() <= 2


def test_corners_that_stay_leave_the_image_within_a_grey_level() -> None:
    images = noise(N)
    drawn = Perspective.draw(RandomPerspective(distortion_scale=0.0, p=1.0), SIZE, draws(N))
    assert (drawn.apply(images).int() - images.int()).abs().max() <= 1


def test_corners_that_fall_together_are_no_error() -> None:
    images, zero = noise(4), torch.zeros(4, 4, dtype=torch.float64)
    for interpolation in ("nearest", "bilinear"):
        transform = RandomPerspective(p=1.0, interpolation=interpolation, fill=9)
        assert Perspective(transform, torch.ones(4, dtype=torch.bool), zero, zero).apply(images).eq(9).all()


def test_as_many_images_are_changed_as_asked_for() -> None:
    drawn = Perspective.draw(RandomPerspective(p=0.3), SIZE, draws(20_000))
    assert drawn.changed.double().mean() == pytest.approx(0.3, abs=0.015)  # four and a half standard errors
    images = noise(100)
    few = Perspective.draw(RandomPerspective(p=0.3), SIZE, draws(100))
    changed = few.apply(images).ne(images).flatten(1).any(1)
    assert changed[~few.changed].logical_not().all()
    assert changed[few.changed][2:].all()


def test_corners_are_drawn_as_by_torchvision() -> None:
    height, width, n = 21, 40, 4_000
    theirs = np.array([vision.RandomPerspective.get_params(width, height, 0.5)[1] for _ in range(n)])
    drawn = Perspective.draw(RandomPerspective(), (height, width), draws(n))
    for corner in range(4):
        assert same_distribution(drawn.x[:, corner], theirs[:, corner, 0])
        assert same_distribution(drawn.y[:, corner], theirs[:, corner, 1])
        assert sorted(set(drawn.x[:, corner].tolist())) == sorted(set(theirs[:, corner, 0].tolist()))
        assert sorted(set(drawn.y[:, corner].tolist())) == sorted(set(theirs[:, corner, 1].tolist()))
    columns = torch.cat([drawn.x, drawn.y, drawn.changed[:, None]], 1).T
    assert torch.corrcoef(columns).fill_diagonal_(0).abs().max() < 0.08
