"""Write the report: all specifications with their evidence, as one HTML file."""

import argparse
from pathlib import Path

from harness import escape, files
from harness.commands.arguments import parse_path
from harness.errors import HarnessError
from harness.ladder import steps


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb `report`."""
    parser.add_argument(
        "-o", "--output", type=parse_path, default="report.html", metavar="FILE", help="default: report.html"
    )
    parser.add_argument(
        "--plot", type=parse_path, metavar="FILE", help="instead, write accuracy against parameters to FILE as SVG"
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the page or the plot, and print its path."""
    from harness import report
    from harness.report import page

    path = Path(arguments.plot or arguments.output)
    _check(path)
    text = page.plot(steps().values()) if arguments.plot else report.html(steps().values(), page.mnist_images())
    files.write(path, text.encode(), advice="name another file")
    print(escape.printable(str(path)))
    return 0


def _check(path: Path) -> None:
    """Raise HarnessError for a path that no file can be written to, before the page is made: that takes a minute."""
    try:
        if path.exists() and not path.is_file():
            raise HarnessError(f"cannot write {path}: it is not a file; name another file")
        if not path.parent.is_dir():
            raise HarnessError(f"cannot write {path}: there is no such folder; name another file")
    except OSError as error:
        raise files.unwritable(path, error, "name another file") from error
