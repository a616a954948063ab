"""Write the report: all specifications with their evidence, as one HTML file."""

import argparse
from pathlib import Path

from harness.files import unwritable
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
    text = page.plot(steps().values()) if arguments.plot else report.html(steps().values(), page.mnist_images())
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise unwritable(path, error, "name another file") from error
    print(path)
    return 0
