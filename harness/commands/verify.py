"""Test the trained networks of the repository again and compare with their records."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from harness.argument_types import parse_seed
from harness.commands.arguments import add_data, add_device
from harness.commands.console import Display, busy, display, say
from harness.device import device_of
from harness.discovery import find, steps
from harness.errors import HarnessError
from harness.escape import printable
from harness.run import Progress, Run, finite
from harness.step import Step

if TYPE_CHECKING:
    from harness.data import MNIST
    from harness.training.weights import Trained

TIES = 5
"""Test images that another processor may decide otherwise: two classes as good as equal, in float32."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb `verify`."""
    parser.add_argument("id", metavar="ID", nargs="?", help="a step (default: every step that has weights)")
    add_device(parser)
    add_data(parser)
    parser.add_argument(
        "--train", action="store_true", help="first make the weights anew, on the CPU, by the training of --seed"
    )
    parser.add_argument("--seed", type=parse_seed, metavar="SEED", help="with --train: a seed that the record has")


def run(arguments: argparse.Namespace) -> int:
    """Print one line per network; 0 if each misses the test images that its record says, 1 if not."""
    from harness.data import load
    from harness.training import weights

    if arguments.train and (arguments.id is None or arguments.seed is None):
        raise HarnessError("--train is for one seed of one step; name both: verify ID --train --seed SEED")
    if arguments.seed is not None and not arguments.train:
        raise HarnessError("--seed is for --train; the weights that are there name their seed themselves")
    existing = (step for step in steps().values() if weights.path_of(step).exists())
    chosen = list(existing) if arguments.id is None else [find(arguments.id)]
    if not chosen:
        raise HarnessError("no step has weights yet; make some with: python -m harness verify ID --train --seed SEED")
    data = load(arguments.data).to(device_of(arguments.device))
    if arguments.train:
        [step] = chosen
        with display(step.recipe.epochs) as shown:
            path = _make(step, arguments.seed, data, shown)
        print(printable(f"wrote {path}, the weights {weights.read(step).digest} for a Teacher"))
    networks = [weights.read(step) for step in chosen]
    with busy() as on_part:
        on_part(f"{len(data.test_labels):,} test images: {', '.join(step.id for step in chosen)}")
        verified = [_verified(network, data) for network in networks]
    return 0 if all(verified) else 1


def _make(step: type[Step], seed: int, data: MNIST, shown: Display) -> Path:
    """Train a seed that the record has, as it was trained: by the same trainer, on the CPU. Save its weights.

    Raises HarnessError, and writes nothing, if the record has no such run or this one misses other test images; before
    it is trained if it cannot come to the same.
    """
    from harness.evidence import record
    from harness.evidence.replica import decided_otherwise
    from harness.jobs.retraining import doubts, threads_of
    from harness.provenance import trainer_name
    from harness.training.train import train, training
    from harness.training.weights import probe, save, trained

    recorded = _recorded(step, seed)
    for line in doubts(recorded):
        say(line)
    probe(step)
    name = trainer_name(recorded.provenance)
    with threads_of(recorded), training(step, [seed], data.to("cpu"), name) as trainer:
        trainer.on_steps = partial(shown.on_steps, step, [seed])
        for outcomes in train(step, trainer, Progress([seed]), step.recipe.epochs):
            epoch = finite(outcomes[seed])
            shown.on_epoch(step, seed, epoch)
        made = trained(step, seed, trainer.state())
    if len(decided_otherwise(epoch.errors, recorded.errors or ())) > TIES:
        raise HarnessError(
            f"{step.id}, seed {seed}: this training misses other test images than that of {record.path_of(step)}; "
            "train on the hardware and with the versions that the record names"
        )
    return save(made)


def _verified(trained: Trained, data: MNIST) -> bool:
    """Print what the network reaches, and return whether that is what its record says, but for ties."""
    from harness.evidence.replica import decided_otherwise
    from harness.training.evaluation import evaluation
    from harness.training.network import arranged

    step, device, n = trained.step, data.test_images.device, len(data.test_labels)
    network = arranged(trained.network, device)
    missed = evaluation(network, data.test_images, data.test_labels, step.recipe.normalize).errors
    differences = len(decided_otherwise(missed, _recorded(step, trained.seed).errors or ()))
    if not differences:
        comparison = f"and the {len(missed)} that the record says are wrong"
    elif differences <= TIES:
        comparison = f"as the record says but for {differences}, which rounding on another processor may decide"
    else:
        comparison = f"which is NOT what the record says: {differences} images are decided otherwise"
    right = n - len(missed)
    print(
        f"{step.id}: {step.parameters:,} parameters, seed {trained.seed}: "
        f"{right:,} of {n:,} test images right ({100 * right / n:.2f} %), {comparison}"
    )
    return differences <= TIES


def _recorded(step: type[Step], seed: int) -> Run:
    """The recorded run of a seed; HarnessError if the record has no such run, or it does not name what it misses."""
    from harness.evidence import record

    run = record.run_of(step, seed)
    if run.errors is None:
        raise HarnessError(
            f"{record.path_of(step)} does not say which test images seed {seed} misses; "
            f"train it anew: python -m harness train {step.id} --seed {seed} --record --replace"
        )
    return run
