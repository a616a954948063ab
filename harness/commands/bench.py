"""Measure how fast a step trains, and how far that is from the arithmetic alone."""

import argparse
import json
import sys

from harness.commands.arguments import add_data, add_device
from harness.device import device_of
from harness.errors import HarnessError
from harness.ladder import find


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb `bench`."""
    parser.add_argument("id", metavar="ID", help="a step, such as five_steps/step5")
    add_device(parser)
    add_data(parser)
    parser.add_argument("--json", action="store_true", help="the result as one JSON object on standard output")
    parser.add_argument("--record", action="store_true", help="save the result: docs/benchmark.json and .md, README")


def run(arguments: argparse.Namespace) -> int:
    """Measure; the result goes to standard output as Markdown or JSON."""
    from harness.benchmark.side_by_side import bench
    from harness.data import load
    from harness.report import rewrite
    from harness.report.benchmark import RESULTS, save, section

    step, device = find(arguments.id), device_of(arguments.device)
    if arguments.record and not RESULTS.parent.is_dir():
        raise HarnessError(f"--record writes to {RESULTS.parent}, which does not exist; run it in a checkout")
    result = bench(step, load(arguments.data), device, lambda part: print(f"measuring {part}", file=sys.stderr))
    print(json.dumps(result) if arguments.json else section(result))
    if arguments.record:
        save(result)
        rewrite()
    return 0
