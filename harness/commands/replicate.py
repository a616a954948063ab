"""Bring steps to the number of runs that was planned for them, the cheapest first."""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.commands.arguments import add_data, add_device, add_engine, add_out
from harness.commands.console import Display, display, say, update_texts
from harness.discovery import find, steps, with_variants
from harness.errors import Failures, HarnessError
from harness.run import EAGER, NATIVE, sound
from harness.step import Step

if TYPE_CHECKING:
    from harness.data import MNIST
    from harness.jobs import Engine

TRAIN, TEST = 60_000, 20_000  # images of an epoch: those trained on; and as many as are tested, of either set


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb `replicate`."""
    parser.add_argument(
        "ids", metavar="ID", nargs="*", help="steps or variants, such as five_steps/step5 (default: all of them)"
    )
    add_device(parser)
    add_data(parser)
    add_out(parser)
    add_engine(parser, default="processes")


@dataclass(frozen=True)
class Missing:
    """The planned seeds that a step lacks, and by which trainer it gets them."""

    step: type[Step]
    trainer: str
    seeds: tuple[int, ...]
    grows: bool
    """Whether they join the runs of the record; otherwise they take their place, once all are there."""
    cost: float
    """Floating-point operations of one run."""


def run(arguments: argparse.Namespace) -> int:
    """Train what is missing, record it and bring the texts up to it; what was interrupted resumes.

    The texts are brought up to the records whatever failed, and also if nothing is missing, since a command that was
    ended in between left them behind. Raises HarnessError in the end for steps and runs that failed; the others are
    trained and recorded all the same.
    """
    from harness.data import load
    from harness.evidence import record_folder
    from harness.jobs import engine_of

    named = list(dict.fromkeys(arguments.ids)) or with_variants(steps())
    chosen = [step for step in map(find, named) if arguments.ids or step.recipe.validation == 0]
    for passed in sorted(set(named) - {step.id for step in chosen}):
        say(f"{passed} is passed by: it is judged on images that its recipe holds out, of which there are no records")
    for step in {step.ladder: step for step in chosen}.values():
        record_folder.check(step)
    engine = engine_of(arguments.engine, arguments.device, arguments.ray_address)
    with Failures() as failures:
        wanted = _cheapest_first(chosen, engine, failures)
        if not wanted:
            with failures.go_on():
                update_texts()
            if not failures.messages:
                say("every step has its planned runs")
            return 0
        data, began = load(arguments.data), time.monotonic()
        done, total = 0.0, sum(one.cost * len(one.seeds) for one in wanted)
        for one in wanted:
            _say_next(one, total - done, done, time.monotonic() - began)
            with display(one.step.recipe.epochs, len(one.seeds)) as shown:
                engine.on_steps = shown.on_steps
                with failures.go_on():
                    replicate(one, engine, data, Path(arguments.out), shown)
                with failures.go_on():
                    update_texts()
            done += one.cost * len(one.seeds)
    return 0


def _cheapest_first(named: Sequence[type[Step]], engine: "Engine", failures: Failures) -> list[Missing]:
    """What the steps lack, the cheapest first, without those that lack nothing."""
    found = []
    for step in named:
        with failures.go_on():  # what is wrong with its record, or why it can have none
            found.append(missing(step, engine))
    return sorted((one for one in found if one.seeds), key=lambda one: one.cost)


def missing(step: type[Step], engine: "Engine") -> Missing:
    """The planned seeds that the record of a step does not have from the trainer that would train it here.

    Raises HarnessError if there can be no record, and if native runs are missing where eager torch would train: those
    are the same everywhere, and these are not.
    """
    from harness.benchmark.arithmetic import operations_of_epoch
    from harness.evidence import record
    from harness.provenance import device_type, differences, is_native
    from harness.training.choice import choose

    record.check_images(step)
    trainer, why = choose("auto", step, engine.device)
    made = engine.provenance(step, trainer)
    existing = record.read(step, device_type(made))
    same = existing is not None and not differences(existing.provenance, made)
    recorded = {run.seed for run in existing.runs} if existing else set()
    planned = range(step.planned_runs())
    seeds = tuple(seed for seed in planned if not same or seed not in recorded)
    if existing is not None and is_native(existing.provenance) and trainer == EAGER:
        if existing.outdated or not recorded.issuperset(planned):
            raise HarnessError(f"{step.id} lacks planned runs by the native trainer, which cannot train it here: {why}")
        seeds = ()
    cost = operations_of_epoch(step, TRAIN, TEST) * step.recipe.epochs if seeds else 0
    return Missing(step, trainer, seeds, same or existing is None, cost)


def _say_next(one: Missing, left: float, done: float, seconds: float) -> None:
    """Say which step is next, what is left, and how long that takes at the speed so far."""
    by = "natively" if one.trainer == NATIVE else "by eager torch"
    runs = f"{len(one.seeds)} run{'s' if len(one.seeds) > 1 else ''}"
    hours = f", about {left / done * seconds / 3600:.1f} hours" if done else ""
    say(f"{one.step.id}: {runs} {by}; {100 * left / (left + done):.0f} % is left{hours}")


def replicate(one: Missing, engine: "Engine", data: "MNIST", folder: Path, shown: Display) -> None:
    """Train the missing seeds of a step and record them.

    Where the record was made with something else it stays until all runs that take its place are finished: a record
    with fewer runs than it had would say less than it did.
    """
    from harness.evidence import record
    from harness.jobs import Request, find_resumable, run_jobs

    existing = find_resumable(Request(one.step, one.seeds, one.step.recipe.epochs, one.trainer, folder), engine)
    for line in existing.trained_anew():
        say(line)
    trained = run_jobs(existing, engine, data, shown.on_epoch)
    runs = list(record.added(trained) if one.grows else trained)
    if not one.grows:
        record.add(*sound(runs), replace=True)
    sound(runs)
