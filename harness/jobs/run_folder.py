"""The folder of a step's runs: file names, locks, and the files of a job while it trains.

A job has one run file per seed and one checkpoint for all of them. Their names hold the seed and the moment of the
start, so that no run overwrites another. Until a job is finished, its run files can always be made anew from its
checkpoint.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from errno import ENOSPC
from pathlib import Path

from filelock import FileLock

from harness import files
from harness.errors import HarnessError
from harness.jobs import checkpoint
from harness.jobs.job import Job, Update
from harness.jobs.run_file import MAKE_ROOM, RunFile, provenance_of
from harness.run import Epoch, Outcome, Progress, Run
from harness.training import OnEpoch

CHECKPOINT, RUN = ".safetensors", ".jsonl"

NAME = re.compile(r"seed([0-9]+)-([0-9]{8}T[0-9]{6}\.[0-9]{6}Z)(\.safetensors|\.jsonl)")


class JobFiles:
    """The files of one job, written by the process that asked for it.

    A job that resumes has the `stamp` that its files have in their names, and a `lock` that is held. Raises
    HarnessError if the folder cannot be written, or if a folder has the name of a run file that is to be continued.
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
            advice = MAKE_ROOM if error.errno == ENOSPC else "name another folder with --out"
            raise HarnessError(f"cannot write run files to {folder}: {error.strerror or error}; {advice}") from error
        for path in (self._path(RUN, seed) for seed in job.seeds if stamp is not None):
            if path.is_dir() and not path.is_symlink():
                raise HarnessError(f"{path} is a folder; move it away")

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
        if update.checkpoint is not None:
            files.write(self._path(CHECKPOINT), update.checkpoint, advice=MAKE_ROOM)
            if first:
                self._open_run_files(update.checkpoint, on_epoch)
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
            self._lock = files.acquire(self._path(CHECKPOINT), advice=MAKE_ROOM)

    def _open_run_files(self, raw: bytes, on_epoch: OnEpoch) -> None:
        """Write the run files from the checkpoint."""
        saved = checkpoint.unpack(raw, str(self._path(CHECKPOINT)))
        self._head, self.progress = saved.head, saved.progress
        for seed, epochs in self.progress.epochs.items():
            head = {"step": self.job.step.id, "seed": seed, **saved.head}
            path, reason = self._path(RUN, seed), self.progress.failed.get(seed)
            outcomes: list[Outcome] = [*epochs, *([HarnessError(reason)] if reason else [])]
            files.remove_unfinished(path)
            self._files[seed] = RunFile(path, head, outcomes)
            for epoch in epochs:
                on_epoch(self.job.step, seed, epoch)

    def runs(self) -> list[Run]:
        """The runs so far, one per seed."""
        return self.progress.runs(self.job.step, provenance_of(self._head))

    def finish(self) -> None:
        """Remove the checkpoint once all of the run files is on the disk: nothing is left to resume."""
        for file in self._files.values():
            file.sync()
        with suppress(OSError):  # then it stays, and resuming it only says again what the run files say
            self._path(CHECKPOINT).unlink()
        self.close()

    def close(self) -> None:
        """Close the files and release the lock; the checkpoint stays."""
        for file in self._files.values():
            file.close()
        if self._lock is not None:
            files.release(self._lock)
            self._lock = None


def timestamp(moment: datetime) -> str:
    """A moment as file names spell it: in UTC, to the microsecond, sorting as text."""
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%S.%fZ}"


def files_in(folder: Path, suffix: str) -> Iterator[tuple[Path, int, str]]:
    """The run files or the checkpoints in a folder, each with the seed and the timestamp in its name."""
    for path in _matching(folder, f"seed*{suffix}"):
        if (name := NAME.fullmatch(path.name)) and name[3] == suffix:
            yield path, int(name[1]), name[2]


def remove_leftovers(folder: Path) -> None:
    """Remove the lock files of processes that were killed before their first checkpoint."""
    for path in _matching(folder, f"seed*{files.LOCK}"):
        if not path.with_suffix(CHECKPOINT).exists():
            with suppress(HarnessError):  # a training that has just started
                files.release(files.acquire(path.with_suffix(CHECKPOINT), wait=0))


def _matching(folder: Path, pattern: str) -> list[Path]:
    with files.readable(folder):
        return sorted(folder.glob(pattern))
