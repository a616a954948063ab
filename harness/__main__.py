"""The command line: `mnist-ladders VERB ...` or `python -m harness VERB ...`; `--help` lists the verbs."""

import sys

try:
    import argparse
    import importlib
    import os
    import signal
    import traceback
    import warnings
    from collections.abc import Sequence
    from importlib import metadata
    from pathlib import Path
    from platform import python_version
    from typing import NoReturn

    from harness.errors import HarnessError, foreign
    from harness.escape import printable
    from harness.streams import ReaderGoneError, run, wait
except KeyboardInterrupt:  # main, which is not there yet, says it in the same way
    print("interrupted", file=sys.stderr)
    sys.exit(130)
except Exception as error:
    print(f"error: {error!r}; is a file here, such as random.py, named as a module is? rename it", file=sys.stderr)
    sys.exit(2)

VERBS = {
    "check": "Check any network: its layers, parameters and field, what to remark, and whether it holds a goal.",
    "new": "Make a project of your own with a first step, or the next step of a ladder.",
    "train": "Train a step with some seeds and say whether it held the goal.",
    "compare": "Compare the final test accuracy of two steps, or of one step under two records, seed by seed.",
    "show": "Print the specification of a step, or list the steps.",
    "rf": "Print the receptive field of a step or of any other model, layer by layer.",
    "bench": "Measure how fast steps train, and how far that is from the arithmetic alone.",
    "verify": "Test the trained networks of the repository again and compare with their records.",
    "replay": "Train a recorded run again and compare every epoch with the record, digit by digit.",
    "replicate": "Bring steps to the number of runs that was planned for them, the cheapest first.",
    "adopt": "Record runs that were trained elsewhere, each checked, and compare a GPU's with the CPU's.",
    "search": "Search for a step of a ladder on images held out from the training set.",
    "report": "Write the report: all specifications with their evidence, as one HTML file.",
    "data": "Find or fetch MNIST, verify it, and print its folder.",
}
"""Each verb is a module of harness.commands. Their summaries are here so that help imports none of them."""


COMMAND = "mnist-ladders"
PROGRAM = COMMAND if Path(sys.argv[0]).stem == COMMAND else "python -m harness"
"""What error messages call us: what was typed."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; the exit status. Without any word, help on standard error and 2.

    0 for success, 1 for a verdict against and nothing else, 2 for what the user can mend, and 128 and the number of the
    signal that ended it: 130 for Ctrl-C, 143 for SIGTERM, and that of SIGPIPE, 141, where nobody reads standard output
    any more.
    """
    words = sys.argv[1:] if arguments is None else arguments
    if arguments is None:
        _install_signal_handlers()
    verb = next((word for word in words if word in VERBS), None)
    if not words:
        _parser(None).print_help(sys.stderr)
        return 2
    try:
        status = _run(words, verb)
        sys.stdout.flush()
    except ReaderGoneError:
        return 128 + 13
    except HarnessError as error:
        if sys.flags.dev_mode:
            traceback.print_exception(error)
        message, status = f"error: {error}", 2
    except KeyboardInterrupt as end:
        if arguments is None:  # a further one would interrupt the end of the interpreter
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        for note in getattr(end, "__notes__", ()):
            print(f"error: {note}", file=sys.stderr)
        number = next((one for one in end.args if isinstance(one, signal.Signals)), signal.SIGINT)
        message, status = f"interrupted{'' if number == signal.SIGINT else f' by {number.name}'}", 128 + number
    else:
        return status
    print(f"{PROGRAM}{f' {verb}' if verb else ''}: {message}", file=sys.stderr)
    return status


def _install_signal_handlers() -> None:
    """Let `kill` and a terminal that is closed end the command as Ctrl-C does, so that nothing half-made stays."""
    for number in {signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)}:  # Windows lacks the second
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup has it
            signal.signal(number, _end)


def _end(number: int, _: object) -> NoReturn:
    """What is heard of such a signal; a second one kills."""
    signal.signal(number, signal.SIG_DFL)
    raise KeyboardInterrupt(signal.Signals(number))


def _run(words: Sequence[str], verb: str | None) -> int:
    try:
        arguments, unknown = _parser(verb).parse_known_args(words)
        if unknown:  # said by the verb, whose help lists what it takes
            arguments.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    except SystemExit as end:  # after --help, or after the line that says what is wrong with the words
        return int(end.code or 0)
    try:
        os.getcwd()
    except OSError as error:  # at which libraries that compute end the process
        raise HarnessError("the current folder is gone; cd to one that exists") from error
    for name in ("numpy", "scipy", "torch", "torchvision"):  # of some the process would end without a word
        if os.path.isfile(os.path.join(sys.path[0], f"{name}.py")):
            raise HarnessError(f"{name}.py, here, is taken for the package {name}; rename it")
    if sys.flags.optimize > 1:
        raise HarnessError("specs are docstrings, which python -OO leaves out; run it without -OO or PYTHONOPTIMIZE")
    wait("loading torch ...")
    with foreign("it"):
        return int(arguments.run(arguments))


def _parser(chosen: str | None) -> argparse.ArgumentParser:
    parser = _Parser(
        prog=PROGRAM,
        description="Train, inspect and measure the steps of the ladders.",
        epilog="Exit status: 0; 1 for a verdict against, as of a run that misses the goal; 2 for what can be mended, "
        "which one line names; 130 after Ctrl-C.",
    )
    parser.add_argument(
        "--version", action=_Version, nargs=0, help="print the versions that a report of a fault should name"
    )
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    for name, summary in VERBS.items():
        verb = verbs.add_parser(name, help=summary, description=summary)
        if name == chosen:
            with foreign("its import", name):
                command = importlib.import_module(f"harness.commands.{name}")
            command.add_arguments(verb)
            verb.set_defaults(run=command.run, parser=verb)
    return parser


class _Version(argparse.Action):
    """Prints the versions and ends, without a look at the other words."""

    def __call__(self, *_: object) -> NoReturn:
        print(f"mnist-ladders {_version(COMMAND)}, torch {_version('torch')}, Python {python_version()}")
        sys.exit(0)


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"  # a checkout that runs as it is


class _Parser(argparse.ArgumentParser):
    """Reports bad usage in one line, with status 2."""

    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: error: {printable(message)} (see {self.prog} --help)", file=sys.stderr)
        sys.exit(2)


def _warning_line(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """A warning in one line, without the line of the source."""
    return f"{PROGRAM}: warning: {printable(str(message))} ({printable(filename)}:{lineno})\n"


def console_script() -> int:
    """The command `mnist-ladders`; it finds the spec of the current folder, as `python -m harness` does."""
    sys.path.insert(0, "")
    warnings.formatwarning = _warning_line
    return run(main, PROGRAM)


if __name__ == "__main__":
    warnings.formatwarning = _warning_line
    sys.exit(run(main, PROGRAM))
