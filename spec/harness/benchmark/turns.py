"""A step whose implementations take turns by a clock of their own."""

from collections.abc import Iterator

import torch

from harness import Recipe, StepSpec
from harness.step import Step
from models.blocks import Conv, GlobalAverage, LogProbabilities


class Net(torch.nn.Sequential):
    def __init__(self) -> None:
        super().__init__(Conv(1, 8, 3, "relu", "bn", stride=2), Conv(8, 10, 3), GlobalAverage(), LogProbabilities())


def step_of(recipe: Recipe) -> type[Step]:
    attributes = {"model": Net, "recipe": recipe, "parameters": 826, "__module__": __name__}
    step: type[Step] = type("Step", (StepSpec,), attributes)
    step.id = "mine/net"
    return step


STEP = step_of(Recipe(lr=0.1, batch_size=32, epochs=30))


class Clock:
    """A clock that stands still unless something takes time."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now


class StandIn:
    """An implementation whose steps and tests take a known time, in one turn twice as long."""

    def __init__(self, clock: Clock, step: float, test: float) -> None:
        self.clock, self.step, self.seconds = clock, step, test

    def steps(self) -> Iterator[None]:
        taken = 0
        while True:
            slow = 10 <= taken < 60
            self.clock.now += 2 * self.step if slow else self.step
            taken += 1
            yield

    def test(self) -> float:
        self.clock.now += self.seconds
        return 10.0
