"""Which runs of the seeds that are asked for are finished already, and which can resume."""

from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import HarnessError
from harness.files import read
from harness.jobs import checkpoint, run_file
from harness.jobs.job import Engine, Job
from harness.jobs.run_folder import CHECKPOINT, LOCK, RUN, JobFiles, acquire, files_in, remove_leftovers
from harness.provenance import differences
from harness.run import EAGER, NATIVE, Run
from harness.step import Step


@dataclass
class Resumable:
    """What earlier trainings left of the seeds that are asked for."""

    rest: list[int]
    """The seeds that they left nothing of, in order."""
    finished: list[Run] = field(default_factory=list)
    interrupted: list[JobFiles] = field(default_factory=list)


@dataclass(frozen=True, order=True)
class _Candidate:
    """A file with runs of some seeds. The last in order is used: the latest, and a checkpoint before its run files."""

    stamp: str
    suffix: str  # ".safetensors" sorts after ".jsonl"
    seeds: tuple[int, ...]
    path: Path
    run: Run | None = field(default=None, compare=False)
    trainer: str | None = field(default=None, compare=False)
    """As a checkpoint names it."""


def trainer_left(step: type[Step], seeds: list[int], folder: Path) -> str | None:
    """The trainer of what earlier trainings left of the seeds, of the interrupted ones first; None if nothing says."""
    step_folder = folder / step.id
    left = [
        (True, candidate.stamp, candidate.trainer)
        for candidate in _checkpoints(step_folder)
        if not set(candidate.seeds).isdisjoint(seeds)
    ]
    left += [
        (False, stamp, run_file.read(path, step).provenance.get("trainer"))
        for path, seed, stamp in files_in(step_folder, RUN)
        if seed in seeds
    ]
    named = [entry for entry in left if entry[-1] in (EAGER, NATIVE)]
    return max(named)[-1] if named else None


def find_resumable(
    step: type[Step], seeds: list[int], folder: Path, epochs: int, engine: Engine, trainer: str = EAGER
) -> Resumable:
    """Look in a folder of run files for runs of the seeds that have all `epochs`, or can resume until they do.

    Raises HarnessError for a damaged file, and for a checkpoint that would be used but cannot be: made with another
    recipe, network, trainer, version or device; with more epochs; or of a training that is still running.
    """
    step_folder = folder / step.id
    remove_leftovers(step_folder)
    made = engine.provenance(step, trainer)
    resumable = Resumable(seeds)
    candidates = [*_checkpoints(step_folder), *_finished(step_folder, step, seeds, epochs, made)]
    for candidate in sorted(candidates, reverse=True):
        wanted = set(candidate.seeds) & set(seeds)
        if not wanted <= set(resumable.rest) or not wanted:
            continue
        if len(wanted) < len(candidate.seeds):
            together = " ".join(map(str, candidate.seeds))
            raise HarnessError(
                f"{candidate.path} is of seeds that were trained together; go on with --seeds {together}"
            )
        if candidate.run is not None:
            resumable.finished.append(candidate.run)
        else:
            resumable.interrupted.append(_interrupted(step, folder, candidate, epochs, made, trainer))
        resumable.rest = [seed for seed in resumable.rest if seed not in wanted]
    return resumable


def _checkpoints(folder: Path) -> list[_Candidate]:
    saved = ((path, stamp, checkpoint.read(path)) for path, _, stamp in files_in(folder, CHECKPOINT))
    return [
        _Candidate(stamp, CHECKPOINT, tuple(one.progress.epochs), path, trainer=one.head.get("trainer"))
        for path, stamp, one in saved
    ]


def _finished(
    folder: Path, step: type[Step], seeds: list[int], epochs: int, made: dict[str, object]
) -> list[_Candidate]:
    """The runs of these seeds that have all their epochs, and the provenance that new runs would have."""
    candidates = []
    for path, seed, stamp in files_in(folder, RUN):
        if seed in seeds:
            run = run_file.read(path, step)
            same = not differences(run.provenance, made)
            if run.seed == seed and len(run.epochs) == epochs and run.failed is None and same:
                candidates.append(_Candidate(stamp, RUN, (seed,), path, run))
    return candidates


def _interrupted(
    step: type[Step], folder: Path, candidate: _Candidate, epochs: int, made: dict[str, object], trainer: str
) -> JobFiles:
    """The files of a job that can resume, locked."""
    path = candidate.path
    lock = acquire(path.with_suffix(LOCK))
    try:
        raw = read(path, checkpoint.LARGEST)
        saved = checkpoint.unpack(raw, str(path))
        saved.check(step, made, str(path))
        if saved.epoch > epochs:
            raise HarnessError(f"{path} has {saved.epoch} epochs already; go on with --epochs {saved.epoch}")
        if tuple(saved.progress.epochs) != candidate.seeds or path.name.split("-")[0] != f"seed{candidate.seeds[0]}":
            raise HarnessError(f"{path} is not of the seeds that its name says; delete it to start anew")
    except (OSError, ValueError, HarnessError) as error:
        lock.release()
        raise HarnessError(str(error)) from error
    job = Job(step, candidate.seeds, epochs, checkpoint=raw, trainer=trainer)
    return JobFiles(folder, job, candidate.stamp, lock)
