"""Images and random numbers that the tests of augmentation share."""

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import ks_2samp
from torch import Tensor

from harness.training.augmentation.draws import Draws

SIZE = (28, 28)


def noise(n: int, size: tuple[int, int] = SIZE) -> Tensor:
    """8-bit images in which a pixel that is off by one is noticed, and some that are all black or all white."""
    images = torch.randint(0, 256, (n, *size), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    images[0], images[1] = 0, 255
    return images


def draws(n: int, seed: int = 0) -> Draws:
    """Random numbers for n images of one network."""
    return Draws([torch.Generator().manual_seed(seed)], n)


def pil(image: Tensor) -> Image.Image:
    return Image.fromarray(image.numpy())


def pixels(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(image))


def same_distribution(ours: Tensor, theirs: NDArray[np.float64]) -> bool:
    """Whether two samples may be of one distribution; wrongly not in one of a thousand cases."""
    return bool(ks_2samp(ours.double().numpy(), theirs).pvalue > 1e-3)
