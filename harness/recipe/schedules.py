"""Schedules of the learning rate: functions of the epoch and of the step."""

import math
from dataclasses import dataclass


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
