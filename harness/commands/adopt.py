"""Record runs that were trained elsewhere, each checked, and compare a GPU's with the CPU's."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from harness.argument_types import parse_path
from harness.commands.console import say, update_texts
from harness.errors import Failures

if TYPE_CHECKING:
    from harness.jobs.adoption import Adopted


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb `adopt`."""
    parser.add_argument(
        "runs",
        metavar="RUNS",
        type=parse_path,
        help="a folder of run files, such as runs, or somebody's record of a step",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print what was added to each record, and name on standard error each run that was refused.

    Raises HarnessError in the end if one was; the others are recorded all the same.
    """
    from harness.jobs.adoption import adopt

    adoption = adopt(Path(arguments.runs))
    for reason in adoption.refused:
        say(str(reason))
    recorded = [adopted for adopted in adoption.adopted if adopted.added or adopted.existing]
    with Failures() as failures:
        if n := len(adoption.refused):
            others = "the others are recorded" if recorded else "none is recorded"
            failures.add(f"{_runs(n)} {'are' if n > 1 else 'is'} refused, as named above; {others}")
        with failures.go_on():
            if recorded:  # before anything is printed, which nobody may read
                update_texts()
        for adopted in recorded:
            with failures.go_on():  # the record of the CPU, which it is compared with, may be spoilt
                print(summary(adopted))
    return 0


def summary(adopted: "Adopted") -> str:
    """What was added to a record, its accuracy now, and how far a GPU's is from the CPU's."""
    from harness.evidence import record
    from harness.evidence.comparison import beside_cpu
    from harness.evidence.summary import Summary

    runs, cpu = record.runs(adopted.step, adopted.device), record.runs(adopted.step)
    parts = [
        f"{adopted.step.id} on {adopted.device}: {_runs(len(adopted.added))} added",
        *([f"{_runs(len(adopted.existing))} recorded before"] if adopted.existing else []),
        f"{Summary.of(runs).accuracy:.2f} % by {_runs(len(runs))} in all",
    ]
    if adopted.device == "cuda":
        parts.append(beside_cpu(runs, cpu) if cpu else "no CPU to compare with")
    return "; ".join(parts)


def _runs(n: int) -> str:
    return f"{n} run{'' if n == 1 else 's'}"
