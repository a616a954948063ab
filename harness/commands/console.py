"""What the verbs print: to a console of the right width, epochs as they end, and receptive fields as tables."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from harness.run import Epoch, epoch_line
from harness.step import Step

if TYPE_CHECKING:
    from harness.evidence.statistics import Interval
    from harness.receptive_field import ReceptiveField
    from harness.training import OnEpoch


def console() -> Console:
    """Standard output, as wide as its terminal; 120 columns in a file or a pipe, where rich would cut at 80.

    Text is printed verbatim: brackets and colons in a name are no mark-up.
    """
    return Console(highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else 120)


def bare_table(title: str | None = None) -> Table:
    """An empty table with a line under its head and no frame."""
    return Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)


def chance(share: Interval) -> str:
    """The interval for the share of runs that hold, in words."""
    return f"95 % interval for one to hold: {100 * share.low:.0f} to {100 * share.high:.0f} %"


def print_epoch(step: type[Step], seed: int, epoch: Epoch) -> None:
    """Print one line per epoch on standard error."""
    print(epoch_line(step, seed, epoch), file=sys.stderr, flush=True)


@contextmanager
def display(epochs: int) -> Iterator[OnEpoch]:
    """Show each epoch on standard error: plain lines, and on a terminal a bar over all epochs of all seeds below."""
    if not sys.stderr.isatty():
        yield print_epoch
        return
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} epochs"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        redirect_stdout=sys.stdout.isatty(),  # by default rich diverts even a file or a pipe to the terminal
        redirect_stderr=False,
    )
    bar = progress.add_task("training", total=epochs)

    def on_epoch(step: type[Step], seed: int, epoch: Epoch) -> None:
        progress.advance(bar)
        progress.console.print(epoch_line(step, seed, epoch), highlight=False)

    with progress:
        yield on_epoch


def table(field: ReceptiveField) -> Table:
    """One row per layer; numbers that are the same for all axes are shown once."""
    result = Table(box=None, padding=(0, 1, 0, 0))
    for column in ("layer", "operation"):
        result.add_column(column, no_wrap=True)
    numbers = ("n_in", "kernel", "padding", "stride", "n_out", "jump_in", "jump_out", "rf_in", "rf_out")
    for column in numbers:
        result.add_column(column.replace("_", "\n"), justify="right", no_wrap=True)
    for row in field.layers:
        result.add_row(row.name, row.operation, *(_per_axis(getattr(row, column)) for column in numbers))
    return result


def summary(field: ReceptiveField) -> str:
    """The numbers in words, then whatever is unusual about the field."""
    size, stride, padding = map(_per_axis, (field.size, field.stride, field.padding))
    remarks = {
        "reads the whole image along a global path": field.is_global,
        "paths with different centres meet": not field.aligned,
        "units differ by more than a shift": field.shift_variant,
        f"{field.holes:,} pixels inside the field are never read": field.holes,
    }
    unusual = [remark for remark, applies in remarks.items() if applies]
    return "; ".join([f"size {size}, stride {stride}, padding {padding} pixels", *unusual])


def _per_axis(numbers: tuple[Any, ...]) -> str:
    texts = ["-" if number is None else str(number) for number in numbers]
    return texts[0] if len(set(texts)) == 1 else " x ".join(texts)


def field_as_json(field: ReceptiveField) -> dict[str, Any]:
    """The fields of an analysis in JSON's types: a fraction becomes a string such as "1/2"."""
    names = ("size", "stride", "padding", "used", "holes", "is_global", "aligned", "shift_variant", "shape")
    layers = [{key: _plain(value) for key, value in asdict(layer).items()} for layer in field.layers]
    return {**{name: _plain(getattr(field, name)) for name in names}, "layers": layers}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)
