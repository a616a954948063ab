"""The recipe itself: optimizer, batches, epochs, and what it refers to."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Annotated, Any

from harness.recipe.augmentations import Normalize
from harness.recipe.checks import Count, Decay, NotNegative, Positive, Range, checked
from harness.recipe.optimizers import Adadelta, Adam, AdamW, RMSprop
from harness.recipe.schedules import AnySchedule, Constant, Moment, ReduceLROnPlateau
from harness.recipe.sequence import Augmentation, transforms


@checked
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
    share: Annotated[float, Range(above=0, most=1)] = 0.9
    temperature: Positive = 4.0


LATER = {"later": True}
"""The metadata of a field that older records do not know: at its default it changes nothing and is not shown."""


@checked
@dataclass(frozen=True, kw_only=True, repr=False)
class Recipe:
    """How a step is trained, with the names and meanings of torch.

    `optimizer`: None for stochastic gradient descent with the `momentum` and `nesterov` of the recipe.
    `weight_decay`: L2, as the optimizer has it. `l1`: the weight in the loss of the sum of all absolute parameters.
    `augmentation`: a transform, or a tuple of transforms in the order in which they act.
    `average`: decay per step of an exponential moving average of weights and buffers, which is evaluated in place of
    the trained weights; None for no average.
    `average_buffers`: whether buffers are averaged too; if not, the average predicts with those of the trained weights.
    `average_warmup`: let the decay rise to `average`, so that early weights are forgotten: see `decay`.
    `label_smoothing`: the share of a target that is spread over all classes.
    `clip_grad_norm`, `clip_grad_value`: the largest norm of all gradients together, or the largest absolute gradient.
    `drop_last`: leave out the last batch of an epoch if it is smaller than the others.
    `validation`: the share of the training images that is held out. Training uses the others, and every figure that is
    otherwise of the test images, which then are not used at all, is of the images held out.

    Raises ValueError for values that no training can use.
    """

    lr: Positive
    batch_size: Count
    epochs: Count
    momentum: Decay = 0.9
    nesterov: bool = False
    weight_decay: NotNegative = 0.0
    schedule: AnySchedule = Constant()
    augmentation: Augmentation | None = None
    normalize: Normalize = Normalize()
    average: Annotated[float, Range(above=0, below=1)] | None = None
    teacher: Teacher | None = field(default=None, metadata=LATER)
    optimizer: Adadelta | Adam | AdamW | RMSprop | None = field(default=None, metadata=LATER)
    label_smoothing: Decay = field(default=0.0, metadata=LATER)
    l1: NotNegative = field(default=0.0, metadata=LATER)
    clip_grad_norm: Positive | None = field(default=None, metadata=LATER)
    clip_grad_value: Positive | None = field(default=None, metadata=LATER)
    drop_last: bool = field(default=False, metadata=LATER)
    validation: Decay = field(default=0.0, metadata=LATER)
    average_buffers: bool = field(default=True, metadata=LATER)
    average_warmup: bool = field(default=False, metadata=LATER)

    def __repr__(self) -> str:
        """The repr of a dataclass, by a hash of which records identify a recipe."""
        return f"Recipe({', '.join(f'{name}={value!r}' for name, value in self.settings().items())})"

    def __post_init__(self) -> None:
        transforms(self.augmentation)  # raises if they cannot follow each other
        self._check_rates()
        if self.nesterov and self.momentum == 0:
            raise ValueError("Recipe.nesterov needs a momentum above 0")
        if self.optimizer is not None and (self.nesterov or self.momentum != type(self).momentum):
            name = type(self.optimizer).__name__
            raise ValueError(
                f"Recipe.momentum and nesterov are of SGD; leave them out, and give {name} its own settings"
            )
        if isinstance(self.optimizer, Adadelta) and getattr(self.schedule, "cycle_momentum", False):
            raise ValueError("Recipe.schedule must be OneCycleLR(cycle_momentum=False), as Adadelta has no momentum")
        if self.average is None and (self.average_warmup or not self.average_buffers):
            raise ValueError("Recipe.average must be a decay for average_buffers and average_warmup, such as 0.99")
        if self.clip_grad_norm is not None and self.clip_grad_value is not None:
            raise ValueError("Recipe.clip_grad_norm and clip_grad_value exclude each other; choose one")
        if isinstance(self.schedule, ReduceLROnPlateau) and self.validation == 0:
            raise ValueError(
                "Recipe.validation must be above 0, for ReduceLROnPlateau to look at: it may not see the test"
            )
        if self.teacher is not None and self.validation > 0:
            raise ValueError("Recipe.validation must be 0 with a teacher, which has seen the images held out")

    def _check_rates(self) -> None:
        for epoch in range(self.epochs):
            try:
                rate = self.rate(epoch, 0, 1)
            except OverflowError:
                rate = math.inf
            if not math.isfinite(rate):
                raise ValueError(f"Recipe.schedule gives no finite rate in epoch {epoch + 1}: {self.schedule}")

    def settings(self) -> dict[str, Any]:
        """The fields by name, without those that came later and are at their default."""
        return {
            one.name: value
            for one in fields(self)
            if (value := getattr(self, one.name)) != one.default or not one.metadata.get("later")
        }

    def rate(self, epoch: int, step: int, steps_per_epoch: int, held_out: Sequence[float] = ()) -> float:
        """The learning rate in a 0-based step of a 0-based epoch; `held_out` is that of `Moment`."""
        return self.schedule.rate(self.lr, self._moment(epoch, step, steps_per_epoch, held_out))

    def cycled_momentum(self, epoch: int, step: int, steps_per_epoch: int) -> float | None:
        """The momentum in a 0-based step of a 0-based epoch; None unless the schedule changes it."""
        return self.schedule.momentum(self._moment(epoch, step, steps_per_epoch))

    def decay(self, step: int) -> float:
        """The decay of the average in the 0-based step of all; that of the first is 0, as the average begins there.

        A warm-up is that of TensorFlow's `ExponentialMovingAverage` with `num_updates`: (1 + n) / (10 + n) in the nth
        step, while that is less. Raises ValueError for a recipe without an average.
        """
        if self.average is None:
            raise ValueError("the recipe has no average")
        if step == 0:
            return 0.0
        return min(self.average, (2 + step) / (11 + step)) if self.average_warmup else self.average

    def _moment(self, epoch: int, step: int, steps_per_epoch: int, held_out: Sequence[float] = ()) -> Moment:
        return Moment(epoch, epoch * steps_per_epoch + step, self.epochs * steps_per_epoch, held_out)
