"""Fails where the tests take fewer than 90 % of the branches of a file, and names it.

Reads the report of `coverage json`. The file below is run whole by tests that need what CI has not.
"""

import json
import sys
from pathlib import Path

LEAST = 90  # percent
ELSEWHERE = {
    "harness/jobs/ray_cluster.py": "a Ray cluster: pytest -m ray",
}


def main(report: str) -> int:
    """The exit status: 1 if a file has too few of its branches taken."""
    few = []
    for name, file in json.loads(Path(report).read_text(encoding="utf-8"))["files"].items():
        taken, branches = file["summary"]["covered_branches"], file["summary"]["num_branches"]
        if 100 * taken < LEAST * branches and name not in ELSEWHERE:
            few.append(f"{name}: {taken} of {branches} branches, less than {LEAST} %")
    print("\n".join(few) or f"{LEAST} % or more of the branches of every file")
    return bool(few)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
