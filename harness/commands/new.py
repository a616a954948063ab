"""Make a project of your own with a first step, or the next step of a ladder."""

import argparse
import shlex
import sys
from pathlib import Path

from harness import files
from harness.argument_types import parse_path
from harness.errors import HarnessError
from harness.escape import printable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb `new`."""
    parser.add_argument(
        "folder",
        type=parse_path,
        metavar="DIR",
        help="the folder of the project to make; with STEP, an existing ladder, as PROJECT/LADDER",
    )
    parser.add_argument("step", metavar="STEP", nargs="?", help="the name of a step to add to the ladder")
    parser.add_argument(
        "--from",
        dest="target",
        metavar="TARGET",
        help="the network: file.py:Class, notebook.ipynb:Class or package.module:Class (default: a small one)",
    )
    parser.add_argument("--follows", metavar="STEP", help="the step that the new one changes")


def run(arguments: argparse.Namespace) -> int:
    """Write the files, and print what to do with them."""
    from harness.project import new_project, new_step

    folder = Path(arguments.folder)
    if arguments.step is None:
        if arguments.follows:
            raise HarnessError(
                "--follows is for a step of a ladder: python -m harness new DIR/LADDER STEP --follows STEP"
            )
        new_project(folder, arguments.target)
        print(printable(f'made {folder}; check it with: cd {shlex.quote(str(folder))} && pytest -m "not slow"'))
        return 0
    if arguments.follows and arguments.target:
        raise HarnessError("a step has its network from the one that it follows or --from a file, and not from both")
    with files.readable(folder):
        sys.path.insert(0, str(folder.parent.resolve()))  # where its spec/ is
    print(printable(f"wrote {new_step(folder, arguments.step, arguments.follows, arguments.target)}"))
    return 0
