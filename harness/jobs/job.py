"""What is asked of an engine, and what is heard of it: tasks and the news of them."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch

from harness.data import MNIST
from harness.errors import HarnessError
from harness.run import Outcome
from harness.step import Step


@dataclass(frozen=True)
class Job:
    """Seeds to be trained together, up to so many epochs."""

    step: type[Step]
    seeds: tuple[int, ...]
    epochs: int
    head: Mapping[str, Any] = field(default_factory=dict)
    """What the run files are to say at their beginning and a worker does not know, such as the commit."""
    checkpoint: bytes | None = None
    """Where to go on from."""

    @property
    def name(self) -> str:
        """What to call it in an error."""
        return f"{self.step.id}, seed{'s' if len(self.seeds) > 1 else ''} {', '.join(map(str, self.seeds))}"


@dataclass(frozen=True)
class Update:
    """What became of a task: that it began (no outcomes), or that an epoch ended."""

    checkpoint: bytes
    outcomes: Mapping[int, Outcome] = field(default_factory=dict)
    """By seed, and of those only that had not failed before."""


Results = Generator[tuple[int, Update | HarnessError]]
"""The place of a task, and what is new of it; after an error there is nothing more of that task."""


class Engine(Protocol):
    """A place where tasks are trained."""

    device: torch.device
    """What kind of device it is."""
    workers: int
    """How many tasks are trained at once."""

    def provenance(self, step: type[Step]) -> dict[str, Any]:
        """What runs of the step are made with there, as far as it is known beforehand."""

    def run(self, tasks: Sequence[Job], data: MNIST) -> Results:
        """Train the tasks, and tell of all as it happens; closing the generator ends the workers."""
