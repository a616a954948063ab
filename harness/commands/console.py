"""What the verbs print: to a console of the right width, and epochs as they end."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from harness.errors import HarnessError
from harness.escape import printable
from harness.run import Epoch, epoch_line
from harness.step import Step

if TYPE_CHECKING:
    from harness.evidence.statistics import Interval
    from harness.jobs import Engine
    from harness.training.choice import Choice


def console() -> Console:
    """Standard output, as wide as its terminal; 120 columns in a file or a pipe, where rich would cut at 80.

    Text is printed verbatim: brackets and colons in a name are no mark-up, and nothing in it commands the terminal.
    """
    width, height = _size() if sys.stdout.isatty() else (120, 25)
    return _Console(highlight=False, markup=False, emoji=False, width=width, height=height)


class _Console(Console):
    """A console for text from elsewhere, such as the name that somebody gave to a layer."""

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str("\n".join(map(printable, text.split("\n"))), **options)


def _size() -> tuple[int | None, int | None]:
    """Width and height for a console: None, so that it follows its window, unless COLUMNS or LINES are no numbers.

    It takes whatever has the property of a digit for a number, such as a superscript two.
    """
    if all(re.fullmatch("0*[1-9][0-9]{0,3}", os.environ.get(name, "1")) for name in ("COLUMNS", "LINES")):
        return None, None
    return shutil.get_terminal_size()


def bare_table(title: str | None = None) -> Table:
    """An empty table with a line under its head and no frame."""
    return Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)


def chance(share: Interval) -> str:
    """The interval for the share of runs that hold, in words."""
    return f"95 % interval for one to hold: {100 * share.low:.0f} to {100 * share.high:.0f} %"


def say(line: str) -> None:
    """Print a line on standard error, at once: where a reader of results does not look for it."""
    print(printable(line), file=sys.stderr, flush=True)


def say_stale(*steps: type[Step]) -> None:
    """Say which of the steps whose figures were printed has a record of another network or recipe than it has now."""
    from harness.evidence import record

    for step in steps:
        try:
            stale = record.stale(step)
        except HarnessError as error:  # it cannot be told, which stops nobody from reading the rest
            stale = str(error)
        if stale:
            say(stale)


def check_texts() -> None:
    """Say what would keep the texts from being brought up to the records, while there is time to mend it."""
    from harness.report import check

    try:
        check()
    except HarnessError as error:
        say(f"{error}; until it is mended, no text is brought up to the records")


def update_texts() -> None:
    """Bring specs, README and the other texts up to the records; a line for each file that changed."""
    from harness.report import rewrite

    for path in rewrite():
        say(f"wrote {path}")


class Display:
    """The progress of a training on standard error: a line per epoch."""

    def __init__(self, epochs: int | None = None, held_out: bool = False) -> None:
        self.line = partial(epoch_line, epochs=epochs, held_out=held_out)

    def on_epoch(self, step: type[Step], seed: int, epoch: Epoch) -> None:
        """Show an epoch that is over."""
        say(self.line(step, seed, epoch))

    def over(self, step: type[Step], seed: int) -> None:
        """Count an epoch of a seed that is shown elsewhere."""

    def on_steps(self, step: type[Step], seeds: Sequence[int], done: int, of: int) -> None:
        """Show how many of the training steps of an epoch are done, by seeds that train together."""


class _Live(Display):
    """A line per epoch and, below, what a terminal shows that changes: a bar for all epochs, and one for each job."""

    def __init__(self, progress: Progress, epochs: int | None, runs: int, held_out: bool) -> None:
        super().__init__(epochs, held_out)
        self.progress = progress
        self.all = progress.add_task("all epochs", total=None if epochs is None else epochs * runs)
        self.done = 0
        self.jobs: dict[tuple[type[Step], tuple[int, ...]], TaskID] = {}
        self.shares: dict[tuple[type[Step], int], float] = {}

    def on_epoch(self, step: type[Step], seed: int, epoch: Epoch) -> None:
        self.over(step, seed)
        self.progress.console.print(self.line(step, seed, epoch))

    def over(self, step: type[Step], seed: int) -> None:
        self.done += 1
        self.shares.pop((step, seed), None)
        for job in [job for job in self.jobs if job[0] is step and seed in job[1]]:
            self.progress.remove_task(self.jobs.pop(job))  # the next epoch has a new one, or there is none
        self.progress.update(self.all, completed=self.done)

    def on_steps(self, step: type[Step], seeds: Sequence[int], done: int, of: int) -> None:
        job = step, tuple(seeds)
        if job not in self.jobs:
            self.jobs[job] = self.progress.add_task("")
        name = f"{printable(step.id)} seed {', '.join(map(str, seeds))}: batches"
        self.progress.update(self.jobs[job], description=name, completed=done, total=of)
        self.shares.update(dict.fromkeys(((step, seed) for seed in seeds), done / of))
        self.progress.update(self.all, completed=self.done + sum(self.shares.values()))


@contextmanager
def display(epochs: int | None = None, runs: int = 1, held_out: bool = False) -> Iterator[Display]:
    """Show n runs as they are trained, of some epochs each or those of their recipes; `held_out` as `epoch_line`.

    On a terminal with bars, elapsed time and time left.
    """
    if not sys.stderr.isatty():
        yield Display(epochs, held_out)
        return
    with _bars(MofNCompleteColumn(), TimeRemainingColumn()) as progress:
        yield _Live(progress, epochs, runs, held_out)


def _bars(*columns: ProgressColumn) -> Progress:
    width, height = _size()
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        *columns,
        TimeElapsedColumn(),
        console=_Console(stderr=True, highlight=False, markup=False, emoji=False, width=width, height=height),
        refresh_per_second=4,
        redirect_stdout=sys.stdout.isatty(),  # by default rich diverts even a file or a pipe to the terminal
        redirect_stderr=False,
    )


@contextmanager
def busy() -> Iterator[Callable[[str], None]]:
    """Say what is being done: a line each and, on a terminal, the seconds that it has taken so far."""
    if not sys.stderr.isatty():
        yield say
        return
    with _bars() as progress:
        doing: list[TaskID] = []

        def on_part(part: str) -> None:
            for task in doing:
                progress.stop_task(task)
            doing.append(progress.add_task(printable(part), total=None))

        yield on_part


def start_line(step: type[Step], choice: Choice, engine: Engine) -> str:
    """The line before a training: by which trainer, on which device, with how many workers and threads."""
    each = f", {engine.threads} thread{'s' if engine.threads > 1 else ''}" if engine.device.type == "cpu" else ""
    workers = f"up to {engine.workers} at a time" if engine.workers > 1 else "one at a time"
    return f"{choice.line(step)}; on {engine.device}{each}, {workers}"
