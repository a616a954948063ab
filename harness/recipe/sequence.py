"""The transforms of a recipe as a sequence: in which order they can act, and on images of which size."""

from collections.abc import Iterable
from itertools import pairwise

from harness.recipe.transform import Size, Transform, shown

SIZE = (28, 28)
"""Of the images, as they are and as networks take them."""
Augmentation = Transform | tuple[Transform, ...]


def transforms(augmentation: Augmentation | None) -> tuple[Transform, ...]:
    """The transforms of an augmentation in the order in which they act.

    Raises ValueError where they cannot follow each other.
    """
    if augmentation is None:
        return ()
    sequence = augmentation if isinstance(augmentation, tuple) else (augmentation,)
    if not sequence:
        raise ValueError("Recipe.augmentation must be None where there is no transform, not ()")
    for before, after in pairwise(sequence):
        if (before.on, after.on) == ("tensor", "image"):
            raise ValueError(
                f"{type(after).__name__} acts on 8-bit images: it stands before {type(before).__name__}, which acts on "
                "normalized tensors"
            )
    if (size := size_after(sequence, SIZE)) != SIZE:
        raise ValueError(f"Recipe.augmentation must give images of {shown(SIZE)}, not {shown(size)}; add a Resize")
    return sequence


def size_after(sequence: Iterable[Transform], size: Size) -> Size:
    """What transforms make of images of that size."""
    for transform in sequence:
        size = transform.size_after(size)
    return size
