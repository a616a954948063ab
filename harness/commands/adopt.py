"""Record runs that were trained elsewhere, each checked, and compare a GPU's with the CPU's."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from harness import escape
from harness.commands.arguments import parse_path
from harness.errors import HarnessError

if TYPE_CHECKING:
    from harness.jobs.adoption import Fitting


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb `adopt`."""
    parser.add_argument("runs", metavar="RUNS", type=parse_path, help="folder of run files, such as runs")


def run(arguments: argparse.Namespace) -> int:
    """Print what was added to each record, and name on standard error each file that was refused.

    Raises HarnessError in the end if one was; the others are recorded all the same.
    """
    from harness.jobs.adoption import adopt
    from harness.report import rewrite

    adoption = adopt(Path(arguments.runs))
    for reason in adoption.refused:
        print(reason, file=sys.stderr)
    for fitting in adoption.fitting:
        if fitting.added or fitting.existing:
            print(summary(fitting))
    if any(fitting.added for fitting in adoption.fitting):
        for path in rewrite():
            print(f"wrote {escape.printable(str(path))}", file=sys.stderr)
    if n := len(adoption.refused):
        raise HarnessError(
            f"{n} run file{'s are' if n > 1 else ' is'} refused, as named above; the others are recorded"
        )
    return 0


def summary(fitting: "Fitting") -> str:
    """What was added to a record, its accuracy now, and how far a GPU's is from the CPU's."""
    from harness.evidence import record
    from harness.evidence.comparison import beside_cpu
    from harness.evidence.summary import Summary

    runs, cpu = record.runs(fitting.step, fitting.device), record.runs(fitting.step)
    parts = [
        f"{fitting.step.id} on {fitting.device}: {_runs(len(fitting.added))} added",
        *([f"{_runs(len(fitting.existing))} recorded before"] if fitting.existing else []),
        f"{Summary.of(runs).accuracy:.2f} % by {_runs(len(runs))} in all",
    ]
    if fitting.device == "cuda":
        parts.append(beside_cpu(runs, cpu) if cpu else "no CPU to compare with")
    return "; ".join(parts)


def _runs(n: int) -> str:
    return f"{n} run{'' if n == 1 else 's'}"
