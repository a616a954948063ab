"""Print the receptive field of a step or of any other model, layer by layer."""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import importlib
import json
from typing import TYPE_CHECKING, Any

from harness.commands.console import summary, table
from harness.errors import HarnessError

if TYPE_CHECKING:
    from harness.receptive_field import ReceptiveField


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb `rf`."""
    parser.add_argument("model", metavar="MODEL", help="a step id, or a callable such as torchvision.models.resnet18")
    parser.add_argument(
        "--input-size",
        nargs="+",
        type=int,
        default=[1, 28, 28],
        metavar="N",
        help="channels, rows and columns (default: 1 28 28)",
    )
    parser.add_argument("--at", metavar="NODE", help="a module path or a name of the table (default: the output)")
    parser.add_argument("--any-stride", action="store_true", help="accept paths of different strides that meet")
    parser.add_argument("--json", action="store_true", help="print the fields as JSON")


def run(args: argparse.Namespace) -> int:
    """Print the table, or the fields as JSON."""
    from harness.commands.console import console
    from harness.receptive_field import receptive_field

    field = receptive_field(build(args.model), tuple(args.input_size), args.at, strict=not args.any_stride)
    if args.json:
        print(json.dumps(as_json(args.model, tuple(args.input_size), args.at, field), indent=2))
    else:
        out = console()
        out.print(table(field))
        out.print(summary(field))
    return 0


def build(name: str) -> Any:
    """The model of a step, or what an importable callable makes.

    Raises:
        HarnessError: there is no such step or callable, or it gives no module.

    """
    from torch import nn

    try:
        model = _factory(name)()
    except TypeError as error:
        raise HarnessError(f"{name} cannot be called without arguments: {error}") from error
    if not isinstance(model, nn.Module):
        raise HarnessError(f"{name} gives {type(model).__name__}, which is not a torch.nn.Module")
    return model


def _factory(name: str) -> Any:
    from harness.ladder import steps

    known = steps()
    if name in known:
        return known[name].model
    path, _, attribute = name.rpartition(".")
    if "/" in name or not path:
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.0)
        raise HarnessError(f"no step and no importable callable is named {name!r}; steps near it: {', '.join(near)}")
    try:
        module = importlib.import_module(path)
    except (ImportError, ValueError) as error:
        raise HarnessError(f"{name!r} is not a step, and {path!r} cannot be imported: {error}") from error
    found = getattr(module, attribute, None)
    if not callable(found):
        near = difflib.get_close_matches(attribute, dir(module), n=3, cutoff=0.4) or ["none"]
        raise HarnessError(f"{path} has no callable {attribute!r}; near it: {', '.join(near)}")
    return found


def as_json(model: str, input_size: tuple[int, ...], at: str | None, field: ReceptiveField) -> dict[str, Any]:
    """The fields of an analysis as what JSON can say: a fraction is a string such as "1/2"."""
    names = ("size", "stride", "padding", "used", "holes", "is_global", "aligned", "shift_variant", "shape")
    found = {name: _plain(getattr(field, name)) for name in names}
    rows = [{key: _plain(entry) for key, entry in dataclasses.asdict(row).items()} for row in field.layers]
    return {"model": model, "input_size": list(input_size), "at": at, **found, "layers": rows}


def _plain(entry: Any) -> Any:
    if isinstance(entry, tuple):
        return [_plain(part) for part in entry]
    return entry if entry is None or isinstance(entry, (bool, int, str)) else str(entry)
