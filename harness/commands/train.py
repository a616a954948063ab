"""Train a step with some seeds and say whether it held the goal."""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from harness.commands.console import console, display
from harness.errors import HarnessError
from harness.ladder import find
from harness.run import Run, run_of
from harness.step import GOAL, Step


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb `train`."""
    parser.add_argument("id", metavar="ID", help="a step, such as five_steps/step5")
    parser.add_argument("--seeds", nargs="+", type=_seed, default=[0], metavar="N", help="default: 0")
    parser.add_argument("--device", default="auto", help="auto (default: CUDA if there is one), cpu, cuda or cuda:N")
    parser.add_argument("--epochs", type=_epochs, metavar="N", help="stop after N epochs; such a run is no verdict")
    parser.add_argument("--data", metavar="DIR", help="folder with the MNIST files (default: MNIST_DIR, cache, fetch)")
    parser.add_argument("--out", default="runs", metavar="DIR", help="folder for the run files (default: runs)")
    parser.add_argument("--resume", action="store_true", help="go on with what was interrupted in the folder of --out")
    parser.add_argument(
        "--engine",
        choices=["local", "processes", "ray"],
        default="local",
        help="where to train: in this process (default), in one for each core or GPU, or on a Ray cluster",
    )
    parser.add_argument("--ray-address", metavar="HOST:PORT", help="a Ray cluster (default: one is started here)")
    parser.add_argument("--json", action="store_true", help="one JSON object a seed on standard output")
    parser.add_argument("--record", action="store_true", help="add the complete runs to the step's committed record")
    parser.add_argument(
        "--replace",
        action="store_true",
        help="with --record: take the place of the same seeds, or of all runs if they were made with something else",
    )
    parser.add_argument(
        "--profile",
        metavar="DIR",
        nargs="?",
        const="runs/profile",
        help="instead of training, profile a few steps and write the traces to DIR (default: runs/profile)",
    )


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**63:
        raise argparse.ArgumentTypeError(f"{text!r} is not a seed; give whole numbers of 0 or more")
    return int(text)


def _epochs(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)


def run(arguments: argparse.Namespace) -> int:
    """Train; 0 when every seed held the goal or the step claims none, 1 when not.

    Raises HarnessError if a run failed or was lost, after those that did not are printed and kept.
    """
    step = find(arguments.id)
    check(step, arguments)
    if arguments.profile:
        return profile(step, arguments)
    histories: list[Run] = []
    errors = []
    try:
        for history in trained(step, arguments):
            if arguments.json:
                print(json.dumps(as_json(history)), flush=True)
            if history.failed is None:
                histories.append(history)
            else:
                errors.append(history.failed)
    except HarnessError as error:
        errors.append(str(error))
    if histories:
        histories.sort(key=lambda history: int(arguments.seeds.index(history.seed)))
        conclude(histories, arguments)
    if errors:
        raise HarnessError("; ".join(errors))
    return 0 if not step.goal or all(history.held for history in histories) else 1


def conclude(histories: list[Run], arguments: argparse.Namespace) -> None:
    """Print the table and the verdict, and bring the texts up to the records, as far as the arguments ask for it."""
    if not arguments.json:
        console().print(table(histories))
        print(verdict(histories))
    if arguments.record:
        bring_up_to_date()


def bring_up_to_date() -> None:
    """Write what the records now say into specs and README; the files are named on standard error."""
    from harness.report import rewrite

    for path in rewrite():
        print(f"wrote {path}", file=sys.stderr)


def check(step: type[Step], arguments: argparse.Namespace) -> None:
    """Raise HarnessError for arguments that are each well-formed and make no sense together."""
    if len(set(arguments.seeds)) < len(arguments.seeds):
        raise HarnessError("a seed is given twice; each seed counts once")
    if arguments.epochs and arguments.epochs > step.recipe.epochs:
        raise HarnessError(f"--epochs {arguments.epochs} is more than the {step.recipe.epochs} of the recipe")
    if arguments.record and arguments.epochs:
        raise HarnessError("--record keeps complete runs only; leave out --epochs")
    if arguments.replace and not arguments.record:
        raise HarnessError("--replace is about the committed record; give --record as well")
    if arguments.record and arguments.profile:
        raise HarnessError("--profile trains a few steps and keeps no record; leave out --record")


def trained(step: type[Step], arguments: argparse.Namespace) -> "Iterator[Run]":
    """Train the seeds, shown and kept as the arguments say; what can be refused is so at once."""
    from harness.data import load
    from harness.evidence import record
    from harness.jobs import engine_of
    from harness.jobs.dispatch import run_jobs
    from harness.jobs.resume import Resumable, find_resumable

    engine = engine_of(arguments.engine, arguments.device, arguments.ray_address)
    folder = Path(arguments.out)
    epochs = arguments.epochs or step.recipe.epochs
    there = (
        find_resumable(step, arguments.seeds, folder, epochs, engine)
        if arguments.resume
        else Resumable(arguments.seeds)
    )
    if arguments.record and not arguments.replace:
        record.check(step, engine.provenance(step), there.rest)
    data = load(arguments.data)
    with display(len(arguments.seeds) * epochs) as on_epoch:
        for history in run_jobs(step, there, engine, folder=folder, data=data, epochs=epochs, on_epoch=on_epoch):
            if arguments.record and history.failed is None:
                record.add(step, dict(history.provenance), run_of(history), replace=arguments.replace)
            yield history


def profile(step: type[Step], arguments: argparse.Namespace) -> int:
    """Profile a few training steps; print the operators and where the traces are."""
    from harness.benchmark.profiler import trace
    from harness.device import device_of

    made = trace(step, device_of(arguments.device), Path(arguments.profile))
    print(made.table)
    print(f"for ui.perfetto.dev: {made.perfetto}")
    print(f"for TensorBoard: tensorboard --logdir {arguments.profile}")
    return 0


def as_json(history: Run) -> dict[str, object]:
    """A run as the command line gives it; `complete` tells a verdict from a shortened run."""
    return {"step": history.step.id, "held": history.held, "complete": history.complete, **run_of(history)}


def table(histories: "list[Run]") -> Table:
    """The result, a line a seed: parameters, receptive field, final epochs, held or not, seconds."""
    step = histories[0].step
    title = f"{step.id}: {step.title}"
    result = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    result.add_column("step", no_wrap=True)
    last, final = len(histories[0].epochs), len(histories[0].final)
    epochs = [f"epoch\n{number}" for number in range(last - final + 1, last + 1)]
    for name in ("seed", "parameters", "RF", *epochs, "held", "seconds"):
        result.add_column(name, justify="right", no_wrap=True)
    for history in histories:
        result.add_row(
            step.id,
            str(history.seed),
            f"{step.parameters:,}",
            str(step.receptive_field),
            *(f"{accuracy:.2f}" for accuracy in history.final),
            ("yes" if history.held else "no") if history.complete else "-",
            f"{sum(epoch.seconds for epoch in history.epochs):.0f}",
        )
    return result


def verdict(histories: "list[Run]") -> str:
    """The sentences under the table: how many held, how many the record lets expect, and what a miss means."""
    step, n = histories[0].step, len(histories)
    if not all(history.complete for history in histories):
        return f"No verdict: shortened to {len(histories[0].epochs)} of {step.recipe.epochs} epochs."
    held = sum(history.held for history in histories)
    sentences = [
        f"{GOAL:.2f} % held over the final {step.final_epochs} epochs by "
        f"{_share(held, n, 'seed', histories[0].provenance)}."
    ]
    if not step.goal:
        sentences.append(f"The step does not claim to hold {GOAL:.2f} %.")
    else:
        sentences.append(expectation(step))
        if held < n:
            seeds = " ".join(str(max(history.seed for history in histories) + more) for more in range(1, 6))
            sentences.append(
                "A seed is another run on another kind of CPU or with more threads, so one miss does not refute the "
                f"step; five more runs tell: python -m harness train {step.id} --seeds {seeds}"
            )
    return "\n".join(sentences)


def expectation(step: type[Step]) -> str:
    """How likely a run of a step is to hold the goal, by its record."""
    from harness.evidence import record, summary
    from harness.evidence.statistics import LEAST_RUNS, chance_below
    from harness.run import holds

    found, final = record.read(step), summary.final_accuracies(step)
    if found is None or len(final) < LEAST_RUNS:
        return f"Its record has fewer than {LEAST_RUNS} runs, too few to say how likely that is."
    miss = chance_below([min(run) for run in final], GOAL)
    often = f"about 1 run in {1 / miss:,.0f} misses" if miss >= 0.001 else "fewer than 1 run in 1,000 misses"
    return f"By its record {often}: {_share(sum(map(holds, final)), len(final), 'run', found['provenance'])} held it."


def _share(held: int, n: int, what: str, provenance: Mapping[str, Any]) -> str:
    """How many held, with the exact interval for their share, and the machine."""
    from harness.evidence.statistics import binomial_interval

    low, high = binomial_interval(held, n)
    threads = provenance.get("threads")
    where = [str(provenance["hardware"])] if "hardware" in provenance else []
    where += [f"{threads} thread{'s' if threads > 1 else ''}"] if threads else []
    return (
        f"{held} of {n} {what}{'s' if n > 1 else ''} (95 % interval for one to hold: "
        f"{100 * low:.0f} to {100 * high:.0f} %{''.join(f', {place}' for place in where)})"
    )
