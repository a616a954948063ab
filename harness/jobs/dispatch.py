"""Trainings that leave files behind: a run file a seed, and a checkpoint from which a killed one can go on."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import torch

from harness.data import MNIST
from harness.errors import HarnessError
from harness.jobs.engines import Local
from harness.jobs.job import Engine, Job
from harness.jobs.resume import Resumable
from harness.jobs.run_folder import JobFiles
from harness.provenance import commit
from harness.run import Epoch, Run
from harness.step import Step
from harness.training import OnEpoch
from harness.training.evaluation import check_output
from harness.training.train import groups, sound


def run_jobs(
    step: type[Step],
    there: Resumable,
    engine: Engine,
    *,
    folder: Path,
    data: MNIST,
    epochs: int,
    on_epoch: OnEpoch,
) -> Iterator[Run]:
    """Train the seeds of a step, with files under `folder`; yield each run once it is over.

    `there` says which seeds, and what is there of them already: what is whole is yielded as it is, what was interrupted
    goes on. A run whose loss did not stay finite is among those yielded. What a run could go on from is removed when
    the next one is asked for: by then, the one before can be in a record.

    Raises HarnessError if the step cannot be trained at all, before any file is opened; if a file cannot be written;
    and after the last run, if a worker died or met an error. Then the epochs it told of are kept in its checkpoint.
    """
    check_output(step, step.model(), torch.device("cpu"))
    for history in there.whole:
        for epoch in history.epochs:
            on_epoch(step, history.seed, epoch)
        yield history
    head = commit()
    new = [Job(step, tuple(group), epochs, head) for group in groups(there.rest, engine.device, engine.workers)]
    yield from _follow([*there.interrupted, *(JobFiles(folder, task) for task in new)], engine, data, on_epoch)


def _follow(everything: list[JobFiles], engine: Engine, data: MNIST, on_epoch: OnEpoch) -> Iterator[Run]:
    """Train the tasks and keep what is told of them; yield the runs of each once they are over."""
    lost = []
    try:
        with closing(engine.run([kept.task for kept in everything], data)) as told_of:
            for place, news in told_of:
                kept = everything[place]
                if isinstance(news, HarnessError):
                    lost.append(str(news))
                    continue
                kept.take(news, on_epoch)
                if kept.progress.over(kept.task.epochs):
                    yield from kept.histories()
                    kept.over()
    finally:
        for kept in everything:
            kept.close()
    if lost:
        raise HarnessError("; ".join(lost))


def run_here(
    step: type[Step],
    seeds: Iterable[int],
    device: torch.device,
    *,
    folder: Path,
    data: MNIST,
    epochs: int | None = None,
    on_epoch: OnEpoch | None = None,
) -> list[Run]:
    """Train in this process, with files under `folder`.

    A step that cannot be trained at all is refused before any file is opened.
    """
    runs = run_jobs(
        step,
        Resumable(list(seeds)),
        Local(device),
        folder=folder,
        data=data,
        epochs=epochs or step.recipe.epochs,
        on_epoch=on_epoch or ignore,
    )
    return sound(list(runs))


def ignore(step: type[Step], seed: int, epoch: Epoch) -> None:
    """Tell nobody."""
