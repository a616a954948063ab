"""Stand-ins for what trains a job: runs with the accuracies that a test gives, and a training that is interrupted."""

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import torch

from harness.data import MNIST
from harness.jobs.checkpoint import Checkpoint, unpack
from harness.jobs.job import Job, Update
from harness.jobs.worker import work
from harness.provenance import provenance
from harness.run import Epoch, Progress
from harness.step import Step
from spec.harness.jobs.small import MADE


def here(step: type[Step]) -> dict[str, Any]:
    """The provenance of a run that eager torch makes here."""
    return provenance(step, torch.device("cpu"))


def scripted(
    *accuracies: float, made: Callable[[type[Step]], dict[str, Any]] = lambda step: MADE, first: float = 2.0
) -> Callable[..., Iterator[Update]]:
    """A function in place of `worker.work`: seed k has the k-th test accuracy in every epoch, in no time; it resumes.

    `made` gives the provenance of the runs of a step; `first` are the seconds of a first epoch, and others take 2.
    """

    def work(job: Job, data: object, on_steps: object = None) -> Iterator[Update]:
        progress = Progress(job.seeds) if job.checkpoint is None else unpack(job.checkpoint, job.name).progress
        head = {"started": "2026-01-01T00:00:00+00:00", **made(job.step), **job.head, "together": len(job.seeds)}

        def checkpoint() -> bytes:
            return Checkpoint(job.step.id, head, progress, {"weight": torch.zeros(1)}).pack()

        yield Update(checkpoint())
        for number in range(1 + max(map(len, progress.epochs.values())), job.epochs + 1):
            seconds = first if number == 1 else 2.0
            outcomes = progress.add({seed: Epoch(number, 98.5, accuracies[seed], 0.05, seconds) for seed in job.seeds})
            yield Update(checkpoint(), outcomes)

    return work


def interrupted(after: int) -> Callable[..., Iterator[Update]]:
    """A worker that raises KeyboardInterrupt after `after` updates, counted over all jobs."""
    updates = count(1)

    def stop(job: Job, data: MNIST, *_: object) -> Iterator[Update]:
        for update in work(job, data):
            yield update
            if next(updates) == after:
                raise KeyboardInterrupt

    return stop
