"""The recipe itself: optimizer, batches, epochs, and what it refers to."""

from dataclasses import dataclass, fields

from harness.recipe.augmentations import Normalize, RandomAffine
from harness.recipe.schedules import Constant, OneCycle, StepLR


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
