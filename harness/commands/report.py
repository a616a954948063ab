"""Write the report: all specifications with their evidence, as one HTML file."""

import argparse
import os
from pathlib import Path

from harness.errors import HarnessError
from harness.files import write
from harness.ladder import steps


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb `report`."""
    parser.add_argument("-o", "--output", default="report.html", metavar="FILE", help="default: report.html")
    parser.add_argument("--plot", metavar="FILE", help="instead, write accuracy against parameters to FILE as SVG")


def run(arguments: argparse.Namespace) -> int:
    """Write the page or the plot, and print its path."""
    from harness import report
    from harness.report import page

    path = Path(arguments.plot or arguments.output)
    if os.path.exists(path) and not os.path.isfile(path):
        raise HarnessError(f"{path} is not a regular file; name another")
    text = page.plot(steps().values()) if arguments.plot else report.html(steps().values(), page.mnist_images())
    write(Path(os.path.realpath(path)), text.encode(), "name another file")
    print(path)
    return 0
