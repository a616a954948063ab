"""The command line: `python -m harness VERB ...`; `python -m harness --help` lists the verbs."""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from harness.errors import HarnessError

VERBS = {
    "check": "Check any network: layers, parameters, receptive field, remarks, and whether it holds a goal.",
    "new": "Make a project of your own with a first step, or add the next step to a ladder.",
    "train": "Train a step with some seeds and say whether it held the goal.",
    "compare": "Compare two steps, or one step under two records, over common seeds.",
    "show": "Print the specification of a step, or list the steps.",
    "rf": "Print the receptive field of a step or of any other model, layer by layer.",
    "bench": "Measure how fast steps train, and how far that is from the arithmetic alone.",
    "verify": "Test the trained networks of the repository again and compare with their records.",
    "replay": "Train a recorded run again and compare every epoch with the record, digit by digit.",
    "replicate": "Bring steps to the number of runs that was planned for them, the cheapest first.",
    "search": "Search for a step of a ladder on images held out from the training set.",
    "report": "Write the report: all specifications with their evidence, as one HTML file.",
    "data": "Find or fetch MNIST, verify it, and print its folder.",
}
"""Each verb is a module of harness.commands. Their summaries are here so that help imports none of them."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; 0 for success, 1 for a verdict against, 2 for what the user can mend, 130 for Ctrl-C."""
    words = sys.argv[1:] if arguments is None else arguments
    parsed = _parser(words).parse_args(words)
    try:
        return int(parsed.run(parsed))
    except HarnessError as error:
        print(f"{parsed.prog}: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{parsed.prog}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader has closed the pipe, as `head` does; flushing the rest at exit must not fail a second time.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m harness", description="Train, inspect and measure the steps of the ladders.")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    chosen = next((word for word in words if word in VERBS), None)
    for name, summary in VERBS.items():
        verb = verbs.add_parser(name, help=summary, description=summary)
        if name == chosen:
            command = importlib.import_module(f"harness.commands.{name}")
            command.add_arguments(verb)
            verb.set_defaults(run=command.run, prog=verb.prog)
    return parser


class _Parser(argparse.ArgumentParser):
    """Reports bad usage in one line, with status 2."""

    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: error: {message} (see {self.prog} --help)", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    sys.exit(main())
