"""What a worker does, wherever it runs: train the seeds of one task and tell of every epoch as it ends.

A worker writes no files. What it tells holds all that has to be kept, so that the process which asked for the training
writes it, and a worker may live on another machine or die at any moment.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import torch

from harness.data import MNIST
from harness.errors import HarnessError
from harness.jobs.checkpoint import Checkpoint, unpack
from harness.jobs.job import Job, Update
from harness.provenance import provenance
from harness.run import Progress
from harness.training.train import train, training
from harness.training.trainer import Trainer


def work(task: Job, data: MNIST) -> Iterator[Update]:
    """Train a task on the device where the data is; the first news is that it began, and then one comes an epoch.

    Raises HarnessError if it cannot be trained, the checkpoint is of something else, or the memory is too small.
    """
    device = data.train_images.device
    made = provenance(task.step, device)
    started = {"started": datetime.now(UTC).isoformat(timespec="seconds")}
    head = {**started, **made, **task.head, "together": len(task.seeds)}
    progress = Progress(task.seeds)
    with enough_memory(task, device), training(task.step, task.seeds, data) as run:
        if task.checkpoint is not None:
            before = unpack(task.checkpoint, f"the checkpoint of {task.name}")
            go_on(task, run, before, made)
            head, progress = before.head, before.progress
        yield Update(Checkpoint(task.step.id, head, progress, run.state()).pack())
        for news in train(task.step, run, progress, task.epochs):
            yield Update(Checkpoint(task.step.id, head, progress, run.state()).pack(), news)


def go_on(task: Job, run: Trainer, before: Checkpoint, made: dict[str, Any]) -> None:
    """Put a training where the checkpoint left it; HarnessError if that is of another one."""
    where = f"the checkpoint of {task.name}"
    before.check(task.step, made, where)
    if tuple(before.progress.epochs) != task.seeds:
        raise HarnessError(f"{where} is of other seeds: {', '.join(map(str, before.progress.epochs))}")
    try:
        run.restore(before.state, before.epoch)
    except ValueError as error:
        raise HarnessError(f"{where} does not fit: {error}; delete it to start anew") from error


@contextmanager
def enough_memory(task: Job, device: torch.device) -> Iterator[None]:
    """Turn the error of a device whose memory is too small into one that says what to lower."""
    try:
        yield
    except (torch.OutOfMemoryError, RuntimeError) as error:
        # On a CPU torch has no class of its own for it.
        if not isinstance(error, torch.OutOfMemoryError) and "DefaultCPUAllocator" not in str(error):
            raise
        fewer = "train fewer seeds at once (--seeds), or " if len(task.seeds) > 1 else ""
        raise HarnessError(
            f"{task.name}: out of memory on {device}; {fewer}lower the batch_size of its recipe"
        ) from error
