"""From uint8 images to augmented, normalized batches."""

import torch
from torch import Tensor

from harness.recipe import Normalize, Recipe
from harness.training.augmentation.affine import Affine, draw
from harness.training.augmentation.warp import warp_image, warp_tensor


def prepare(images: Tensor, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """Augment and normalize uint8 images (N, H, W) as the recipe says: float32 (N, 1, H, W)."""
    if recipe.augmentation is None:
        return transformed(images, recipe, None)
    return transformed(images, recipe, draw(recipe.augmentation, len(images), images.shape[-1], generator))


def transformed(images: Tensor, recipe: Recipe, affine: Affine | None) -> Tensor:
    """`prepare` with given parameters of the augmentation for the N images."""
    transform = recipe.augmentation
    if transform is None or affine is None:
        return normalized(images, recipe.normalize)
    if transform.on == "image":
        return normalized(warp_image(images, affine, int(transform.fill)), recipe.normalize)
    floats = normalized(images, recipe.normalize)
    return warp_tensor(floats, affine, transform.fill, transform.interpolation)


def normalized(images: Tensor, normalize: Normalize) -> Tensor:
    """Normalize uint8 images (N, H, W) to float32 (N, 1, H, W), with torchvision's order of operations."""
    return images.unsqueeze(1).to(torch.float32).div_(255).sub_(normalize.mean).div_(normalize.std)
