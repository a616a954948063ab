"""Schedules of the learning rate, with the meaning and the names of `torch.optim.lr_scheduler`; they count epochs.

`OneCycle` and `OneCycleLR` count steps, which torch calls after every batch.
"""

import bisect
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

from harness.recipe.checks import Count, Decay, NotNegative, Positive, Range, Share, checked

Annealing = Literal["cos", "linear"]


class Moment(NamedTuple):
    """When a training step is taken."""

    epoch: int
    """0-based."""
    step: int
    """0-based, of the `steps` in all epochs together."""
    steps: int
    held_out: Sequence[float] = ()
    """The held-out loss or accuracy after each finished epoch, which `ReduceLROnPlateau` watches."""


class Schedule(ABC):
    """A learning rate, and perhaps a momentum, for each step."""

    @abstractmethod
    def rate(self, lr: float, now: Moment) -> float:
        """The learning rate, where `lr` is that of the recipe."""

    def momentum(self, now: Moment) -> float | None:
        """The momentum, or the first beta of Adam; None where the schedule leaves it alone."""
        return None


@checked
@dataclass(frozen=True)
class Constant(Schedule):
    """A learning rate that never changes."""

    def rate(self, lr: float, now: Moment) -> float:
        """The rate of the recipe."""
        return lr


