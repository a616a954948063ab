"""Rectangles are erased as by torchvision, and drawn as by it."""

from typing import Any

import numpy as np
import pytest
import torch
from torchvision import transforms as vision
from torchvision.transforms import functional

from harness.recipe import RandomErasing
from harness.training.augmentation.erasing import Erasing
from spec.harness.training.augmentation.samples import SIZE, draws, same_distribution

N = 200
SIZES = [(28, 28), (20, 33)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("value", [0.0, (-0.4,), "random"])
def test_a_rectangle_is_erased_as_by_torchvision(value: Any, size: tuple[int, int]) -> None:
    images = torch.randn(N, 1, *size, generator=torch.Generator().manual_seed(1))
    drawn = Erasing.draw(RandomErasing(value=value), size, draws(N))
    changed = drawn.apply(images)
    for k, image in enumerate(images):
        if drawn.erased[k]:
            top, left, height, width = (int(part[k]) for part in (drawn.top, drawn.left, drawn.height, drawn.width))
            noise = drawn.value[k] if isinstance(drawn.value, torch.Tensor) else torch.full((1, *size), drawn.value)
            inside = noise[:, top : top + height, left : left + width]
            image = functional.erase(image, top, left, height, width, inside)
        assert torch.equal(changed[k], image)
    assert 0 < drawn.erased.sum() < N


def test_noise_is_standard_normal_and_each_image_has_its_own() -> None:
    drawn = Erasing.draw(RandomErasing(value="random"), SIZE, draws(50))
    assert isinstance(drawn.value, torch.Tensor)
    assert same_distribution(drawn.value.flatten(), np.random.default_rng(0).standard_normal(50 * 784))
    assert len(drawn.value.unique()) > 39_000  # of 39,200 float32


@pytest.mark.thorough
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "settings", [{}, {"scale": (0.5, 1.0), "ratio": (0.8, 2.0)}, {"scale": (0.85, 0.98), "ratio": (0.5, 1.2)}], ids=str
)
def test_rectangles_are_drawn_as_by_torchvision(settings: dict[str, Any], size: tuple[int, int]) -> None:
    """Also where most do not fit, and where some images have none that does."""
    n, transform = 3_000, RandomErasing(**settings, p=1.0)
    image = torch.zeros(1, *size)
    params = np.array(
        [vision.RandomErasing.get_params(image, transform.scale, transform.ratio, [0.0])[:4] for _ in range(n)]
    )
    found = params[:, 2] < size[0]  # torchvision says the whole image where it found none
    drawn = Erasing.draw(transform, size, draws(n))
    assert abs(int(drawn.erased.sum()) - found.sum()) < 4.5 * (n / 2) ** 0.5
    for ours, theirs in zip((drawn.top, drawn.left, drawn.height, drawn.width), params[found].T, strict=True):
        assert same_distribution(ours[drawn.erased], theirs)


def test_no_rectangle_fits_where_all_are_as_large_as_the_image() -> None:
    images = torch.randn(N, 1, 28, 28)
    drawn = Erasing.draw(RandomErasing(p=1.0, scale=(1.0, 1.0)), SIZE, draws(N))
    assert torch.equal(drawn.apply(images), images)


def test_as_many_images_are_erased_as_asked_for() -> None:
    drawn = Erasing.draw(RandomErasing(p=0.3), SIZE, draws(20_000))
    assert drawn.erased.double().mean() == pytest.approx(0.3, abs=0.015)  # four and a half standard errors
