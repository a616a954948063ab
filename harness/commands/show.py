"""Print the specification of a step, or list the steps."""

import argparse
from dataclasses import asdict

from rich.console import Console
from rich.text import Text

from harness.commands import fields
from harness.commands.console import console, say_stale
from harness.discovery import find, none_yet, steps
from harness.errors import foreign_call
from harness.escape import printable
from harness.step import GOAL, Step


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb `show`."""
    parser.add_argument("id", metavar="ID", nargs="?", help="a step, such as five_steps/step3 (default: list them all)")


def run(arguments: argparse.Namespace) -> int:
    """Print one specification, or one line per step."""
    if arguments.id is None:
        if not (found := steps()):
            raise none_yet()
        for step in found.values():
            print(printable(f"{step.id:<28}{step.parameters:>10,}  {step.title}"))
    else:
        _show(step := find(arguments.id), console())
        say_stale(step)
    return 0


def _show(step: type[Step], out: Console) -> None:
    """Print title, prose, claims with their verdicts, goal, recipe, changes since the step before, and layers."""
    from harness.claims import verdicts
    from harness.evidence.facts import difference, settings
    from harness.evidence.summary import measured
    from harness.receptive_field import receptive_field

    out.print(Text.assemble((step.id, "bold"), f": {printable(step.title)}\n"))
    is_variant = "@" in step.id  # whose prose, and the figures and claims in it, are of the step that it varies
    prose = {"measured": measured(step)} if is_variant else asdict(step.document())
    for name, text in prose.items():
        if text:
            _section(out, name.title(), text)
    if not is_variant and (found := verdicts(step)):
        _section(out, "Claims", *(f"{verdict.word}: {claim} ({verdict.evidence})" for claim, verdict in found.items()))
    _section(out, "Goal", _goal(step))
    _section(out, "Recipe", *settings(step), _loss(step))
    if step.variants:
        _section(out, "Variants", *(f"{step.id}@{name}: {change}" for name, change in step.variants.items()))
    if step.follows is not None:
        _section(out, f"Changed since {step.follows}", *(difference(find(step.follows), step) or ["nothing"]))
    network = step.network()
    with foreign_call("its forward pass", step.id):
        field = receptive_field(network)
    out.print(fields.table(field))
    out.print(fields.summary(field))


def _section(out: Console, title: str, *lines: object) -> None:
    out.print(Text(title, "bold"))
    for line in lines:
        out.print(line)
    out.print()


def _loss(step: type[Step]) -> str:
    """The line that says what the network returns and so which loss it is trained with."""
    import torch

    from harness.training.network import check_output

    output = check_output(step.id, step.network(), torch.device("cpu"))
    return f"loss: {'cross-entropy' if output == 'logits' else 'negative log-likelihood'}, of the {output} it returns"


def _goal(step: type[Step]) -> str:
    if step.goal:
        return (
            f"claims to hold {GOAL:.2f} % test accuracy in each of its final {step.final_epochs} epochs, for every seed"
        )
    return f"does not claim to hold {GOAL:.2f} %"
