"""Print the receptive field of a step or of any other model, layer by layer."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from harness.argument_types import parse_positive
from harness.commands import fields
from harness.commands.console import console
from harness.discovery import steps
from harness.errors import HarnessError, foreign_call, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb `rf`."""
    parser.add_argument(
        "model",
        metavar="MODEL",
        help="a step id, file.py:Class, notebook.ipynb:Class, or a callable such as torchvision.models.resnet18",
    )
    parser.add_argument(
        "--input-size",
        nargs="+",
        type=parse_positive,
        default=[1, 28, 28],
        metavar="N",
        help="channels, rows and columns (default: 1 28 28)",
    )
    parser.add_argument("--at", metavar="NODE", help="a module path or a name of the table (default: the output)")
    parser.add_argument("--any-stride", action="store_true", help="accept paths of different strides that meet")
    parser.add_argument("--json", action="store_true", help="print the fields as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print the table, or the fields as JSON."""
    from harness.receptive_field import JumpMismatchError, receptive_field

    size = tuple(arguments.input_size)
    model = _model(arguments.model, size)
    try:
        with foreign_call("its forward pass", arguments.model):
            field = receptive_field(model, size, arguments.at, strict=not arguments.any_stride)
    except JumpMismatchError as error:
        what = str(error).partition(";")[0]
        raise HarnessError(f"{what}; give --any-stride to accept that") from error
    if arguments.json:
        asked = {"model": arguments.model, "input_size": arguments.input_size, "at": arguments.at}
        print(json.dumps(asked | fields.as_json(field), indent=2))
    else:
        out = console()
        out.print(fields.table(field))
        out.print(fields.summary(field))
    return 0


def _model(name: str, image: Sequence[int]) -> nn.Module:
    from torch import nn

    from harness.review import load
    from harness.review.target import builder, imported, is_file

    if ":" in name or "/" in name or is_file(name):
        return load(name, image)()
    # The ladders are not imported for a dotted name: one broken spec would be in its way.
    path, _, attribute = name.rpartition(".")
    if not path:
        raise HarnessError(f"no step and no importable callable is named {name!r}; {nearest(name, list(steps()))}")
    if not all(part.isidentifier() for part in name.split(".")):
        raise HarnessError(f"{name!r} is neither a step nor a dotted name such as torchvision.models.resnet18")
    found = imported(path, attribute)
    return found if isinstance(found, nn.Module) else builder(found, name, image=image)()
