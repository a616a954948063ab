"""Brightness and contrast are those of torchvision on PIL images, in pixels and in draws."""

from typing import Any

import numpy as np
import pytest
import torch
from torchvision import transforms as vision
from torchvision.transforms import functional

from harness.recipe import ColorJitter
from harness.training.augmentation.jitter import Jitter
from spec.harness.training.augmentation.samples import SIZE, draws, noise, pil, pixels, same_distribution

N = 200


@pytest.mark.parametrize(
    "settings",
    [{"brightness": 0.1}, {"contrast": 0.5}, {"brightness": (0.0, 3.0), "contrast": (0, 2)}, {"brightness": 2.5}, {}],
    ids=str,
)
@pytest.mark.parametrize("size", [(28, 28), (20, 33)])
def test_a_jitter_is_that_of_torchvision_bit_for_bit(settings: dict[str, Any], size: tuple[int, int]) -> None:
    images = noise(N, size)
    images[2:100] //= 4  # darker ones, whose brightness is not cut off at white
    drawn = Jitter.draw(ColorJitter(**settings), size, draws(N))
    for k, image in enumerate(drawn.apply(images)):
        brightness, contrast = drawn.brightness[k].item(), drawn.contrast[k].item()
        expected = pil(images[k])
        if drawn.contrast_first[k]:
            expected = functional.adjust_brightness(functional.adjust_contrast(expected, contrast), brightness)
        else:
            expected = functional.adjust_contrast(functional.adjust_brightness(expected, brightness), contrast)
        assert torch.equal(image, pixels(expected))


@pytest.mark.parametrize("settings", [{"brightness": 0.2, "contrast": (0.5, 0.9)}, {"brightness": 1.5}], ids=str)
def test_factors_and_their_order_are_drawn_as_by_torchvision(settings: dict[str, Any]) -> None:
    n = 5_000
    theirs = vision.ColorJitter(**settings)
    params = [theirs.get_params(theirs.brightness, theirs.contrast, None, None) for _ in range(n)]
    drawn = Jitter.draw(ColorJitter(**settings), SIZE, draws(n))
    for ours, column in ((drawn.brightness, 1), (drawn.contrast, 2)):
        factors = np.array([param[column] if param[column] is not None else 1.0 for param in params])
        assert same_distribution(ours, factors)
    first = sum(order.tolist().index(1) < order.tolist().index(0) for order, *_ in params)
    assert abs(first - int(drawn.contrast_first.sum())) < 4.5 * (n / 2) ** 0.5
    columns = torch.stack([drawn.brightness, drawn.contrast, drawn.contrast_first.double()])
    assert torch.corrcoef(columns).nan_to_num().fill_diagonal_(0).abs().max() < 0.07
