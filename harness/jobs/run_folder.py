"""The folder of a step's runs: file names, locks, and the files of a job while it trains.

A job has one run file per seed and one checkpoint for all of them. Their names hold the seed and the moment of the
start, so that no run overwrites another. Until a job is finished, its run files can always be made anew from its
checkpoint.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from filelock import FileLock, Timeout

from harness.errors import HarnessError
from harness.jobs import checkpoint
from harness.jobs.job import Job, Update
from harness.jobs.run_file import RunFile, provenance_of, unwritable
from harness.run import Epoch, Progress, Run
from harness.training import OnEpoch

CHECKPOINT, RUN, LOCK = ".safetensors", ".jsonl", ".lock"

NAME = re.compile(r"seed([0-9]+)-([0-9]{8}T[0-9]{6}\.[0-9]{6}Z)(\.safetensors|\.jsonl)")


class JobFiles:
    """The files of one job, written by the process that asked for it.

    A job that resumes has the `stamp` that its files have in their names, and a `lock` that is held. Raises
    HarnessError if the folder cannot be written.
    """

    def __init__(self, folder: Path, job: Job, stamp: str | None = None, lock: FileLock | None = None) -> None:
        self.job = job
        self.progress = Progress(job.seeds)
        self._folder, self._stamp, self._lock = folder / job.step.id, stamp, lock
        self._head: dict[str, object] = {}
        self._files: dict[int, RunFile] = {}
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise HarnessError(f"cannot write run files to {folder}: {error.strerror or error}") from error

    def _path(self, suffix: str, seed: int | None = None) -> Path:
        """The file of a seed; of the whole job, named after its first seed, if none is given."""
        return self._folder / f"seed{self.job.seeds[0] if seed is None else seed}-{self._stamp}{suffix}"

    def save(self, update: Update, on_epoch: OnEpoch) -> None:
        """Write what a worker reports, the checkpoint first; HarnessError if it cannot be written.

        `on_epoch` is called once for every epoch; the first update of a job that resumes brings its earlier epochs.
        """
        first = not self._files
        if first:
            self._claim_names()
        checkpoint.write(self._path(CHECKPOINT), update.checkpoint)
        if first:
            self._open_run_files(update, on_epoch)
        for seed, outcome in self.progress.add(update.outcomes).items():
            self._files[seed].add(outcome)
            if isinstance(outcome, Epoch):
                on_epoch(self.job.step, seed, outcome)

    def _claim_names(self) -> None:
        """Find names that no file has, unless the job resumes, and lock them."""
        moment = datetime.now(UTC)
        while self._stamp is None or (self._lock is None and any(self._folder.glob(f"seed*-{self._stamp}.*"))):
            self._stamp = timestamp(moment)
            moment += timedelta(microseconds=1)  # a clock that was set back shows the same moment again
        if self._lock is None:
            self._lock = acquire(self._path(LOCK))

    def _open_run_files(self, update: Update, on_epoch: OnEpoch) -> None:
        """Write the run files from the checkpoint."""
        saved = checkpoint.unpack(update.checkpoint, str(self._path(CHECKPOINT)))
        self._head, self.progress = saved.head, saved.progress
        for seed, epochs in self.progress.epochs.items():
            head = {"step": self.job.step.id, "seed": seed, **saved.head}
            self._files[seed] = RunFile(self._path(RUN, seed), head, epochs)
            if seed in self.progress.failed:
                self._files[seed].add(HarnessError(self.progress.failed[seed]))
            for epoch in epochs:
                on_epoch(self.job.step, seed, epoch)

    def runs(self) -> list[Run]:
        """The runs so far, one per seed."""
        return self.progress.histories(self.job.step, provenance_of(self._head))

    def finish(self) -> None:
        """Close the files, and remove the checkpoint and the lock: nothing is left to resume."""
        self.close()
        self._path(CHECKPOINT).unlink(missing_ok=True)
        self._path(LOCK).unlink(missing_ok=True)

    def close(self) -> None:
        """Close the files and release the lock; the checkpoint stays."""
        for file in self._files.values():
            file.close()
        if self._lock is not None:
            self._lock.release()


def timestamp(moment: datetime) -> str:
    """A moment as file names spell it: in UTC, to the microsecond, sorting as text."""
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%S.%fZ}"


def acquire(path: Path) -> FileLock:
    """Lock a job; HarnessError if another process has the lock or the file cannot be written."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise HarnessError(f"{path.with_suffix(RUN)} is still being written by another process; wait for it") from error
    except OSError as error:
        raise unwritable(path, error) from error
    return lock


def files_in(folder: Path, suffix: str) -> Iterator[tuple[Path, int, str]]:
    """The run files or the checkpoints in a folder, each with the seed and the timestamp in its name."""
    for path in sorted(folder.glob(f"seed*{suffix}")):
        if (name := NAME.fullmatch(path.name)) and name[3] == suffix:
            yield path, int(name[1]), name[2]


def remove_leftovers(folder: Path) -> None:
    """Remove the lock files of processes that were killed before their first checkpoint."""
    for path in folder.glob(f"seed*{LOCK}"):
        if path.with_suffix(CHECKPOINT).exists():
            continue
        try:
            with FileLock(path, timeout=0):
                path.with_suffix(f"{CHECKPOINT}.partial").unlink(missing_ok=True)
                path.unlink(missing_ok=True)
        except (Timeout, OSError):
            continue  # a training that has just started
