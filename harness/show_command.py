"""Print the specification of a step, or list the steps."""

import argparse
import sys
from dataclasses import fields

from rich.console import Console
from rich.markup import escape

from harness import field_command
from harness.step import StepSpec, find, steps

WIDTH = 120  # of what is printed to a file or a pipe


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb `show`."""
    parser.add_argument("id", metavar="ID", nargs="?", help="a step, such as five_steps/step3 (default: list them all)")


def run(arguments: argparse.Namespace) -> int:
    """Print one specification, or one line a step."""
    if arguments.id is None:
        for step in steps().values():
            print(f"{step.id:<28}{step.parameters:>10,}  {step.title}")
    else:
        show(find(arguments.id), Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH))
    return 0


def show(step: type[StepSpec], console: Console) -> None:
    """Print the title, the prose, the recipe, what changed since the step before, and the layers."""
    from harness.difference import difference
    from harness.receptive_field import receptive_field

    document = step.document()
    console.print(f"[bold]{step.id}[/bold]: {escape(step.title)}\n")
    for name, text in (("Target", document.target), ("Result", document.result), ("Analysis", document.analysis)):
        console.print(f"[bold]{name}[/bold]\n{escape(text)}\n")
    console.print(f"[bold]Goal[/bold]\n{goal(step)}\n")
    console.print("[bold]Recipe[/bold]")
    for setting in fields(step.recipe):
        console.print(f"{setting.name}: {escape(str(getattr(step.recipe, setting.name)))}")
    if step.follows is not None:
        console.print(f"\n[bold]Changed since {step.follows}[/bold]")
        for line in difference(find(step.follows), step):
            console.print(escape(line))
    console.print()
    field = receptive_field(step.model())
    console.print(field_command.table(field))
    console.print(field_command.summary(field))


def goal(step: type[StepSpec]) -> str:
    """What the step claims of the goal, in words."""
    from harness.stats import GOAL

    if step.goal:
        return f"holds {GOAL:.2f} % test accuracy in each of its final {step.final_epochs} epochs, for every seed"
    return f"does not claim to hold {GOAL:.2f} %"
