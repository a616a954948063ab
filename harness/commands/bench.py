"""Measure how fast steps train, and how far that is from the arithmetic alone."""

import argparse
import json

from harness.commands.arguments import add_data, add_device
from harness.commands.console import busy
from harness.device import device_of
from harness.errors import HarnessError, foreign
from harness.ladder import find


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb `bench`."""
    parser.add_argument("ids", metavar="ID", nargs="+", help="steps, such as five_steps/step5")
    add_device(parser)
    add_data(parser)
    parser.add_argument("--json", action="store_true", help="the results as a JSON array on standard output")
    parser.add_argument("--record", action="store_true", help="save the results: docs/benchmark.json and .md, README")


def run(arguments: argparse.Namespace) -> int:
    """Measure; the results go to standard output as Markdown or JSON."""
    from harness.benchmark.side_by_side import bench
    from harness.data import load
    from harness.report import benchmark, rewrite

    steps, device = [find(name) for name in dict.fromkeys(arguments.ids)], device_of(arguments.device)
    if arguments.record and not benchmark.path().parent.is_dir():
        raise HarnessError(f"--record writes to {benchmark.path().parent}, which does not exist; make that folder")
    data = load(arguments.data)
    results = []
    with busy() as on_part:
        for step in steps:
            with foreign("its recipe", step.id):
                results.append(bench(step, data, device, on_part))
    print(json.dumps(results) if arguments.json else benchmark.sections(results))
    if arguments.record:
        benchmark.save(results)
        rewrite()
    return 0
