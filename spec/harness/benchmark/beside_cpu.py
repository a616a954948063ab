"""The runs in a folder of run files beside those that a CPU has recorded, a line for each step; nothing is recorded.

python -m spec.harness.benchmark.beside_cpu runs
"""

import sys
from pathlib import Path

from harness.discovery import find
from harness.errors import HarnessError
from harness.evidence import record
from harness.evidence.comparison import beside_cpu
from harness.evidence.summary import Summary
from harness.jobs import run_file
from harness.jobs.run_folder import RUN, files_in
from harness.run import Run
from harness.step import Step


def line(step: type[Step], runs: list[Run]) -> str:
    """The accuracy of some runs, how many held the goal, their seconds in all, and their distance from the CPU's."""
    summary, recorded = Summary.of(runs), record.runs(step)
    seconds = sum(epoch.seconds for run in runs for epoch in run.epochs)
    parts = [
        f"{step.id}: {summary.accuracy:.2f} % by {summary.runs} run{'s' if summary.runs > 1 else ''}",
        f"held by {summary.verdict_with_interval}" if summary.complete else f"{summary.verdict}, shortened",
        f"{seconds:.0f} s in all",
        beside_cpu(runs, recorded) if recorded else "no CPU to compare with",
    ]
    return "; ".join(parts)


def main(folder: Path) -> int:
    """Print the lines; 0 if there is one."""
    printed = 0
    for place in sorted({path.parent for path in folder.rglob(f"*{RUN}")}):
        try:
            step = find(f"{place.parent.name}/{place.name}")
            runs = {seed: run_file.read(path, step) for path, seed, _ in files_in(place, RUN)}  # the latest of a seed
        except HarnessError as error:
            print(error, file=sys.stderr)
            continue
        if whole := [run for run in runs.values() if run.epochs and run.failed is None]:
            print(line(step, whole))
            printed += 1
    return int(not printed)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
