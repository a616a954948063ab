"""From uint8 images to augmented, normalized batches."""

from collections.abc import Sequence

import torch
from torch import Tensor

from harness.recipe import Normalize, Recipe
from harness.training.augmentation.affine import draw
from harness.training.augmentation.draws import Draws
from harness.training.augmentation.warp import warp_image, warp_tensor


def prepare(images: Tensor, recipe: Recipe, generators: Sequence[torch.Generator]) -> Tensor:
    """Augment and normalize uint8 images (N, H, W) as the recipe says: float32 (N, 1, H, W).

    The images are those of one network or several, in equal parts, each with the generator of its augmentation.
    """
    transform = recipe.augmentation
    if transform is None:
        return normalized(images, recipe.normalize)
    affine = draw(transform, images.shape[-1], Draws(generators, len(images) // len(generators)))
    if transform.on == "image":
        return normalized(warp_image(images, affine, int(transform.fill)), recipe.normalize)
    return warp_tensor(normalized(images, recipe.normalize), affine, transform.fill, transform.interpolation)


def normalized(images: Tensor, normalize: Normalize) -> Tensor:
    """Normalize uint8 images (N, H, W) to float32 (N, 1, H, W), with torchvision's order of operations."""
    return images.unsqueeze(1).to(torch.float32).div_(255).sub_(normalize.mean).div_(normalize.std)
