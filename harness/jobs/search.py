"""The search for a step: candidates train on one part of the training images and are compared on the rest.

The test set is not used. Successive halving (Jamieson and Talwalkar, arXiv 1502.07943) with seeds as the budget: every
candidate is trained with a few seeds and only the better ones with more, since one run says little.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import torch

from harness import files
from harness.data import MNIST
from harness.errors import Failures, HarnessError
from harness.evidence.facts import parameters
from harness.jobs.dispatch import updates_of
from harness.jobs.job import Engine, Job
from harness.jobs.search_log import Trial, append, read
from harness.provenance import fingerprint
from harness.run import EAGER, NATIVE, Epoch
from harness.step import Step
from harness.training import OnEpoch
from harness.training.choice import choose
from harness.training.train import groups


@dataclass(frozen=True)
class Rung:
    """How many candidates, the best of the rung before, are trained with how many seeds each."""

    candidates: int
    seeds: int


def search(
    candidates: Sequence[type[Step]],
    rungs: Iterable[Rung],
    log: Path,
    engine: Engine,
    held_out: MNIST,
    on_epoch: OnEpoch,
) -> dict[type[Step], list[Trial]]:
    """Train the candidates of each rung in turn; return the trials of each candidate, the best candidate first.

    `held_out` is a split by `harness.data.hold_out`. Each run is appended to the log when it is finished, and runs in
    the log are not repeated, so that an interrupted search resumes. Candidates are compared by the mean over their
    seeds; those that reached a higher rung come first. One whose loss was not finite is worse than all others.

    The runs compared are by one trainer, since trainers differ by as much as candidates do: the native one, unless it
    refuses a candidate or the log has runs of them by eager torch.

    Raises HarnessError if a candidate cannot be trained, if it has a teacher, since that has seen the images held out,
    if it holds out images of its own or has another number of parameters than it says, or if the log cannot be read or
    written.
    """
    _check(candidates)
    prints = {candidate: fingerprint(candidate) for candidate in candidates}
    trainer = _trainer_of_all(prints, read(log), engine.device)
    ranked = {candidate: list[Trial]() for candidate in candidates}
    for rung in rungs:
        chosen = list(ranked)[: rung.candidates]
        epochs = {prints[one]: min(one.final_epochs, one.recipe.epochs) for one in chosen}
        known = {
            (trial.fingerprint, trial.seed): trial
            for trial in read(log)
            if trial.trainer == trainer and (trial.failed or len(trial.validation) == epochs.get(trial.fingerprint))
        }
        wanted = [(candidate, seed) for seed in range(rung.seeds) for candidate in chosen]
        missing = [(candidate, seed) for candidate, seed in wanted if (prints[candidate], seed) not in known]
        if missing:
            with files.locked(log):
                files.probe(log)
        for trial in _trials(missing, trainer, engine, held_out, on_epoch):
            append(log, trial)
            known[trial.fingerprint, trial.seed] = trial
        for candidate in chosen:
            seeds = range(max(rung.seeds, len(ranked[candidate])))
            ranked[candidate] = [known[prints[candidate], seed] for seed in seeds]
        ranked = dict(sorted(ranked.items(), key=lambda row: _rank(row[1])))
    return ranked


def _check(candidates: Sequence[type[Step]]) -> None:
    """Raise HarnessError for candidates that cannot be compared on images held out, or that say what they are not."""
    if taught := [candidate.title for candidate in candidates if candidate.recipe.teacher is not None]:
        raise HarnessError(f"{', '.join(taught)}: a teacher of the repository has seen the images held out")
    if judged := [candidate.title for candidate in candidates if candidate.recipe.validation > 0]:
        raise HarnessError(f"{', '.join(judged)}: a search holds out the images itself; leave out validation")
    for candidate in candidates:
        if (counted := parameters(candidate)) != candidate.parameters:
            raise HarnessError(
                f"{candidate.id} says that it has {candidate.parameters:,} parameters, and has {counted:,}"
            )


def _rank(trials: Sequence[Trial]) -> tuple[bool, int, float]:
    """What candidates are sorted by: those that failed come last, and of the others those with most seeds first."""
    return any(trial.failed for trial in trials), -len(trials), -mean(trials)


def mean(trials: Sequence[Trial]) -> float:
    """The mean validation accuracy over the final epochs of all trials; minus infinity if there are none."""
    return sum(trial.final for trial in trials) / len(trials) if trials else float("-inf")


def _trainer_of_all(prints: Mapping[type[Step], str], log: Iterable[Trial], device: torch.device) -> str:
    """The trainer of candidates with those fingerprints."""
    used = any(trial.trainer == EAGER and trial.fingerprint in prints.values() for trial in log)
    return EAGER if used or any(choose("auto", one, device).name == EAGER for one in prints) else NATIVE


def _trials(
    wanted: Sequence[tuple[type[Step], int]], trainer: str, engine: Engine, held_out: MNIST, on_epoch: OnEpoch
) -> Iterator[Trial]:
    """Train candidates with seeds and yield each run when it is finished; HarnessError after the last if any failed.

    Seeds of a candidate train together where that is faster, which is on a GPU.
    """
    seeds: dict[type[Step], list[int]] = {}
    for candidate, seed in wanted:
        seeds.setdefault(candidate, []).append(seed)
    jobs = [
        Job(candidate, tuple(group), candidate.recipe.epochs, trainer=trainer)
        for candidate, own in seeds.items()
        for group in groups(candidate, own, engine.device, here=engine.here)
    ]
    runs = {row: list[Epoch]() for row in wanted}
    with Failures() as failures, closing(updates_of(jobs, engine, held_out, failures)) as updates:
        for index, update in updates:
            candidate = jobs[index].step
            for seed, outcome in update.outcomes.items():
                run = runs[candidate, seed]
                if isinstance(outcome, HarnessError):
                    yield _trial(candidate, seed, run, trainer, str(outcome))
                    continue
                run.append(outcome)
                on_epoch(candidate, seed, outcome)
                if len(run) == candidate.recipe.epochs:
                    yield _trial(candidate, seed, run, trainer)


def _trial(candidate: type[Step], seed: int, epochs: Sequence[Epoch], trainer: str, failed: str | None = None) -> Trial:
    """The line of the log for a run; `test_accuracy` is measured on the images held out here."""
    return Trial(
        candidate=candidate.title,
        parameters=candidate.parameters,
        fingerprint=fingerprint(candidate),
        seed=seed,
        validation=() if failed else tuple(epoch.test_accuracy for epoch in epochs[-candidate.final_epochs :]),
        train=epochs[-1].train_accuracy if epochs else 0.0,
        seconds=round(sum(epoch.seconds for epoch in epochs), 1),
        trainer=trainer,
        failed=failed,
    )
