"""The transforms of a recipe as a sequence: in which order they can act, and on images of which size."""

import functools
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import pairwise

from harness.recipe.checks import Share, checked
from harness.recipe.crops import Resize
from harness.recipe.transform import On, Size, Transform, shown

SIZE = (28, 28)
"""Of the images, as they are and as networks take them."""


@checked
@dataclass(frozen=True, kw_only=True)
class RandomApply(Transform):
    """With probability `p` the transforms, one after the other, and otherwise none of them."""

    transforms: tuple[Transform, ...] = field(kw_only=False)
    p: Share = 0.5

    def __post_init__(self) -> None:
        _check_known(self.transforms)
        if not self.transforms:
            raise ValueError("RandomApply.transforms must have at least one transform, not ()")
        if len({transform.on for transform in self.transforms}) != 1:
            raise ValueError("RandomApply.transforms must be all of 8-bit images or all of normalized tensors")

    @property
    def on(self) -> On:
        """What its transforms act on."""
        return self.transforms[0].on

    def size_after(self, size: Size) -> Size:
        """The size of the images to which the transforms are applied."""
        return size_after(self.transforms, size)


Augmentation = Transform | tuple[Transform, ...]


@functools.cache
def transforms(augmentation: Augmentation | None) -> tuple[Transform, ...]:
    """The transforms of an augmentation in the order in which they act, each of which leaves images of one size.

    Raises ValueError where they cannot follow each other.
    """
    if augmentation is None:
        return ()
    given = augmentation if isinstance(augmentation, tuple) else (augmentation,)
    if not given:
        raise ValueError("Recipe.augmentation must be None where there is no transform, not ()")
    _check_known(given)
    for before, after in pairwise(given):
        if (before.on, after.on) == ("tensor", "image"):
            raise ValueError(
                f"{type(after).__name__} acts on 8-bit images: it stands before {type(before).__name__}, which acts on "
                "normalized tensors"
            )
    if (size := size_after(given, SIZE)) != SIZE:
        raise ValueError(
            f"Recipe.augmentation must give images of {shown(SIZE)}, not {shown(size)}; "
            "add a Resize, or crop to that size"
        )
    return _of_one_size(given, SIZE)


def _check_known(given: Iterable[Transform]) -> None:
    for one in given:
        if type(one) is Transform or not type(one).__module__.startswith(f"{__package__}."):
            raise ValueError(f"{one} is none of the transforms of {__package__}; trainers know no others")


def size_after(sequence: Iterable[Transform], size: Size) -> Size:
    """What transforms make of images of that size."""
    for transform in sequence:
        size = transform.size_after(size)
    return size


def _of_one_size(sequence: tuple[Transform, ...], size: Size) -> tuple[Transform, ...]:
    """The same transforms, where a Resize moves into the RandomApply before it that gives some images another size.

    It then leaves alone the images that have its size already, which it does not change.
    """
    first, rest = sequence[0], sequence[1:]
    if isinstance(first, RandomApply):
        inner = first.transforms
        if first.size_after(size) != size:
            if not rest or not isinstance(rest[0], Resize) or size_after((first, rest[0]), size) != size:
                raise ValueError(
                    f"RandomApply gives some images {shown(first.size_after(size))} and leaves others "
                    f"{shown(size)}; let a Resize to {shown(size)} follow, or crop to that size"
                )
            inner, rest = (*inner, rest[0]), rest[1:]
        first = replace(first, transforms=_of_one_size(inner, size))
    return (first, *(_of_one_size(rest, first.size_after(size)) if rest else ()))
