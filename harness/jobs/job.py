"""What an engine is asked to train, and what it reports back."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch

from harness.data import MNIST
from harness.errors import HarnessError
from harness.run import EAGER, Outcome
from harness.step import Step
from harness.training.train import OnSteps, label_of

AGAIN = "start it again, with --resume for train"
"""What to do after the loss of a worker."""


@dataclass(frozen=True)
class Request:
    """A request to train seeds of a step for n epochs, with run files under a folder."""

    step: type[Step]
    seeds: Sequence[int]
    epochs: int
    trainer: str
    folder: Path


@dataclass(frozen=True)
class Job:
    """Seeds that train together until each has all its epochs."""

    step: type[Step]
    seeds: tuple[int, ...]
    epochs: int
    head: Mapping[str, Any] = field(default_factory=dict)
    """What a worker does not know but the first line of a run file says, such as the commit."""
    checkpoint: bytes | None = None
    """Where to resume."""
    trainer: str = EAGER

    @property
    def name(self) -> str:
        """What error messages call it."""
        return label_of(self.step, self.seeds)


@dataclass(frozen=True)
class Update:
    """A worker's message: the job has started (no outcomes), or an epoch has finished."""

    checkpoint: bytes | None
    """None soon after another; the first and the last update have one."""
    outcomes: Mapping[int, Outcome] = field(default_factory=dict)
    """By seed, without the seeds that failed in an earlier epoch."""


class StepsDone(NamedTuple):
    """A worker's message within an epoch: how many of its training steps are done."""

    done: int
    of: int


Results = Generator[tuple[int, Update | HarnessError]]
"""The index of a job and its next update, or the error that ended it."""


class Engine(Protocol):
    """A place where jobs are trained."""

    device: torch.device
    """The kind of device that it trains on."""
    workers: int
    """How many jobs it trains at the same time."""
    threads: int
    """How many threads a job has on a CPU."""
    here: bool
    """Whether it trains in this process."""
    on_steps: OnSteps
    """Called within epochs, once or twice a second for each job, where the engine hears of it."""

    def provenance(self, step: type[Step], trainer: str = EAGER) -> dict[str, Any]:
        """The provenance that runs of the step by a trainer will have, as far as it is known before they start."""

    def run(self, jobs: Sequence[Job], data: MNIST) -> Results:
        """Train the jobs and yield their updates as they arrive; closing the generator ends the workers."""
