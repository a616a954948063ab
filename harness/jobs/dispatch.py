"""Hands the jobs of a step to an engine, saves what they report, and yields each run once it is finished."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing

import torch

from harness.data import MNIST
from harness.errors import Failures, HarnessError
from harness.jobs.job import Engine, Job, Update
from harness.jobs.resume import Resumable
from harness.jobs.run_folder import JobFiles
from harness.provenance import commit
from harness.run import Run
from harness.training import OnEpoch
from harness.training.network import check_output
from harness.training.train import groups


def run_jobs(resumable: Resumable, engine: Engine, data: MNIST, on_epoch: OnEpoch) -> Iterator[Run]:
    """Train what was asked for; yield each run once it is finished, failed ones included.

    Finished runs are yielded as they are, interrupted ones resume, and the rest start. A checkpoint is removed only
    when the next run is asked for: by then the caller may have recorded the last one.

    Raises HarnessError if the step cannot be trained at all, before any file is opened; if a file cannot be written;
    and, after the last run, for the errors in `resumable`, and if a worker died or met an error. The epochs up to its
    last checkpoint are saved in the folder of the request.
    """
    step, epochs, trainer = resumable.request.step, resumable.request.epochs, resumable.request.trainer
    with closing(resumable):
        check_output(step.id, step.network(), torch.device("cpu"))
        for run in resumable.finished:
            for epoch in run.epochs:
                on_epoch(step, run.seed, epoch)
            yield run
        head = commit()
        seeds = groups(step, resumable.rest, engine.device, engine.workers, here=engine.here)
        jobs = [Job(step, tuple(group), epochs, head, trainer=trainer) for group in seeds]
        all_jobs = [*resumable.interrupted, *(JobFiles(resumable.request.folder, job) for job in jobs)]
        yield from _train(all_jobs, engine, data, on_epoch, resumable.errors)


def _train(
    jobs: list[JobFiles], engine: Engine, data: MNIST, on_epoch: OnEpoch, earlier: Iterable[str]
) -> Iterator[Run]:
    """Train the jobs and save their updates; yield the runs of each job once it is finished, then raise all errors."""
    with Failures(earlier) as failures, ExitStack() as opened:
        for files in jobs:
            opened.callback(files.close)
        updates = updates_of([files.job for files in jobs], engine, data, failures)
        for index, update in opened.enter_context(closing(updates)):
            files = jobs[index]
            files.save(update, on_epoch)
            if files.progress.over(files.job.epochs):
                yield from files.runs()
                files.finish()


def updates_of(jobs: Sequence[Job], engine: Engine, data: MNIST, failures: Failures) -> Generator[tuple[int, Update]]:
    """Train the jobs and yield their updates, each with the index of its job; errors are added to the failures."""
    with closing(engine.run(jobs, data)) as results:
        for index, update in results:
            if isinstance(update, HarnessError):
                failures.add(update)
                del update  # its frames hold the trainer that failed, in the way of the next one
            else:
                yield index, update
