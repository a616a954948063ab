"""Images are blurred as by torchvision, and by as much."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate1d
from torchvision import transforms as vision
from torchvision.transforms import functional

from harness.recipe import GaussianBlur
from harness.training.augmentation.blur import Blur
from spec.harness.training.augmentation.samples import SIZE, draws, noise, pil, pixels, same_distribution

N = 120
SIZES = [(28, 28), (20, 33)]
KERNELS = [1, 3, (9, 5), (5, 39), 23]


def by_torchvision(drawn: Blur, images: list[Any]) -> list[Any]:
    kernel = drawn.transform.kernel_size
    wanted = list(kernel) if isinstance(kernel, tuple) else [kernel, kernel]
    return [
        functional.gaussian_blur(image, wanted, [sigma, sigma])
        for image, sigma in zip(images, drawn.sigma.float().tolist(), strict=True)
    ]


def exactly(image: Any, kernel: tuple[int, int], sigma: float) -> Any:
    """A blur in float64 as scipy adds it up, one axis after the other."""
    image = image.astype(np.float64)
    for axis, n in ((1, kernel[0]), (0, kernel[1])):
        weights = np.exp(-0.5 * ((np.arange(n) - n // 2) / sigma) ** 2)
        image = correlate1d(image, weights / weights.sum(), axis, mode="mirror")
    return image


@pytest.mark.thorough
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kernel_size", KERNELS)
def test_an_8_bit_image_is_blurred_as_by_torchvision(kernel_size: Any, size: tuple[int, int]) -> None:
    """Bit for bit, but for pixels that lie halfway between two grey levels up to the last place of a float32."""
    images = noise(N, size)
    drawn = Blur.draw(GaussianBlur(kernel_size), size, draws(N))
    changed, kernel = drawn.apply(images), kernel_size if isinstance(kernel_size, tuple) else (kernel_size,) * 2
    for k, image in enumerate(by_torchvision(drawn, [pil(image) for image in images])):
        off = (changed[k].int() - pixels(image).int()).abs().numpy()
        exact = exactly(images[k].numpy(), kernel, float(drawn.sigma[k]))
        halfway = np.abs(exact % 1 - 0.5) < 1e-3
        assert (off <= halfway).all()
        assert np.array_equal(changed[k].numpy()[~halfway], np.rint(exact)[~halfway])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kernel_size", KERNELS)
def test_a_tensor_is_blurred_as_by_torchvision(kernel_size: Any, size: tuple[int, int]) -> None:
    images = torch.randn(N, 1, *size, generator=torch.Generator().manual_seed(1))
    drawn = Blur.draw(GaussianBlur(kernel_size, on="tensor"), size, draws(N))
    changed = drawn.apply(images)
    assert changed.dtype == torch.float32
    torch.testing.assert_close(changed, torch.stack(by_torchvision(drawn, list(images))), rtol=0, atol=5e-6)


@pytest.mark.parametrize("sigma", [(0.1, 2.0), (0.01, 0.02), 1.5], ids=str)
def test_standard_deviations_are_drawn_as_by_torchvision(sigma: Any) -> None:
    n, theirs = 4_000, vision.GaussianBlur(3, sigma)
    torch.manual_seed(0)
    expected = np.array([theirs.get_params(*theirs.sigma) for _ in range(n)])
    drawn = Blur.draw(GaussianBlur(3, sigma=sigma), SIZE, draws(n))
    assert same_distribution(drawn.sigma.float(), expected)


@pytest.mark.parametrize("sigma", [5e-324, 1e-9, 0.02])
def test_a_gaussian_narrower_than_a_pixel_changes_nothing(sigma: float) -> None:
    images = noise(N)
    assert torch.equal(Blur.draw(GaussianBlur(5, sigma=sigma), SIZE, draws(N)).apply(images), images)
