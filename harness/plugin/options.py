"""The options of the accuracy specs."""

import re
from collections.abc import Callable

import pytest

from harness import device
from harness.errors import HarnessError
from harness.run import EAGER, NATIVE

MOST = 100_000  # seeds of a step, or epochs


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the accuracy specs."""
    group = parser.getgroup("ladder", "ladders of small networks")
    group.addoption(
        "--device",
        default="auto",
        type=_device_word,
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
    group.addoption("--seeds", default=5, type=_number("--seeds"), help="seeds per step: 0 to SEEDS - 1 (default: 5)")
    group.addoption(
        "--seed", nargs="+", type=_seed, metavar="SEED", help="these seeds per step instead; write it after the tests"
    )
    group.addoption(
        "--epochs",
        default=None,
        type=_number("--epochs"),
        help="stop each run after EPOCHS epochs; a shortened run is never a verdict (default: the recipe's)",
    )
    group.addoption("--data", default=None, help="folder with the four MNIST files (default: MNIST_DIR, cache, fetch)")
    group.addoption("--out", default="runs", help="folder for the run files (default: runs)")
    group.addoption(
        "--update-records",
        action="store_true",
        help="add the complete runs of new seeds to the committed records, and write what all records say into the "
        "specs and the README; fails if that changed anything, so that a person looks",
    )
    group.addoption("--require-gpu", action="store_true", help="refuse to start where there is no CUDA device")


def _number(option: str) -> Callable[[str], int]:
    """A converter for an option that takes a whole number of one or more, and no more than anybody could wait for."""

    def convert(text: str) -> int:
        if not re.fullmatch("0*[1-9][0-9]*", text):
            raise pytest.UsageError(f"{option} must be a whole number of 1 or more, not {text!r}")
        if len(text) > len(str(MOST)) or int(text) > MOST:
            raise pytest.UsageError(f"{option} must be {MOST:,} or less, not {text[:30]}")
        return int(text)

    return convert


def _seed(text: str) -> int:
    """A converter for --seed, which takes all words up to the next option."""
    if not re.fullmatch("[0-9]{1,18}", text):
        raise pytest.UsageError(f"--seed: {text!r} is not a seed; give whole numbers of 0 or more, and tests before it")
    return int(text)


def _device_word(text: str) -> str:
    """A converter for --device; it does not look for the device, which would load torch."""
    try:
        return device.known(text)
    except HarnessError as error:
        raise pytest.UsageError(f"--device: {error}") from error
