"""Train a step with some seeds and say whether it held the goal."""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from rich.table import Table

from harness.argument_types import parse_path, parse_positive
from harness.commands.arguments import add_data, add_device, add_engine, add_out, add_seeds, add_trainer, output_file
from harness.commands.console import bare_table, check_texts, console, display, say, start_line, update_texts
from harness.commands.verdict import verdict
from harness.device import device_of
from harness.discovery import find
from harness.errors import Failures, HarnessError, foreign
from harness.escape import printable
from harness.run import Epoch, Run
from harness.step import Step

if TYPE_CHECKING:
    from harness.jobs import Resumable
    from harness.training import OnEpoch


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb `train`."""
    parser.add_argument("id", metavar="ID", help="a step, such as five_steps/step5")
    add_seeds(parser)
    add_device(parser)
    parser.add_argument(
        "--epochs", type=parse_positive, metavar="N", help="stop after N epochs; such a run is no verdict"
    )
    add_data(parser)
    add_out(parser)
    parser.add_argument(
        "--resume",
        action="store_true",
        help="resume what was interrupted in the folder of --out; --trainer auto is then the trainer that it had",
    )
    add_engine(parser, default="local")
    add_trainer(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object per seed on standard output")
    parser.add_argument("--record", action="store_true", help="add the complete runs to the step's committed record")
    parser.add_argument(
        "--replace",
        action="store_true",
        help="with --record: replace the runs of the same seeds, or all if they were made with something else",
    )
    parser.add_argument(
        "--csv", type=parse_path, metavar="FILE", help="write the epochs of all runs to FILE, a row each"
    )
    parser.add_argument(
        "--tensorboard", type=parse_path, metavar="DIR", help="write the figures of each epoch to DIR, for TensorBoard"
    )
    parser.add_argument(
        "--profile",
        action="store_true",
        help="instead of training, profile a few steps and write the traces to profile/ in the folder of --out",
    )


def run(arguments: argparse.Namespace) -> int:
    """Train; 1 when a seed did not hold the goal that the step claims, 0 otherwise: runs cut short have no verdict.

    1 also when a native run is not that of the record, since that is a fault.
    Raises HarnessError if a run failed or was lost, after the others are printed and saved.
    """
    step = find(arguments.id)
    _check(step, arguments)
    if arguments.profile:
        return _profile(step, arguments)
    csv = output_file(Path(arguments.csv)) if arguments.csv else None
    runs: list[Run] = []
    faults: list[Run] = []
    with Failures() as failures:
        with failures.go_on():
            for run in _trained(step, arguments):
                if arguments.json:
                    print(json.dumps(_as_json(run)), flush=True)
                if run.failed is None:
                    runs.append(run)
                else:
                    failures.add(run.failed)
        if runs:
            runs.sort(key=lambda run: int(arguments.seeds.index(run.seed)))
            with failures.go_on():
                _write(csv, runs)
            with failures.go_on():
                if arguments.record:
                    update_texts()
            # What is printed comes last: nobody may read it.
            if not arguments.json:
                console().print(table(runs))
                print(verdict(runs))
            faults = [] if arguments.record else _differing(runs, sys.stderr if arguments.json else sys.stdout)
    missed = step.goal and any(run.complete and not run.held for run in runs)
    return 1 if faults or missed else 0


def _check(step: type[Step], arguments: argparse.Namespace) -> None:
    """Raise HarnessError for arguments that are each well-formed and make no sense together."""
    if arguments.epochs and arguments.epochs > step.recipe.epochs:
        raise HarnessError(f"--epochs {arguments.epochs} is more than the {step.recipe.epochs} of the recipe")
    if arguments.record and arguments.epochs:
        raise HarnessError("--record keeps complete runs only; leave out --epochs")
    if arguments.record:
        from harness.evidence import record, record_folder

        record.check_images(step)
        record_folder.check(step)
    if arguments.replace and not arguments.record:
        raise HarnessError("--replace is about the committed record; give --record as well")
    if arguments.profile:
        for name in [name for name in vars(arguments) if name not in ("id", "device", "out", "profile")]:
            if getattr(arguments, name) != arguments.parser.get_default(name):
                option = name.replace("_", "-")
                raise HarnessError(f"--profile takes a few steps and makes no run; leave out --{option}")


def _profile(step: type[Step], arguments: argparse.Namespace) -> int:
    """Profile a few training steps; print the operators and where the traces are."""
    from harness.benchmark.profiler import trace

    with foreign("its recipe", step.id):
        traces = trace(step, device_of(arguments.device), folder := Path(arguments.out) / "profile")
    print(traces.table)
    print(printable(f"for ui.perfetto.dev: {traces.perfetto}"))
    print(printable(f"for TensorBoard: tensorboard --logdir {folder}"))
    return 0


def _trained(step: type[Step], arguments: argparse.Namespace) -> Iterator[Run]:
    """Train the seeds and yield each finished run, shown and saved as the arguments ask.

    Whatever can be refused is refused before anything is trained; where a training resumes, it stops no other seed.
    """
    from harness.data import load
    from harness.evidence import record
    from harness.jobs import Request, Resumable, engine_of, find_resumable, run_jobs
    from harness.jobs.resume import trainer_left
    from harness.training.choice import choose

    seeds, folder, epochs = arguments.seeds, Path(arguments.out), arguments.epochs or step.recipe.epochs
    engine = engine_of(arguments.engine, arguments.device, arguments.ray_address)
    left = (
        trainer_left(step, seeds, folder, engine.device) if arguments.resume and arguments.trainer == "auto" else None
    )
    choice = choose(left or arguments.trainer, step, engine.device)
    request = Request(step, seeds, epochs, choice.name, folder)
    existing = find_resumable(request, engine) if arguments.resume else Resumable(request)
    with closing(existing):
        if arguments.record:
            _check_record(step, engine.provenance(step, choice.name), existing, arguments)
            check_texts()
        for line in existing.trained_anew():
            say(line)
        data = load(arguments.data)
        say(start_line(step, choice, engine))
        with display(epochs, len(seeds)) as shown:
            engine.on_steps, on_epoch = shown.on_steps, _with_scalars(arguments.tensorboard, shown.on_epoch)
            runs = run_jobs(existing, engine, data, on_epoch)
            yield from record.added(runs, replace=arguments.replace) if arguments.record else runs


def _with_scalars(folder: str | None, on_epoch: "OnEpoch") -> "OnEpoch":
    """What shows each epoch, and writes its figures to a folder for TensorBoard if there is one."""
    if folder is None:
        return on_epoch
    from harness.report.export import scalars

    write = scalars(Path(folder))

    def both(step: type[Step], seed: int, epoch: Epoch) -> None:
        on_epoch(step, seed, epoch)
        write(step, seed, epoch)

    return both


def _check_record(
    step: type[Step], provenance: Mapping[str, object], existing: "Resumable", arguments: argparse.Namespace
) -> None:
    """Refuse seeds whose runs could not be recorded, or say which others leave the record for those that replace it.

    Where the record cannot be read that may change until then: a line says so.
    """
    from harness.evidence import record

    try:
        if arguments.replace:
            if gone := record.dropped(step, provenance, arguments.seeds):
                which = f"seed{'s' if len(gone) > 1 else ''} {', '.join(map(str, gone))}"
                say(f"{step.id}: its record was made with something else; the runs of {which} leave it, too")
            return
        refused = record.refusals(step, provenance, existing.untrained())
    except HarnessError as error:
        say(f"{error}; until it is mended, runs stay in their run files")
        return
    if refused and not arguments.resume:
        raise HarnessError(next(iter(refused.values())))
    existing.refuse(refused)


def _write(csv: Path | None, runs: list[Run]) -> None:
    """Write the epochs of all runs to a file, if there is one."""
    if csv is not None:
        from harness import files
        from harness.report.export import csv_of

        files.write(csv, csv_of(runs).encode(), advice="name another file")


def _differing(runs: Sequence[Run], output: TextIO) -> list[Run]:
    """Print of each run that the record has too whether it is the same; the native runs that are not.

    Only runs that should be the same are compared: by the same trainer, and on the same machine if it matters.
    """
    from harness.evidence import record
    from harness.evidence.replica import difference, same
    from harness.provenance import device_type, differences, is_native

    faults = []
    recorded = {run.seed: run for run in record.runs(runs[0].step, device_type(runs[0].provenance))}
    for run in runs:
        then = recorded.get(run.seed)
        if then is None or differences(then.provenance, run.provenance):
            continue
        found = difference(then, run)
        words = same(then, found.epoch - 1 if found else len(run.epochs))
        if found and is_native(run.provenance):
            faults.append(run)
            words += (
                f"; {found}. The native trainer gives the same numbers everywhere: this is a fault, please report it"
            )
        elif found:
            words += f"; {found}. Eager torch depends on more than a record says: this is another run, and no fault"
        print(f"seed {run.seed} is in the record: {words}", file=output)
    return faults


def _as_json(run: Run) -> dict[str, object]:
    """A run as --json prints it; one that is not `complete` is no verdict."""
    return {"step": run.step.id, "held": run.held, "complete": run.complete, **run.as_json()}


def table(runs: list[Run]) -> Table:
    """The result, one line per seed: parameters, receptive field, final epochs, held or not, seconds."""
    step = runs[0].step
    result = bare_table(f"{step.id}: {step.title}")
    result.add_column("step", no_wrap=True)
    last, final = len(runs[0].epochs), len(runs[0].final)
    epochs = [f"epoch\n{number}" for number in range(last - final + 1, last + 1)]
    for name in ("seed", "parameters", "RF", *epochs, "held", "seconds"):
        result.add_column(name, justify="right", no_wrap=True)
    for run in runs:
        result.add_row(
            step.id,
            str(run.seed),
            f"{step.parameters:,}",
            str(step.receptive_field),
            *(f"{accuracy:.2f}" for accuracy in run.final),
            ("yes" if run.held else "no") if run.complete else "-",
            f"{sum(epoch.seconds for epoch in run.epochs):.0f}",
        )
    return result
