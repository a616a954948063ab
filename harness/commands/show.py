"""Print the specification of a step, or list the steps."""

import argparse
from dataclasses import asdict, fields

from rich.console import Console
from rich.text import Text

from harness.commands.console import console, summary, table
from harness.ladder import find, steps
from harness.step import GOAL, Step


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb `show`."""
    parser.add_argument("id", metavar="ID", nargs="?", help="a step, such as five_steps/step3 (default: list them all)")


def run(arguments: argparse.Namespace) -> int:
    """Print one specification, or one line a step."""
    if arguments.id is None:
        for step in steps().values():
            print(f"{step.id:<28}{step.parameters:>10,}  {step.title}")
    else:
        show(find(arguments.id), console())
    return 0


def show(step: type[Step], out: Console) -> None:
    """Print title, prose, what became of the claims, recipe, what changed since the step before, and layers."""
    from harness.claims import verdicts
    from harness.evidence.facts import difference
    from harness.receptive_field import receptive_field

    document = step.document()
    out.print(Text.assemble((step.id, "bold"), f": {step.title}\n"))
    for name, text in asdict(document).items():
        if text:
            out.print(Text.assemble((name.title(), "bold"), f"\n{text}\n"))
    if found := verdicts(step):
        out.print(Text("Claims", "bold"))
        for claim, verdict in found.items():
            out.print(f"{verdict.word}: {claim} ({verdict.evidence})")
        out.print()
    out.print(Text.assemble(("Goal", "bold"), f"\n{goal(step)}\n"))
    out.print(Text("Recipe", "bold"))
    for setting in fields(step.recipe):
        out.print(f"{setting.name}: {getattr(step.recipe, setting.name)}")
    if step.follows is not None:
        out.print(Text(f"\nChanged since {step.follows}", "bold"))
        for line in difference(find(step.follows), step):
            out.print(line)
    out.print()
    field = receptive_field(step.model())
    out.print(table(field))
    out.print(summary(field))


def goal(step: type[Step]) -> str:
    """What the step claims of the goal, in words."""
    if step.goal:
        return f"holds {GOAL:.2f} % test accuracy in each of its final {step.final_epochs} epochs, for every seed"
    return f"does not claim to hold {GOAL:.2f} %"
