"""Search for a step of a ladder on images held out from the training set."""

import argparse
import importlib
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from rich.table import Table

from harness.commands.arguments import add_data, add_device, add_engine, output_file
from harness.commands.console import bare_table, console, display
from harness.discovery import steps
from harness.errors import ForeignError, HarnessError, foreign_call
from harness.escape import printable
from harness.step import Step

if TYPE_CHECKING:
    from harness.jobs.search_log import Trial


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb `search`."""
    parser.add_argument("ladder", metavar="LADDER", help="a ladder with a candidates.py, such as frontier")
    add_device(parser)
    add_data(parser)
    add_engine(parser, default="processes")


def run(arguments: argparse.Namespace) -> int:
    """Resume the search where its log ends, and print the candidates, the best first."""
    from harness.data import hold_out, load
    from harness.jobs import engine_of
    from harness.jobs.search import search

    space = _candidates(arguments.ladder)
    engine = engine_of(arguments.engine, arguments.device, arguments.ray_address)
    with display(held_out=True) as shown:
        engine.on_steps = shown.on_steps
        held_out = hold_out(load(arguments.data))
        log = output_file(space.LOG)
        ranked = search(space.CANDIDATES, space.RUNGS, log, engine, held_out, shown.on_epoch)
    console().print(_table(ranked))
    for trial in (trial for trials in ranked.values() for trial in trials if trial.failed):
        print(printable(f"{trial.candidate}: {trial.failed}"))
    return 0


def _candidates(ladder: str) -> ModuleType:
    name = f"spec.{ladder}.candidates"
    if not ladder.isidentifier():
        raise HarnessError(f"{ladder!r} is not the name of a ladder, such as frontier")
    steps()  # which says so if there is no project here
    try:
        with foreign_call("its import", name):
            space = importlib.import_module(name)
    except ForeignError as error:
        if getattr(error.__cause__, "name", None) not in (f"spec.{ladder}", name):
            raise
        raise HarnessError(f"{ladder} has no candidates; there would be a file candidates.py in it") from error
    for attribute, kind in (("CANDIDATES", list), ("RUNGS", list), ("LOG", Path)):
        if not isinstance(getattr(space, attribute, None), kind):
            raise HarnessError(
                f"{name} needs CANDIDATES, a list of steps, RUNGS, a list of harness.jobs.search.Rung, and LOG, the "
                f"Path of a file; {attribute} is no {kind.__name__}"
            )
    return space


def _table(ranked: "dict[type[Step], list[Trial]]") -> Table:
    result = bare_table()
    result.add_column("candidate", no_wrap=True)
    for name in ("parameters", "seeds", "validation", "worst", "train"):
        result.add_column(name, justify="right", no_wrap=True)
    for candidate, trials in ranked.items():
        if not trials:  # of those that a first rung leaves out
            continue
        result.add_row(
            candidate.title,
            f"{candidate.parameters:,}",
            str(len(trials)),
            *_figures(trials),
        )
    return result


def _figures(trials: "list[Trial]") -> tuple[str, str, str]:
    """Validation accuracy, the worst of all final epochs and training accuracy, in percent, in words."""
    from harness.jobs.search import mean

    if any(trial.failed for trial in trials):
        return "failed", "", ""
    worst = min(min(trial.validation) for trial in trials)
    return f"{mean(trials):.2f}", f"{worst:.2f}", f"{sum(trial.train for trial in trials) / len(trials):.2f}"
