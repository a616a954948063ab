"""The recipe of a step: everything about its training except the network, as one frozen value.

Imports no torch, so that a specification can be read without it.
"""

import math
from dataclasses import dataclass, fields
from typing import Literal


@dataclass(frozen=True)
class Normalize:
    """Mean and standard deviation of pixels in [0, 1]; images enter the network as (x / 255 - mean) / std."""

    mean: float = 0.1307
    std: float = 0.3081


@dataclass(frozen=True, kw_only=True)
class RandomAffine:
    """A random rotation, shift and scale, drawn anew for every image in every epoch.

    `degrees`: the angle is uniform in [-degrees, degrees], counter-clockwise about the centre of the image.
    `translate`: the largest shift along each axis as a fraction of the side, rounded to whole pixels.
    `scale`: the range of a uniform factor.
    `on`: "image" transforms the 8-bit image before normalization, with the arithmetic of PIL, and `fill` is a grey
    level (0 to 255); "tensor" transforms the normalized float image, as torchvision does with tensors, and `fill` is
    in normalized units.
    """

    degrees: float = 0.0
    translate: float = 0.0
    scale: tuple[float, float] = (1.0, 1.0)
    interpolation: Literal["nearest", "bilinear"] = "nearest"
    on: Literal["image", "tensor"] = "image"
    fill: float = 0.0

    def __post_init__(self) -> None:
        if self.on == "image" and self.interpolation != "nearest":
            raise ValueError("RandomAffine on 8-bit images interpolates by nearest neighbour only; use on='tensor'")


@dataclass(frozen=True)
class RandomDistortion(RandomAffine):
    """A random affine map with a shear and a smooth displacement of all pixels; on="tensor" only.

    `shear`: columns of shift per row of distance from the middle, uniform in [-shear, shear].
    `elastic`: the standard deviation in pixels of the displacements of a 4 x 4 grid of points, drawn independently and
    interpolated by cubics. Simard, Steinkraus and Platt, "Best practices for convolutional neural networks applied to
    visual document analysis", ICDAR 2003, draw one displacement per pixel and smooth them.
    """

    shear: float = 0.0
    elastic: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.on == "image":
            raise ValueError("RandomDistortion acts on tensors only; use on='tensor'")


@dataclass(frozen=True)
class Constant:
    """A learning rate that never changes."""

    def factor(self, epoch: int, step: int, steps: int) -> float:
        """The factor on the base rate: always 1."""
        return 1.0


@dataclass(frozen=True)
class StepLR:
    """A rate multiplied by `gamma` after every `step_size` epochs, as in `torch.optim.lr_scheduler.StepLR`."""

    step_size: int
    gamma: float

    def factor(self, epoch: int, step: int, steps: int) -> float:
        """The factor on the base rate in a 0-based `epoch`."""
        return self.gamma ** (epoch // self.step_size)


@dataclass(frozen=True)
class OneCycle:
    """A cosine rise to the base rate over the first `warmup` share of all steps, then a cosine fall to almost zero.

    The rate of `torch.optim.lr_scheduler.OneCycleLR` (Smith and Topin, arXiv 1708.07120) without cycling the momentum:
    it starts at 1 / `start_divisor` of the base rate and ends at 1 / `final_divisor` of the start.
    """

    warmup: float = 0.3
    start_divisor: float = 25.0
    final_divisor: float = 1e4

    def factor(self, epoch: int, step: int, steps: int) -> float:
        """The factor on the base rate at the 0-based `step` of the `steps` in all epochs together."""
        start = 1 / self.start_divisor
        peak, last = self.warmup * steps - 1, steps - 1
        if step <= peak:
            return _cosine(start, 1.0, step / peak)
        return _cosine(1.0, start / self.final_divisor, (step - peak) / (last - peak))


def _cosine(begin: float, end: float, share: float) -> float:
    return end + (begin - end) * (1 + math.cos(math.pi * share)) / 2


@dataclass(frozen=True)
class Teacher:
    """A trained network to distil, next to the labels (Hinton, Vinyals and Dean, arXiv 1503.02531).

    `step`: the id of a step with committed weights.
    `weights`: the first 16 hexadecimal digits of the SHA-256 of their file, so that other weights are another recipe.
    `share`: the weight of the teacher in the loss; the labels have the rest.
    `temperature`: divides the logits of teacher and student before they are compared.
    """

    step: str
    weights: str
    share: float = 0.9
    temperature: float = 4.0

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ValueError(f"Teacher.share is more than 0 and at most 1, not {self.share}")
        if self.temperature <= 0:
            raise ValueError(f"Teacher.temperature must be more than 0, not {self.temperature}")


@dataclass(frozen=True, kw_only=True, repr=False)
class Recipe:
    """How a step is trained: stochastic gradient descent on shuffled batches, including the last, partial one.

    `average`: decay per step of an exponential moving average of weights and buffers, which is evaluated in place of
    the trained weights; None for no average.

    Raises ValueError for values that no training can use.
    """

    lr: float
    batch_size: int
    epochs: int
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 0.0
    schedule: Constant | StepLR | OneCycle = Constant()
    augmentation: RandomAffine | None = None
    normalize: Normalize = Normalize()
    average: float | None = None
    teacher: Teacher | None = None

    def __repr__(self) -> str:
        """The repr of a dataclass, without a teacher of None: records identify a recipe by a hash of it."""
        shown = (field.name for field in fields(self) if field.name != "teacher" or self.teacher is not None)
        return f"Recipe({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

    def __post_init__(self) -> None:
        for name, least in (("lr", 0.0), ("batch_size", 0), ("epochs", 0)):
            if getattr(self, name) <= least:
                raise ValueError(f"Recipe.{name} must be more than {least}, not {getattr(self, name)}")
        if self.average is not None and not 0 < self.average < 1:
            raise ValueError(f"Recipe.average is a decay between 0 and 1, not {self.average}")

    def rate(self, epoch: int, step: int, steps_per_epoch: int) -> float:
        """The learning rate in a 0-based step of a 0-based epoch."""
        behind = epoch * steps_per_epoch + step
        return self.lr * self.schedule.factor(epoch, behind, self.epochs * steps_per_epoch)
