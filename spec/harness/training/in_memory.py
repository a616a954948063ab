"""Runs in memory: seeds trained by the loop of the harness, without an engine or files."""

from collections.abc import Sequence

from harness.data import MNIST
from harness.run import Progress, Run
from harness.step import Step
from harness.training.ensemble import ensemble_trainer
from harness.training.train import train
from harness.training.trainer import Trainer, single_trainer


def run_alone(step: type[Step], seed: int, data: MNIST, epochs: int | None = None) -> Run:
    """The run of one seed; torch's global generator is not restored."""
    [run] = trained(step, [seed], single_trainer(step, seed, data), epochs)
    return run


def run_together(step: type[Step], seeds: Sequence[int], data: MNIST, epochs: int | None = None) -> list[Run]:
    """The runs of an ensemble; torch's global generator is not restored."""
    return trained(step, seeds, ensemble_trainer(step, seeds, data), epochs)


def trained(step: type[Step], seeds: Sequence[int], trainer: Trainer, epochs: int | None = None) -> list[Run]:
    """The runs of a trainer, in the order of its seeds."""
    progress = Progress(seeds)
    for _ in train(step, trainer, progress, epochs or step.recipe.epochs):
        pass
    return progress.runs(step)
