"""The options of the accuracy specs."""

import argparse
from collections.abc import Callable
from typing import Any

import pytest

from harness.argument_types import parse_device, parse_number_of_seeds, parse_path, parse_positive, parse_seed
from harness.run import EAGER, NATIVE


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the accuracy specs."""
    group = parser.getgroup("ladder", "ladders of small networks")
    _add(
        group,
        "--device",
        parse_device,
        default="auto",
        help="auto (default: CUDA if there is one; gpu tests are skipped where there is none), cpu, cuda or cuda:N",
    )
    group.addoption(
        "--trainer",
        default="auto",
        choices=["auto", NATIVE, EAGER],
        help="native (C++, on a CPU), eager (torch), or auto (default: native where it can train the step)",
    )
    group.addoption(
        "--step",
        action="append",
        default=[],
        metavar="ID",
        help="run the spec of this step alone, such as five_steps/step5; may be given again",
    )
    _add(group, "--seeds", parse_number_of_seeds, default=5, help="seeds per step: 0 to SEEDS - 1 (default: 5)")
    _add(
        group,
        "--seed",
        parse_seed,
        nargs="+",
        action="extend",
        metavar="SEED",
        help="these seeds per step instead; write it after the tests",
    )
    _add(
        group,
        "--epochs",
        parse_positive,
        help="stop each run after EPOCHS epochs; a shortened run is never a verdict (default: the recipe's)",
    )
    _add(group, "--data", parse_path, help="folder with the four MNIST files (default: MNIST_DIR, cache, fetch)")
    _add(group, "--out", parse_path, default="runs", help="folder for the run files (default: runs)")
    group.addoption(
        "--update-records",
        action="store_true",
        help="add the complete runs of new seeds to the committed records, and write what all records say into the "
        "specs and the README; fails if that changed anything, so that a person looks",
    )
    group.addoption("--require-gpu", action="store_true", help="refuse to start where there is no CUDA device")


def _add(group: pytest.OptionGroup, option: str, parse: Callable[[str], object], **more: Any) -> None:
    """Add an option whose errors are one line; before an ArgumentTypeError pytest would print its whole usage."""

    def parse_or_refuse(text: str) -> object:
        try:
            return parse(text)
        except argparse.ArgumentTypeError as error:
            raise pytest.UsageError(f"{option}: {error}") from error

    group.addoption(option, type=parse_or_refuse, **more)
