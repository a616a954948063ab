"""Measure how fast steps train, and how far that is from the arithmetic alone."""

import argparse
import json

from harness.commands.arguments import add_data, add_device
from harness.commands.console import busy
from harness.device import device_of
from harness.discovery import find
from harness.errors import Failures


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb `bench`."""
    parser.add_argument("ids", metavar="ID", nargs="+", help="steps, such as five_steps/step5")
    add_device(parser)
    add_data(parser)
    parser.add_argument("--json", action="store_true", help="the results as a JSON array on standard output")
    parser.add_argument("--record", action="store_true", help="save the results: docs/benchmark.json and .md, README")


def run(arguments: argparse.Namespace) -> int:
    """Measure; each result is saved once it is there, and all go to standard output in the end, as Markdown or JSON.

    Raises HarnessError in the end for steps that failed, which stop no other. What ends this before the last step, such
    as Ctrl-C, costs no result that is there already.
    """
    from harness.benchmark.side_by_side import bench
    from harness.data import load
    from harness.report import benchmark, rewrite

    steps, device = [find(name) for name in dict.fromkeys(arguments.ids)], device_of(arguments.device)
    if arguments.record:
        benchmark.check()
    data = load(arguments.data)
    results = []
    with Failures() as failures:
        try:
            with busy() as on_part:
                for step in steps:
                    with failures.go_on():
                        results.append(bench(step, data, device, on_part))
                        if arguments.record:
                            benchmark.save(results[-1:])
                            rewrite()
        finally:
            if results:
                print(json.dumps(results) if arguments.json else benchmark.sections(results))
    return 0