@checked
@dataclass(frozen=True)
class StepLR(Schedule):
    """A rate multiplied by `gamma` after every `step_size` epochs."""

    step_size: Count
    gamma: Positive = 0.1

    def rate(self, lr: float, now: Moment) -> float:
        """The rate of the epoch."""
        return lr * self.gamma ** (now.epoch // self.step_size)


@checked
@dataclass(frozen=True)
class MultiStepLR(Schedule):
    """A rate multiplied by `gamma` after each of the epochs in `milestones`."""

    milestones: tuple[Count, ...]
    gamma: Positive = 0.1

    def rate(self, lr: float, now: Moment) -> float:
        """The rate of the epoch."""
        return lr * self.gamma ** bisect.bisect_right(sorted(self.milestones), now.epoch)


@checked
@dataclass(frozen=True)
class ExponentialLR(Schedule):
    """A rate multiplied by `gamma` after every epoch."""

    gamma: Positive

    def rate(self, lr: float, now: Moment) -> float:
        """The rate of the epoch."""
        return lr * self.gamma**now.epoch


@checked
@dataclass(frozen=True)
class CosineAnnealingLR(Schedule):
    """A cosine fall from the base rate to `eta_min` in `T_max` epochs, and back up in as many if there are more."""

    T_max: Count
    eta_min: NotNegative = 0.0

    def rate(self, lr: float, now: Moment) -> float:
        """The rate of the epoch."""
        return _cosine(lr, self.eta_min, now.epoch / self.T_max)


@checked
@dataclass(frozen=True)
class LinearLR(Schedule):
    """A factor that goes in a line from `start_factor` to `end_factor` in `total_iters` epochs, and stays: a warm-up.

    What follows the warm-up stands behind it in a `SequentialLR`.
    """

    start_factor: Annotated[float, Range(above=0, most=1)] = 1 / 3
    end_factor: Share = 1.0
    total_iters: Count = 5

    def rate(self, lr: float, now: Moment) -> float:
        """The rate of the epoch."""
        return lr * _line(self.start_factor, self.end_factor, min(now.epoch / self.total_iters, 1.0))


@checked
@dataclass(frozen=True)
class SequentialLR(Schedule):
    """One schedule after the other; each but the first begins, at its own epoch 0, after an epoch of `milestones`.

    A warm-up of two epochs: `SequentialLR((LinearLR(total_iters=2), CosineAnnealingLR(13)), milestones=(2,))`.
    """

    schedulers: tuple[Constant | StepLR | MultiStepLR | ExponentialLR | CosineAnnealingLR | LinearLR, ...]
    milestones: tuple[Count, ...]

    def __post_init__(self) -> None:
        if list(self.milestones) != sorted(set(self.milestones)) or len(self.schedulers) != len(self.milestones) + 1:
            raise ValueError(
                "SequentialLR has one schedule more than milestones, which ascend; it was given "
                f"{len(self.schedulers)} schedules and the milestones {self.milestones}"
            )

    def rate(self, lr: float, now: Moment) -> float:
        """The rate of the epoch."""
        index = bisect.bisect_right(self.milestones, now.epoch)
        return self.schedulers[index].rate(lr, now._replace(epoch=now.epoch - (0, *self.milestones)[index]))


@checked
@dataclass(frozen=True)
class OneCycle(Schedule):
    """A cosine rise to the base rate over the first `warmup` share of all steps, then a cosine fall to almost zero.

    The rate of torch's OneCycleLR (Smith and Topin, arXiv 1708.07120) without cycling the momentum: it starts at
    1 / `start_divisor` of the base rate and ends at 1 / `final_divisor` of the start.
    """

    warmup: Share = 0.3
    start_divisor: Positive = 25.0
    final_divisor: Positive = 1e4

    def rate(self, lr: float, now: Moment) -> float:
        """The rate of the step."""
        return lr * self._factor(now.step, now.steps)

    def _factor(self, step: int, steps: int) -> float:
        start = 1 / self.start_divisor
        peak, last = self.warmup * steps - 1, steps - 1
        if step <= peak:
            return _cosine(start, 1.0, _share(step, 0, peak))
        return _cosine(1.0, start / self.final_divisor, _share(step, peak, last))


@checked
@dataclass(frozen=True, kw_only=True)
class OneCycleLR(Schedule):
    """A rate that rises to that of the recipe and falls, while the momentum falls and rises (arXiv 1708.07120).

    With `cycle_momentum` it replaces the momentum of the recipe, or the first of the betas of Adam. With `three_phase`
    the fall to the start is as long as the rise, and the rest falls on.
    """

    pct_start: Share = 0.3
    anneal_strategy: Annealing = "cos"
    cycle_momentum: bool = True
    base_momentum: Decay = 0.85
    max_momentum: Decay = 0.95
    div_factor: Positive = 25.0
    final_div_factor: Positive = 1e4
    three_phase: bool = False

    def __post_init__(self) -> None:
        if self.base_momentum > self.max_momentum:
            raise ValueError(
                f"OneCycleLR.base_momentum must be at most max_momentum, {self.max_momentum}, not {self.base_momentum}"
            )

    def rate(self, lr: float, now: Moment) -> float:
        """The rate of the step."""
        start = lr / self.div_factor
        lowest = start / self.final_div_factor
        return self._annealed(now, (start, lr, start, lowest) if self.three_phase else (start, lr, lowest))

    def momentum(self, now: Moment) -> float | None:
        """The momentum of the step."""
        if not self.cycle_momentum:
            return None
        high, low = self.max_momentum, self.base_momentum
        return self._annealed(now, (high, low, high, high) if self.three_phase else (high, low, high))

    def _annealed(self, now: Moment, values: Sequence[float]) -> float:
        """The value of a step between those at the ends of the phases."""
        rise, last = self.pct_start * now.steps, now.steps - 1
        ends = (0, rise - 1, 2 * rise - 2, last) if self.three_phase else (0, rise - 1, last)
        phase = next((phase for phase in range(1, len(ends)) if now.step <= ends[phase]), len(ends) - 1)
        curve = _cosine if self.anneal_strategy == "cos" else _line
        return curve(values[phase - 1], values[phase], _share(now.step, ends[phase - 1], ends[phase]))


@checked
@dataclass(frozen=True, kw_only=True)
class ReduceLROnPlateau(Schedule):
    """A rate multiplied by `factor` once the images held out are judged no better for more than `patience` epochs.

    `mode` "min" looks at their mean loss, "max" at the accuracy on them in percent. The recipe must hold some out.
    """

    mode: Literal["min", "max"] = "min"
    factor: Annotated[float, Range(above=0, below=1)] = 0.1
    patience: Annotated[int, Range(least=0)] = 10
    threshold: NotNegative = 1e-4
    threshold_mode: Literal["rel", "abs"] = "rel"
    cooldown: Annotated[int, Range(least=0)] = 0
    min_lr: NotNegative = 0.0
    eps: NotNegative = 1e-8

    def rate(self, lr: float, now: Moment) -> float:
        """The rate of the epoch."""
        best, bad, cooling = math.inf if self.mode == "min" else -math.inf, 0, 0
        for value in now.held_out:
            if self._better(value, best):
                best, bad = value, 0
            else:
                bad += 1
            if cooling > 0:
                cooling, bad = cooling - 1, 0
            if bad > self.patience:
                cooling, bad = self.cooldown, 0
                reduced = max(lr * self.factor, self.min_lr)
                lr = reduced if lr - reduced > self.eps else lr
        return lr

    def _better(self, value: float, best: float) -> bool:
        sign = 1 if self.mode == "max" else -1
        bound = best * (1 + sign * self.threshold) if self.threshold_mode == "rel" else best + sign * self.threshold
        return value > bound if self.mode == "max" else value < bound


AnySchedule = (
    Constant
    | StepLR
    | MultiStepLR
    | ExponentialLR
    | CosineAnnealingLR
    | LinearLR
    | SequentialLR
    | OneCycle
    | OneCycleLR
    | ReduceLROnPlateau
)


def _share(step: float, start: float, end: float) -> float:
    """How far a step is between two others; all the way where these are one."""
    return (step - start) / (end - start) if end != start else 1.0


def _line(begin: float, end: float, share: float) -> float:
    return begin + (end - begin) * share


def _cosine(begin: float, end: float, share: float) -> float:
    return end + (begin - end) * (1 + math.cos(math.pi * share)) / 2
