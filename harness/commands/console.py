"""Where the verbs print their tables."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from harness.run import Epoch, epoch_line
from harness.step import Step

if TYPE_CHECKING:
    from harness.receptive_field import ReceptiveField
    from harness.training import OnEpoch


def console() -> Console:
    """Standard output, as wide as its terminal; 120 columns in a file or a pipe, where rich would cut at 80.

    What is printed is shown as it is: brackets and colons in a name are no mark-up.
    """
    return Console(highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else 120)


def display(epochs: int) -> AbstractContextManager[OnEpoch]:
    """Something that shows each epoch on standard error: live on a terminal, plain lines elsewhere."""
    return _Live(epochs) if sys.stderr.isatty() else nullcontext(plain)


def plain(step: type[Step], seed: int, epoch: Epoch) -> None:
    """One line an epoch."""
    print(epoch_line(step, seed, epoch), file=sys.stderr, flush=True)


class _Live(Progress):
    """A line an epoch, and under them a bar over all epochs of all seeds with the time left."""

    def __init__(self, total: int) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total} epochs"))
        # Unless told otherwise, rich would take what is printed to a file or a pipe and send it to the terminal.
        redirect = sys.stdout.isatty()
        super().__init__(
            *columns,
            TimeRemainingColumn(),
            console=Console(stderr=True),
            redirect_stdout=redirect,
            redirect_stderr=False,
        )
        self._all = self.add_task("training", total=total)

    def __enter__(self) -> OnEpoch:  # type: ignore[override]  # what it shows is told through a function
        super().__enter__()
        return self._tell

    def _tell(self, step: type[Step], seed: int, epoch: Epoch) -> None:
        self.update(self._all, advance=1)
        self.console.print(epoch_line(step, seed, epoch), highlight=False)


def table(field: ReceptiveField) -> Table:
    """One row a layer; numbers that are the same for all axes are shown once."""
    from rich.table import Table

    table = Table(box=None, padding=(0, 1, 0, 0))
    for column in ("layer", "operation"):
        table.add_column(column, no_wrap=True)
    columns = ("n_in", "kernel", "padding", "stride", "n_out", "jump_in", "jump_out", "rf_in", "rf_out")
    for column in columns:
        table.add_column(column.replace("_", "\n"), justify="right", no_wrap=True)
    for row in field.layers:
        table.add_row(row.name, row.operation, *(_shown(getattr(row, column)) for column in columns))
    return table


def _shown(numbers: tuple[Any, ...]) -> str:
    texts = ["-" if number is None else str(number) for number in numbers]
    return texts[0] if len(set(texts)) == 1 else " x ".join(texts)


def summary(field: ReceptiveField) -> str:
    """The result in words: the numbers, then what is out of the ordinary."""
    numbers = f"size {_shown(field.size)}, stride {_shown(field.stride)}, padding {_shown(field.padding)} pixels"
    remarks = [
        *(["reads the whole image along a global path"] if field.is_global else []),
        *(["paths with different centres meet"] if not field.aligned else []),
        *(["units differ by more than a shift"] if field.shift_variant else []),
        *([f"{field.holes:,} pixels inside the field are never read"] if field.holes else []),
    ]
    return "; ".join([numbers, *remarks])
