"""Which runs of the seeds that are asked for are finished already, and which can resume.

What is wrong with the files of one seed is that seed's trouble alone: the others resume and start without it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from os.path import lexists
from pathlib import Path

import torch

from harness.errors import HarnessError
from harness.files import acquire, release
from harness.jobs import checkpoint, run_file
from harness.jobs.job import Engine, Job, Request
from harness.jobs.run_file import MAKE_ROOM
from harness.jobs.run_folder import CHECKPOINT, RUN, JobFiles, files_in, remove_leftovers
from harness.provenance import differences
from harness.run import EAGER, TRAINERS, Run
from harness.step import Step


@dataclass
class Resumable:
    """What earlier trainings left of the seeds that are asked for, and without any, all that is asked for."""

    request: Request
    rest: list[int] = field(init=False)
    """The seeds that they left nothing of, in order."""
    finished: list[Run] = field(default_factory=list)
    interrupted: list[JobFiles] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    """Why the seeds that are in none of these are not trained."""
    not_taken: dict[int, str] = field(default_factory=dict)
    """The seeds that have a finished run which was made with something else, each with a line that says so."""

    def __post_init__(self) -> None:
        self.rest = list(self.request.seeds)

    def trained_anew(self) -> list[str]:
        """The lines of `not_taken` whose seeds are trained, in their order."""
        return [self.not_taken[seed] for seed in self.rest if seed in self.not_taken]

    def untrained(self) -> list[int]:
        """The seeds that have epochs to be trained; others may be recorded already, by who was killed after that."""
        going_on = [files.job.seeds for files in self.interrupted if not files.progress.over(files.job.epochs)]
        return [*self.rest, *chain(*going_on)]

    def close(self) -> None:
        """Release the locks of what can resume; once more changes nothing."""
        for files in self.interrupted:
            files.close()

    def refuse(self, reasons: Mapping[int, str]) -> None:
        """Take seeds out of what is trained, for a reason each; HarnessError with all reasons if no seed is left.

        The files of an interrupted training stay. It resumes all the same if it is of other seeds too, as it is one.
        """
        self.rest = [seed for seed in self.rest if seed not in reasons]
        for files in [files for files in self.interrupted if reasons.keys() >= set(files.job.seeds)]:
            files.close()
            self.interrupted.remove(files)
        self.errors += dict.fromkeys(reasons.values())
        if self.errors and not (self.rest or self.finished or self.interrupted):
            raise HarnessError("; ".join(self.errors))


@dataclass(frozen=True, order=True)
class _Candidate:
    """A file with runs of some seeds. The last in order is used: the latest, and a checkpoint before its run files."""

    stamp: str
    suffix: str  # ".safetensors" sorts after ".jsonl"; "" of a damaged checkpoint before it
    seeds: tuple[int, ...]
    path: Path
    run: Run | None = field(default=None, compare=False)
    trainer: str | None = field(default=None, compare=False)
    """As a checkpoint names it."""


def trainer_left(step: type[Step], seeds: list[int], folder: Path, device: torch.device) -> str | None:
    """The trainer of what earlier trainings left of the seeds, the latest interrupted one first; None if nothing says.

    On a GPU it is none that trains on a CPU only.
    """
    step_folder = folder / step.id
    left = [
        (True, candidate.stamp, candidate.trainer)
        for candidate in _checkpoints(step_folder, step)
        if not set(candidate.seeds).isdisjoint(seeds)
    ]
    left += [(False, stamp, run.provenance.get("trainer")) for _, stamp, run in _run_files(step_folder, step, seeds)]
    trainers = TRAINERS if device.type == "cpu" else (EAGER,)
    named = [entry for entry in left if entry[-1] in trainers]
    return max(named)[-1] if named else None


def find_resumable(request: Request, engine: Engine) -> Resumable:
    """Look in the folder of run files for runs of the seeds that have all epochs, or can resume until they do.

    A damaged run file is none. A checkpoint that would be used but cannot be is an error of its seeds: damaged; made
    with another recipe, network, trainer, version or device; with more epochs; or of a training that is still running.
    If another process ends such a training meanwhile, it looks again. Raises HarnessError if such errors leave no seed.
    """
    step, seeds = request.step, list(request.seeds)
    step_folder = request.folder / step.id
    remove_leftovers(step_folder)
    made = engine.provenance(step, request.trainer)
    resumable = Resumable(request)
    candidates = _checkpoints(step_folder, step)
    for path, stamp, run in _run_files(step_folder, step, seeds):
        if len(run.epochs) != request.epochs or run.failed is not None:
            continue
        if other := differences(run.provenance, made):
            resumable.not_taken[run.seed] = f"{path} was made with {other}; seed {run.seed} is trained anew"
        else:
            candidates.append(_Candidate(stamp, RUN, (run.seed,), path, run))
    for candidate in sorted(candidates, reverse=True):
        wanted = set(candidate.seeds) & set(seeds)
        if not wanted <= set(resumable.rest) or not wanted:
            continue
        if candidate.run is not None:
            resumable.finished.append(candidate.run)
        else:
            try:
                _check_whole(candidate, wanted)
                resumable.interrupted.append(_interrupted(request, candidate, made))
            except FileNotFoundError:
                resumable.close()
                return find_resumable(request, engine)
            except HarnessError as error:
                resumable.refuse(dict.fromkeys(wanted, str(error)))
        resumable.rest = [seed for seed in resumable.rest if seed not in wanted]
    resumable.finished.sort(key=lambda run: seeds.index(run.seed))
    resumable.interrupted.sort(key=lambda files: min(map(seeds.index, files.job.seeds)))
    return resumable


def _check_whole(candidate: _Candidate, wanted: set[int]) -> None:
    """Raise HarnessError unless all seeds of a candidate are wanted."""
    if len(wanted) < len(candidate.seeds):
        together = " ".join(map(str, candidate.seeds))
        raise HarnessError(f"{candidate.path} is of seeds that were trained together; go on with --seed {together}")


def _checkpoints(folder: Path, step: type[Step]) -> list[_Candidate]:
    """The checkpoints in a folder; a damaged one is taken to be of the seeds whose files have its moment."""
    candidates = []
    for path, seed, stamp in files_in(folder, CHECKPOINT):
        try:
            saved = checkpoint.read(path)
            seeds = tuple(saved.progress.epochs)
            if saved.step != step.id or seeds[:1] != (seed,):
                raise HarnessError(f"{path} is not what its name says")
            candidates.append(_Candidate(stamp, CHECKPOINT, seeds, path, trainer=saved.head.get("trainer")))
        except HarnessError:
            others = {other for _, other, moment in files_in(folder, RUN) if moment == stamp and other != seed}
            candidates.append(_Candidate(stamp, "", (seed, *sorted(others)), path))
    return candidates


def _run_files(folder: Path, step: type[Step], seeds: list[int]) -> Iterator[tuple[Path, str, Run]]:
    """The sound run files of these seeds, each with its moment and its run."""
    for path, seed, stamp in files_in(folder, RUN):
        try:
            run = run_file.read(path, step) if seed in seeds else None
        except HarnessError:
            continue
        if run is not None and run.seed == seed:
            yield path, stamp, run


def _interrupted(request: Request, candidate: _Candidate, made: dict[str, object]) -> JobFiles:
    """The files of a job that can resume, locked; HarnessError if it cannot, FileNotFoundError if it is over by now."""
    path = candidate.path
    lock = acquire(path, wait=0, advice=MAKE_ROOM)
    try:
        if not lexists(path):
            raise FileNotFoundError(path)
        raw = checkpoint.raw(path)
        saved = checkpoint.unpack(raw, str(path))
        saved.check(request.step, made, str(path))
        if saved.epoch > request.epochs:
            raise HarnessError(f"{path} has {saved.epoch} epochs already; go on with --epochs {saved.epoch}")
        if tuple(saved.progress.epochs) != candidate.seeds or path.name.split("-")[0] != f"seed{candidate.seeds[0]}":
            raise HarnessError(f"{path} is not of the seeds that its name says; delete it to start anew")
        job = Job(request.step, candidate.seeds, request.epochs, checkpoint=raw, trainer=request.trainer)
        files = JobFiles(request.folder, job, candidate.stamp, lock)
        files.progress = saved.progress
        return files
    except (HarnessError, FileNotFoundError):
        release(lock)
        raise
