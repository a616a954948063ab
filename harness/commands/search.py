"""Search for a step of a ladder on images held out from the training set."""

import argparse
import importlib
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from harness.commands.console import console
from harness.errors import HarnessError
from harness.step import Step

if TYPE_CHECKING:
    from harness.jobs.search import Trial


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb `search`."""
    parser.add_argument("ladder", metavar="LADDER", help="a ladder with candidates, such as frontier")
    parser.add_argument("--device", default="auto", help="auto (default: CUDA if there is one), cpu, cuda or cuda:N")
    parser.add_argument("--data", metavar="DIR", help="folder with the MNIST files (default: MNIST_DIR, cache, fetch)")
    parser.add_argument(
        "--engine",
        choices=["local", "processes", "ray"],
        default="processes",
        help="where to train: in one process for each core or GPU (default), in this one, or on a Ray cluster",
    )
    parser.add_argument("--ray-address", metavar="HOST:PORT", help="a Ray cluster (default: one is started here)")


def run(arguments: argparse.Namespace) -> int:
    """Go on with the search where its log ends, and print what was found."""
    from harness.commands.console import plain
    from harness.data import hold_out, load
    from harness.jobs import engine_of
    from harness.jobs.search import search

    try:
        there = importlib.import_module(f"spec.{arguments.ladder}.candidates")
    except ModuleNotFoundError as error:
        if error.name not in (f"spec.{arguments.ladder}", f"spec.{arguments.ladder}.candidates"):
            raise
        raise HarnessError(
            f"{arguments.ladder} has no candidates; there would be a file candidates.py in it"
        ) from error
    engine = engine_of(arguments.engine, arguments.device, arguments.ray_address)
    held_out = hold_out(load(arguments.data))
    found = search(there.CANDIDATES, there.RUNGS, there.LOG, engine, held_out, plain)
    console().print(table(found))
    return 0


def table(found: "dict[type[Step], list[Trial]]") -> Table:
    """A line a candidate, the best first."""
    from harness.jobs.search import mean

    result = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    result.add_column("candidate", no_wrap=True)
    for name in ("parameters", "seeds", "validation", "worst", "train"):
        result.add_column(name, justify="right", no_wrap=True)
    for candidate, trials in found.items():
        result.add_row(
            candidate.title,
            f"{candidate.parameters:,}",
            str(len(trials)),
            f"{mean(trials):.2f}",
            f"{min(min(trial.validation) for trial in trials):.2f}",
            f"{sum(trial.train for trial in trials) / len(trials):.2f}",
        )
    return result
