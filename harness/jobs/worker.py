"""What a worker does, wherever it runs: train the seeds of one job and report each epoch.

A worker writes no files. Its updates hold everything that has to be saved, and the process that asked for the training
saves it; so a worker may run on another machine and may die at any moment.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import torch

from harness.data import MNIST
from harness.device import out_of_memory, short_of_memory
from harness.errors import ForeignError, HarnessError, foreign
from harness.jobs.checkpoint import Checkpoint, unpack
from harness.jobs.job import Job, Update
from harness.provenance import provenance
from harness.run import Progress
from harness.training.choice import made_by
from harness.training.train import train, training
from harness.training.trainer import Trainer

PERIOD = 0.5  # seconds between two reports within an epoch
CHECKPOINTS = {"cpu": 0.0, "cuda": 2.0}
"""Seconds from one checkpoint to the next, at least: on a GPU an epoch may be shorter than it takes to write one."""


def work(job: Job, data: MNIST, on_steps: Callable[[int, int], None] | None = None) -> Iterator[Update]:
    """Train a job on the device that holds the data; yield one update at the start and one per epoch.

    What is interrupted resumes after the last checkpoint: on a GPU the epochs since then are trained again.

    Within an epoch `on_steps` is called now and then, with how many of its training steps are done, and of how many.

    Raises HarnessError and nothing else: if the step cannot be trained, if the checkpoint does not belong to the job,
    or if the device runs out of memory.
    """
    device = data.train_images.device
    started = {"started": datetime.now(UTC).isoformat(timespec="seconds")}
    progress = Progress(job.seeds)
    with boundary(job, device):
        made = provenance(job.step, device, made_by(job.trainer))
        head = {**started, **made, **job.head, "together": len(job.seeds)}
        with training(job.step, job.seeds, data, job.trainer) as trainer:
            if job.checkpoint is not None:
                saved = unpack(job.checkpoint, f"the checkpoint of {job.name}")
                _restore(job, trainer, saved, made)
                head, progress = saved.head, saved.progress
            if on_steps is not None:
                trainer.on_steps = now_and_then(on_steps)

            def checkpoint() -> bytes:
                return Checkpoint(job.step.id, head, progress, trainer.state()).pack()

            yield Update(checkpoint())
            last = time.monotonic()
            for outcomes in train(job.step, trainer, progress, job.epochs):
                due = progress.over(job.epochs) or time.monotonic() - last >= CHECKPOINTS[device.type]
                yield Update(checkpoint() if due else None, outcomes)
                last = time.monotonic() if due else last


def now_and_then(on_steps: Callable[[int, int], None]) -> Callable[[int, int], None]:
    """What a trainer may call in every step: it passes on a call or two per second."""
    last = time.monotonic()

    def on_step(done: int, of: int) -> None:
        nonlocal last
        if (now := time.monotonic()) - last >= PERIOD:
            last = now
            on_steps(done, of)

    return on_step


def _restore(job: Job, trainer: Trainer, saved: Checkpoint, made: dict[str, Any]) -> None:
    """Put a trainer into the state of a checkpoint; HarnessError if that belongs to another job."""
    where = f"the checkpoint of {job.name}"
    saved.check(job.step, made, where)
    if tuple(saved.progress.epochs) != job.seeds:
        raise HarnessError(f"{where} is of other seeds: {', '.join(map(str, saved.progress.epochs))}")
    try:
        trainer.restore(saved.state, saved.epoch)
    except ValueError as error:
        raise HarnessError(f"{where} does not fit: {error}; delete it to start anew") from error


@contextmanager
def boundary(job: Job, device: torch.device) -> Iterator[None]:
    """Turn whatever a job raises into one line; of a device that runs out of memory, one that says what to lower."""
    try:
        with foreign("training it", job.name):
            yield
    except ForeignError as error:
        if not out_of_memory(error):
            raise
        fewer = "train fewer seeds at once (--seeds), or " if len(job.seeds) > 1 else ""
        raise HarnessError(
            f"{job.name}: out of memory on {short_of_memory(error, device)}; {fewer}lower the batch_size of its recipe"
        ) from error
