"""Find or fetch MNIST, verify it, and print its folder."""

import argparse

from harness import escape
from harness.commands.arguments import add_data


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb `data`."""
    add_data(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the folder of the four verified files as the last line."""
    from harness.data import folder

    print(escape.printable(str(folder(arguments.data))))
    return 0
