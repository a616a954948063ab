"""What is there already of the seeds that are asked for: runs that are whole, and trainings that can go on."""

from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import HarnessError
from harness.files import read
from harness.jobs import checkpoint, run_file
from harness.jobs.job import Engine, Job
from harness.jobs.run_folder import CHECKPOINT, LOCK, RUN, JobFiles, files, lock, sweep
from harness.provenance import differences
from harness.run import Run
from harness.step import Step


@dataclass
class Resumable:
    """What earlier trainings left behind."""

    rest: list[int]
    """The seeds of which there is nothing, in order."""
    whole: list[Run] = field(default_factory=list)
    interrupted: list[JobFiles] = field(default_factory=list)

    def take(self, seeds: set[int]) -> None:
        """These seeds are no longer among the rest."""
        self.rest = [seed for seed in self.rest if seed not in seeds]


@dataclass(frozen=True, order=True)
class Candidate:
    """A file to have seeds from; the last in order is taken: the latest, a checkpoint before the run file beside it."""

    stamp: str
    suffix: str  # ".safetensors" comes after ".jsonl"
    seeds: tuple[int, ...]
    path: Path
    history: Run | None = field(default=None, compare=False)


def find_resumable(step: type[Step], seeds: list[int], folder: Path, epochs: int, engine: Engine) -> Resumable:
    """What there is of the seeds in a folder of run files, if they are to have so many epochs.

    Raises HarnessError for files that are damaged, and for a checkpoint that would be used and cannot be: one of
    another recipe, network, version or device, one of more epochs, one whose training still goes on.
    """
    here = folder / step.id
    sweep(here)
    made = engine.provenance(step)
    left = Resumable(seeds)
    for found in sorted([*checkpoints(here), *whole_runs(here, step, seeds, epochs, made)], reverse=True):
        wanted = set(found.seeds) & set(seeds)
        if not wanted <= set(left.rest) or not wanted:
            continue
        if len(wanted) < len(found.seeds):
            together = " ".join(map(str, found.seeds))
            raise HarnessError(f"{found.path} is of seeds that were trained together; go on with --seeds {together}")
        if found.history is not None:
            left.whole.append(found.history)
        else:
            left.interrupted.append(interrupted(step, folder, found, epochs, made))
        left.take(wanted)
    return left


def checkpoints(here: Path) -> list[Candidate]:
    """All checkpoints in a folder."""
    return [
        Candidate(stamp, CHECKPOINT, tuple(checkpoint.read(path).progress.epochs), path)
        for path, _, stamp in files(here, CHECKPOINT)
    ]


def whole_runs(here: Path, step: type[Step], seeds: list[int], epochs: int, made: dict[str, object]) -> list[Candidate]:
    """The runs of these seeds that have all their epochs and were made with the same as those to come would be."""
    found = []
    for path, seed, stamp in files(here, RUN):
        if seed in seeds:
            history = run_file.read(path, step)
            same = not differences(history.provenance, made)
            if history.seed == seed and len(history.epochs) == epochs and history.failed is None and same:
                found.append(Candidate(stamp, RUN, (seed,), path, history))
    return found


def interrupted(step: type[Step], folder: Path, found: Candidate, epochs: int, made: dict[str, object]) -> JobFiles:
    """The files of a training that can go on, locked."""
    held = lock(found.path.with_suffix(LOCK))
    try:
        raw = read(found.path, checkpoint.LARGEST)
        saved = checkpoint.unpack(raw, str(found.path))
        saved.check(step, made, str(found.path))
        if saved.epoch > epochs:
            raise HarnessError(f"{found.path} has {saved.epoch} epochs already; go on with --epochs {saved.epoch}")
        if tuple(saved.progress.epochs) != found.seeds or found.path.name.split("-")[0] != f"seed{found.seeds[0]}":
            raise HarnessError(f"{found.path} is not of the seeds that its name says; delete it to start anew")
    except (OSError, ValueError, HarnessError) as error:
        held.release()
        raise HarnessError(str(error)) from error
    return JobFiles(folder, Job(step, found.seeds, epochs, checkpoint=raw), found.stamp, held)
