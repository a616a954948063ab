"""Check any network: its layers, parameters and field, what to remark, and whether it holds a goal."""

from __future__ import annotations

import argparse
import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.argument_types import parse_positive
from harness.commands import reviews
from harness.commands.arguments import add_data, add_device, add_seeds, add_trainer
from harness.commands.console import bare_table, chance, console, display, say, start_line
from harness.discovery import find
from harness.errors import Failures, HarnessError, foreign_call, nearest
from harness.recipe import Recipe
from harness.recipe.named import NAMED
from harness.run import Epoch, Run, finite
from harness.step import GOAL, Step

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from harness.review import Review


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb `check`."""
    parser.add_argument(
        "target", metavar="TARGET", help="file.py:Class, notebook.ipynb:Class, package.module:Class or the id of a step"
    )
    parser.add_argument("--parameters", type=parse_positive, metavar="N", help="the limit: more to train is status 1")
    parser.add_argument("--train", action="store_true", help="train it too, and judge whether it holds the goal")
    parser.add_argument(
        "--recipe",
        default="one-cycle",
        metavar="RECIPE",
        help=f"how to train it: {', '.join(NAMED)}, file.py:NAME or the id of a step (default: one-cycle)",
    )
    add_seeds(parser)
    parser.add_argument("--epochs", type=parse_positive, metavar="N", help="train for N epochs instead of the recipe's")
    parser.add_argument("--goal", type=_percent, metavar="X", help=f"test accuracy in percent (default: {GOAL:.2f})")
    add_device(parser)
    add_data(parser)
    add_trainer(parser)
    parser.add_argument("--json", action="store_true", help="print everything as JSON")


def _percent(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is not a percentage above 0 and up to 100")
    return value


def run(arguments: argparse.Namespace) -> int:
    """Print the review, train if asked to; 1 if the network breaks a limit or a run misses the goal, else 0.

    Raises HarnessError if a run failed or the network cannot be trained, and KeyboardInterrupt if it is interrupted,
    after the rest is printed.
    """
    from harness.review import load, review

    if not arguments.train:
        for name in ("data", "device", "epochs", "goal", "recipe", "seeds", "trainer"):
            if getattr(arguments, name) != arguments.parser.get_default(name):
                raise HarnessError(f"--{name} is about training; give --train as well")
    arguments.goal = GOAL if arguments.goal is None else arguments.goal
    build = load(arguments.target)
    recipe = _recipe(arguments)  # before anything is printed, since it may be wrong
    with foreign_call("it", arguments.target):
        found = review(build())
    within = arguments.parameters is None or found.parameters <= arguments.parameters
    step = _step(arguments.target, build, recipe, found)
    returned, refused = _returned(step)
    if not arguments.json:
        reviews.show(found, returned, arguments.target, arguments.parameters)
    runs: list[Run] = []
    with Failures([refused] if refused else []) as failures:
        try:
            if arguments.train and not refused:
                _train(step, arguments, runs, failures)
        finally:
            held = [min(run.final) >= arguments.goal for run in runs]
            if arguments.json:
                about = {
                    "returns": returned,
                    "validation": recipe.validation,
                    **reviews.as_json(found, arguments.target, arguments.parameters),
                    "goal": arguments.goal,
                    "runs": [{"held": did, **run.as_json()} for run, did in zip(runs, held, strict=True)],
                }
                print(json.dumps(about, indent=2))
            elif runs:
                _print_runs(runs, held, arguments.goal)
    return 0 if within and all(held) else 1


def _recipe(arguments: argparse.Namespace) -> Recipe:
    """The recipe that the arguments name, with their number of epochs."""
    from harness.review.target import is_file, parted, value_in

    name = arguments.recipe
    path, attribute = parted(name)
    if name in NAMED:
        recipe: Any = NAMED[name]
    elif attribute and is_file(path):
        recipe = value_in(Path(path), attribute)
    elif "/" in name:
        recipe = find(name).recipe
    else:
        raise HarnessError(f"no recipe is named {name!r}; {nearest(name, list(NAMED))}, or give file.py:NAME")
    if not isinstance(recipe, Recipe):
        raise HarnessError(f"{name} is {type(recipe).__name__}, and no harness.Recipe")
    return replace(recipe, epochs=arguments.epochs) if arguments.epochs else recipe


def _step(target: str, build: Callable[[], nn.Module], recipe: Recipe, found: Review) -> type[Step]:
    """The network with the recipe as a step, which is in no ladder."""
    own = {"__module__": __name__, "model": staticmethod(build), "parameters": found.parameters, "recipe": recipe}
    step: type[Step] = type("Checked", (Step,), own)
    step.id = step.title = target
    return step


def _returned(step: type[Step]) -> tuple[str, str]:
    """What the network returns, in words: log-probabilities, logits, or nothing to train with; and why, or nothing."""
    import torch

    from harness.training.network import check_output

    try:
        with warnings.catch_warnings(action="ignore"):  # the remarks have them
            kind = check_output(step.id, step.network(), torch.device("cpu"))
    except HarnessError as error:
        return f"nothing to train with: {error}", str(error)
    return "logits, which are trained with cross-entropy" if kind == "logits" else kind, ""


def _train(step: type[Step], arguments: argparse.Namespace, runs: list[Run], failures: Failures) -> None:
    """Train the seeds, shown as they are trained, and add each finished run, or what is wrong with it."""
    from harness.data import load
    from harness.jobs import engine_of
    from harness.training.choice import choose
    from harness.training.train import train_one

    engine = engine_of("local", arguments.device)
    choice = choose(arguments.trainer, step, engine.device)
    data = load(arguments.data).to(engine.device)
    say(start_line(step, choice, engine))
    with display(step.recipe.epochs, len(arguments.seeds)) as shown:
        for seed in arguments.seeds:
            epochs: list[Epoch] = []
            with failures.go_on():
                for outcome in train_one(step, seed, data, choice.name, on_steps=shown.on_steps):
                    epochs.append(finite(outcome))
                    shown.on_epoch(step, seed, epochs[-1])
                runs.append(Run(step, seed, tuple(epochs)))


def _print_runs(runs: list[Run], held: list[bool], goal: float) -> None:
    from harness.evidence.statistics import binomial_interval

    result = bare_table()
    for name in ("seed", *(f"epoch {epoch.epoch}" for epoch in runs[0].epochs[-len(runs[0].final) :]), "held"):
        result.add_column(name, justify="right", no_wrap=True)
    for run, did in zip(runs, held, strict=True):
        result.add_row(str(run.seed), *(f"{accuracy:.2f}" for accuracy in run.final), "yes" if did else "no")
    console().print(result)
    share, n = binomial_interval(sum(held), len(held)), len(runs[0].final)
    images = " of the images held out" if runs[0].step.recipe.validation > 0 else ""
    epochs = f"each of the last {n} epochs" if n > 1 else "the last epoch"
    seeds = f"seed{'s' if len(held) > 1 else ''}"
    print(f"{goal:.2f} %{images} held in {epochs} by {sum(held)} of {len(held)} {seeds} ({chance(share)})")
