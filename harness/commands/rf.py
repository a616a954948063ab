"""Print the receptive field of a step or of any other model, layer by layer."""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import json
from typing import TYPE_CHECKING, Any

from harness.commands.arguments import parse_positive
from harness.commands.console import console, summary, table
from harness.errors import HarnessError
from harness.ladder import find, nearest, steps

if TYPE_CHECKING:
    from torch import nn

    from harness.receptive_field import ReceptiveField


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb `rf`."""
    parser.add_argument("model", metavar="MODEL", help="a step id, or a callable such as torchvision.models.resnet18")
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
    from harness.receptive_field import receptive_field

    model, size = _model(arguments.model), tuple(arguments.input_size)
    field = receptive_field(model, size, arguments.at, strict=not arguments.any_stride)
    if arguments.json:
        asked = {"model": arguments.model, "input_size": arguments.input_size, "at": arguments.at}
        print(json.dumps(asked | _as_json(field), indent=2))
    else:
        out = console()
        out.print(table(field))
        out.print(summary(field))
    return 0


def _model(name: str) -> nn.Module:
    from torch import nn

    factory = find(name).model if "/" in name else _imported(name)
    try:
        model = factory if isinstance(factory, nn.Module) else factory()
    except TypeError as error:
        raise HarnessError(f"{name} cannot be called without arguments: {_first_line(error)}") from error
    except (Exception, SystemExit) as error:
        raise HarnessError(f"{name} cannot be built: {type(error).__name__}: {_first_line(error)}") from error
    if not isinstance(model, nn.Module):
        raise HarnessError(f"{name} gives {type(model).__name__}, which is not a torch.nn.Module")
    return model


def _imported(name: str) -> Any:
    """The callable of that dotted name. The ladders are not imported for it: one broken spec would be in its way."""
    path, _, attribute = name.rpartition(".")
    if not path:
        raise HarnessError(f"no step and no importable callable is named {name!r}; {nearest(name, list(steps()))}")
    if not all(part.isidentifier() for part in name.split(".")):
        raise HarnessError(f"{name!r} is neither a step nor a dotted name such as torchvision.models.resnet18")
    try:
        module = importlib.import_module(path)
        found = getattr(module, attribute, None)
    except (Exception, SystemExit) as error:
        reason = f"{type(error).__name__}: {_first_line(error)}" if not isinstance(error, ImportError) else error
        raise HarnessError(f"{name!r} is not a step, and {path!r} cannot be imported: {reason}") from error
    if not callable(found):
        raise HarnessError(f"{path} has no callable {attribute!r}; {nearest(attribute, dir(module))}")
    return found


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "")


def _as_json(field: ReceptiveField) -> dict[str, Any]:
    """The fields of an analysis in JSON's types: a fraction becomes a string such as "1/2"."""
    names = ("size", "stride", "padding", "used", "holes", "is_global", "aligned", "shift_variant", "shape")
    layers = [{key: _plain(value) for key, value in dataclasses.asdict(layer).items()} for layer in field.layers]
    return {**{name: _plain(getattr(field, name)) for name in names}, "layers": layers}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)
