"""Test the trained networks of the repository again and compare with their records."""

import argparse
from typing import TYPE_CHECKING

from harness.errors import HarnessError
from harness.ladder import find, steps
from harness.step import Step

if TYPE_CHECKING:
    from harness.run import Errors
    from harness.training.weights import Trained


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb `verify`."""
    parser.add_argument("id", metavar="ID", nargs="?", help="a step (default: every step that has weights)")
    parser.add_argument("--device", default="auto", help="auto (default: CUDA if there is one), cpu, cuda or cuda:N")
    parser.add_argument("--data", metavar="DIR", help="folder with the MNIST files (default: MNIST_DIR, cache, fetch)")
    parser.add_argument(
        "--train", type=int, metavar="SEED", help="first make the weights anew: train a seed that the record has"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print a line a network; 0 if each does what its record says, 1 if not."""
    from harness.commands import verification
    from harness.commands.console import display
    from harness.data import load
    from harness.device import device_of
    from harness.training import weights

    if arguments.train is not None and arguments.id is None:
        raise HarnessError("--train is for one step; name it")
    chosen = [find(arguments.id)] if arguments.id else list(filter(has_weights, steps().values()))
    if not chosen:
        raise HarnessError("no step has weights yet; make some with: python -m harness verify ID --train SEED")
    data = load(arguments.data).to(device_of(arguments.device))
    if arguments.train is not None:
        [step] = chosen
        with display(step.recipe.epochs) as on_epoch:
            print(f"wrote {verification.make(step, arguments.train, data, on_epoch)}")
    verified = True
    for step in chosen:
        trained = weights.read(step)
        missed, recorded = verification.missed(trained, data), verification.recorded(step, trained.seed)
        print(told(trained, missed, recorded, len(data.test_labels)))
        verified &= verification.different(missed, recorded) <= verification.TIES
    return 0 if verified else 1


def has_weights(step: type[Step]) -> bool:
    """Whether the repository has a trained network of the step."""
    from harness.training.weights import path_of

    return path_of(step).exists()


def told(trained: "Trained", missed: "Errors", recorded: "Errors", n: int) -> str:
    """One line: what the network reaches, and whether that is what its record says."""
    from harness.commands.verification import TIES, different

    step: type[Step] = trained.step
    right = n - len(missed)
    reached = (
        f"{step.id}: {step.parameters:,} parameters, seed {trained.seed}: "
        f"{right:,} of {n:,} test images right ({100 * right / n:.2f} %)"
    )
    apart = different(missed, recorded)
    if not apart:
        return f"{reached}, and the {len(missed)} that the record says are wrong"
    if apart <= TIES:
        return f"{reached}, as the record says but for {apart}, which rounding on another processor may decide"
    return f"{reached}, which is NOT what the record says: {apart} images are decided otherwise"
