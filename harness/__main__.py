"""The command line: `python -m harness VERB ...`; `python -m harness --help` lists the verbs."""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from harness.commands import bench, compare, data, report, rf, search, show, train, verify
from harness.errors import HarnessError

VERBS = {
    "train": train,
    "compare": compare,
    "show": show,
    "rf": rf,
    "bench": bench,
    "verify": verify,
    "search": search,
    "report": report,
    "data": data,
}


class Parser(argparse.ArgumentParser):
    """A parser that reports bad usage in one line."""

    def error(self, message: str) -> NoReturn:
        """Print the one line and exit with status 2."""
        print(f"{self.prog}: error: {message} (see {self.prog} --help)", file=sys.stderr)
        sys.exit(2)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; 0 for success, 1 for a verdict against, 2 for what the user can mend, 130 for Ctrl-C."""
    parser = Parser(prog="python -m harness", description="Train, inspect and measure the steps of the ladders.")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    for name, command in VERBS.items():
        summary = (command.__doc__ or "").partition("\n")[0]
        verb = verbs.add_parser(name, help=summary, description=summary)
        command.add_arguments(verb)
        verb.set_defaults(run=command.run, prog=verb.prog)
    parsed = parser.parse_args(arguments)
    try:
        return int(parsed.run(parsed))
    except HarnessError as error:
        print(f"{parsed.prog}: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{parsed.prog}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader went away, as `head` does; what is left unwritten must not fail a second time at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


if __name__ == "__main__":
    sys.exit(main())
