"""What is kept of a task while it is trained: a run file for each of its seeds, and one checkpoint for all of them.

Both have names that hold the seed and the moment of the start, so that no run overwrites another. At every moment there
is a checkpoint from which the run files can be made anew, until the runs are over.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from filelock import FileLock, Timeout

from harness.errors import HarnessError
from harness.jobs import checkpoint
from harness.jobs.job import Job, Update
from harness.jobs.run_file import RunFile, made_with, unwritable
from harness.run import Epoch, Progress, Run
from harness.training import OnEpoch

CHECKPOINT, RUN, LOCK = ".safetensors", ".jsonl", ".lock"

NAME = re.compile(r"seed([0-9]+)-([0-9]{8}T[0-9]{6}\.[0-9]{6}Z)(\.safetensors|\.jsonl)")


class JobFiles:
    """The files of one task, written by the process that asked for it.

    `stamp` is the moment in the names of files that exist, for a task that goes on; `lock` is then held. Raises
    HarnessError if the folder cannot be written.
    """

    def __init__(self, folder: Path, task: Job, stamp: str | None = None, lock: FileLock | None = None) -> None:
        self.folder, self.task, self.stamp, self._lock = folder / task.step.id, task, stamp, lock
        self.progress = Progress(task.seeds)
        self._head: dict[str, object] = {}
        self._files: dict[int, RunFile] = {}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise HarnessError(f"cannot write run files to {folder}: {error.strerror or error}") from error

    def path(self, seed: int, suffix: str) -> Path:
        """Where a file of that seed is."""
        return self.folder / f"seed{seed}-{self.stamp}{suffix}"

    @property
    def checkpoint(self) -> Path:
        """Where the checkpoint of all seeds is."""
        return self.path(self.task.seeds[0], CHECKPOINT)

    def take(self, news: Update, on_epoch: OnEpoch) -> None:
        """Write down what a worker tells, the checkpoint first; HarnessError if it cannot be written.

        `on_epoch` is told of every epoch once, at the beginning of those that were there before.
        """
        first = not self._files
        if first:
            self._claim()
        checkpoint.keep(self.checkpoint, news.checkpoint)
        if first:
            self._open(news, on_epoch)
        for seed, outcome in self.progress.add(news.outcomes).items():
            self._files[seed].add(outcome)
            if isinstance(outcome, Epoch):
                on_epoch(self.task.step, seed, outcome)

    def _claim(self) -> None:
        """Find names that no file has, unless there are names from before, and lock them."""
        moment = datetime.now(UTC)
        while self.stamp is None or (self._lock is None and any(self.folder.glob(f"seed*-{self.stamp}.*"))):
            self.stamp = stamp_of(moment)
            moment += timedelta(microseconds=1)  # a clock that was set back comes to the same moment again
        if self._lock is None:
            self._lock = lock(self.path(self.task.seeds[0], LOCK))

    def _open(self, news: Update, on_epoch: OnEpoch) -> None:
        """Make the run files from the checkpoint."""
        before = checkpoint.unpack(news.checkpoint, str(self.checkpoint))
        self._head, self.progress = before.head, before.progress
        for seed, epochs in self.progress.epochs.items():
            head = {"step": self.task.step.id, "seed": seed, **before.head}
            self._files[seed] = RunFile(self.path(seed, RUN), head, epochs)
            if seed in self.progress.failed:
                self._files[seed].add(HarnessError(self.progress.failed[seed]))
            for epoch in epochs:
                on_epoch(self.task.step, seed, epoch)

    def histories(self) -> Iterator[Run]:
        """The runs so far."""
        yield from self.progress.histories(self.task.step, made_with(self._head))

    def over(self) -> None:
        """Remove what was there to go on from."""
        self.close()
        self.checkpoint.unlink(missing_ok=True)
        self.path(self.task.seeds[0], LOCK).unlink(missing_ok=True)

    def close(self) -> None:
        """Close the files and give up the lock; the checkpoint stays."""
        for file in self._files.values():
            file.close()
        if self._lock is not None:
            self._lock.release()


def stamp_of(moment: datetime) -> str:
    """A moment as it stands in the names of files: in UTC, to the microsecond, and in order as text."""
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%S.%fZ}"


def lock(path: Path) -> FileLock:
    """The lock of a task, taken; HarnessError if another process has it or the file cannot be written."""
    held = FileLock(path)
    try:
        held.acquire(timeout=0)
    except Timeout as error:
        raise HarnessError(f"{path.with_suffix(RUN)} is still being written by another process; wait for it") from error
    except OSError as error:
        raise unwritable(path, error) from error
    return held


def files(here: Path, suffix: str) -> list[tuple[Path, int, str]]:
    """The files of that kind with the seed and the moment that their names hold."""
    named = ((path, NAME.fullmatch(path.name)) for path in sorted(here.glob(f"seed*{suffix}")))
    return [(path, int(name[1]), name[2]) for path, name in named if name and name[3] == suffix]


def sweep(here: Path) -> None:
    """Remove what a process that was killed before its first checkpoint left behind."""
    for path in here.glob(f"seed*{LOCK}"):
        if path.with_suffix(CHECKPOINT).exists():
            continue
        try:
            with FileLock(path, timeout=0):
                path.with_suffix(f"{CHECKPOINT}.partial").unlink(missing_ok=True)
                path.unlink(missing_ok=True)
        except (Timeout, OSError):
            continue  # a training that has just begun
