"""Find or fetch MNIST, verify it, and print its folder."""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb `data`."""
    parser.add_argument("--data", metavar="DIR", help="the folder to verify (default: MNIST_DIR, the cache, or fetch)")


def run(arguments: argparse.Namespace) -> int:
    """Print the folder of the four verified files as the last line."""
    from harness.data import folder

    print(folder(arguments.data))
    return 0
