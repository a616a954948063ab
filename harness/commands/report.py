"""Write the report: all specifications with their evidence, as one HTML file."""

import argparse
from pathlib import Path

from harness import escape, files
from harness.argument_types import parse_path
from harness.commands.arguments import output_file
from harness.commands.console import busy, say_stale
from harness.discovery import none_yet, steps


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb `report`."""
    written = parser.add_mutually_exclusive_group()
    written.add_argument(
        "-o", "--out", type=parse_path, default="report.html", metavar="FILE", help="default: report.html"
    )
    written.add_argument(
        "--plot", type=parse_path, metavar="FILE", help="instead, write accuracy against parameters to FILE as SVG"
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the page or the plot, and print its path."""
    from harness import report
    from harness.data import load_test_images
    from harness.report import page

    path = Path(arguments.plot or arguments.out)
    place = output_file(path)
    if not (specs := steps().values()):
        raise none_yet()
    with busy() as on_part:
        on_part(f"{escape.printable(str(path))}: {len(specs)} step{'s' if len(specs) > 1 else ''}")
        text = page.plot(specs) if arguments.plot else report.html(specs, load_test_images())
    files.write(place, text.encode(), advice="name another file")
    print(escape.printable(str(path)))
    say_stale(*specs)
    return 0
