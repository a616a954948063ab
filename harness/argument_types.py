"""What is typed after an option, as a value of its type; ArgumentTypeError where it is none."""

import argparse
import os
import re

from harness import device, strict_json
from harness.errors import HarnessError

MOST_SEEDS = 100_000  # of a step


def parse_seed(text: str) -> int:
    """A seed: 0 or more, and small enough for torch; ArgumentTypeError otherwise."""
    if not re.fullmatch("[0-9]+", text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a seed; give whole numbers of 0 or more, and other words before --seed"
        )
    return _at_most(strict_json.SEEDS - 1, text)


def parse_positive(text: str, most: int = 2**31 - 1) -> int:
    """A whole number of 1 or more; ArgumentTypeError otherwise."""
    if not re.fullmatch("0*[1-9][0-9]*", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return _at_most(most, text)


def parse_number_of_seeds(text: str) -> int:
    """How many seeds: 1 or more, and no more than anybody could wait for; ArgumentTypeError otherwise."""
    return parse_positive(text, MOST_SEEDS)


def _at_most(most: int, text: str) -> int:
    digits = text.lstrip("0")[:30] or "0"  # enough to tell; int() itself refuses some thousand
    if int(digits) > most:
        raise argparse.ArgumentTypeError(f"{digits} is too large; the largest is {most}")
    return int(digits)


def parse_path(text: str) -> str:
    """The name of a file or a folder; ArgumentTypeError for one that none can have."""
    try:
        possible = bool(text) and b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        possible = False
    if not possible:
        raise argparse.ArgumentTypeError(f"{text!r} is not the name of a file or a folder")
    return text


def parse_device(text: str) -> str:
    """The word for a device, present or not, which torch would be loaded to find out; ArgumentTypeError otherwise."""
    try:
        return device.known(text)
    except HarnessError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
