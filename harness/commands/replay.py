"""Train a recorded run again and compare every epoch with the record, digit by digit."""

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from harness.commands.arguments import add_data, add_seed
from harness.commands.console import Display, display, say
from harness.discovery import find
from harness.errors import HarnessError
from harness.run import Epoch, Outcome, Run, epoch_line

if TYPE_CHECKING:
    from harness.data import MNIST


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb `replay`."""
    parser.add_argument("id", metavar="ID", help="a step with a record, such as frontier/step12")
    add_seed(parser, required=True)
    add_data(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print each epoch as it is compared, up to the first of a run that the record has otherwise; 1 if there is one."""
    from harness.data import load
    from harness.evidence import record

    step = find(arguments.id)
    recorded = [record.run_of(step, seed) for seed in arguments.seed]
    data = load(arguments.data)
    return max([_replay(run, data) for run in recorded])


def _replay(recorded: Run, data: "MNIST") -> int:
    """Train a run again and print how it compares; the exit status."""
    from harness.jobs.retraining import doubts, threads_of

    with threads_of(recorded), display(len(recorded.epochs)) as shown:
        for line in doubts(recorded):
            say(line)
        return compare(recorded, _again(recorded, data, shown))


def _again(recorded: Run, data: "MNIST", shown: Display) -> Iterator[Outcome]:
    """The epochs of a run that is trained again by its trainer."""
    from harness.provenance import trainer_name
    from harness.training.train import train_one

    trainer = trainer_name(recorded.provenance)
    for outcome in train_one(recorded.step, recorded.seed, data, trainer, len(recorded.epochs), shown.on_steps):
        if isinstance(outcome, Epoch):
            shown.over(recorded.step, recorded.seed)
        yield outcome


def compare(recorded: Run, again: Iterator[Outcome]) -> int:
    """Print each epoch and whether it is that of the record, up to the first that is not; the exit status."""
    from harness.evidence.replica import difference, same

    step, seed = recorded.step, recorded.seed
    epochs: list[Epoch] = []
    found: object = None
    for outcome in again:
        if isinstance(outcome, HarnessError):
            found = outcome
            break
        found = difference(recorded, Run(step, seed, (*epochs, outcome)))
        print(f"{epoch_line(step, seed, outcome)}: {'differs' if found else 'the same'}", flush=True)
        if found:
            break
        epochs.append(outcome)
    print(f"run {seed} of {step.id}, replayed: {same(recorded, len(epochs))}{f'; {found}' if found else ''}")
    return 1 if found else 0
