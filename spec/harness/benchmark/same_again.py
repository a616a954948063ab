"""The runs of two folders of run files beside each other, a line for each seed that both have: are they the same?

python -m spec.harness.benchmark.same_again runs again
"""

import sys
from pathlib import Path

from harness import discovery
from harness.evidence.replica import difference, same
from harness.jobs import run_file
from harness.jobs.run_folder import RUN, files_in


def main(first: Path, second: Path) -> int:
    """Print the lines; 0 if there is one, whatever it says."""
    printed = 0
    for step in discovery.steps().values():
        # The latest of each seed.
        one, other = ({seed: path for path, seed, _ in files_in(folder / step.id, RUN)} for folder in (first, second))
        for seed in sorted(one.keys() & other.keys()):
            then, again = (run_file.read(paths[seed], step) for paths in (one, other))
            found = difference(then, again)
            epochs = found.epoch - 1 if found else len(again.epochs)
            print(f"{step.id} seed {seed}: {same(then, epochs)}{f'; {found}' if found else ''}")
            printed += 1
    return int(not printed)


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
