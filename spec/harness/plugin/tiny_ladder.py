"""A ladder of one tiny step in its own folder, to run pytest in."""

import re

import pytest
import torch

from harness import data
from harness.data.synthetic import synthetic

SPEC = '''
from harness import Recipe, StepSpec


def network():
    from torch import nn

    return nn.Sequential(nn.Conv2d(1, 10, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LogSoftmax(1))


class TestTiny(StepSpec):
    """Step 1: tiny.

    Target:
        Be small.

    Result:
        Parameters: 100 · receptive field: 28

    Analysis:
        - It is small.
    """

    model = network
    parameters = 100
    receptive_field = 28
    recipe = Recipe(lr=0.05, batch_size=32, epochs=4)
    test_throughput = None  # has a file of its own
    test_rules = None  # as it stands in no folder spec/
'''

EPOCH = r"mine/tiny seed (\d) epoch (\d)/4: train \d+\.\d\d test \d+\.\d\d \(\d+\.\d s\)"

NO_TERMINAL = ("-o", "addopts=-p harness.plugin", "-p", "no:terminal")  # which knows no -ra


class Ladder:
    """A folder with a ladder of one step, in which pytest runs."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.write(SPEC)
        pytester.makeini("[pytest]\nstrict = true\nfilterwarnings = error\naddopts = -ra -p harness.plugin\n")

    def write(self, spec: str) -> None:
        """Write the spec."""
        file = self.pytester.path / "mine" / "test_01_tiny.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(spec)

    def change(self, old: str, new: str) -> None:
        """Replace a part of the spec."""
        assert SPEC.count(old) == 1
        self.write(SPEC.replace(old, new))

    def run(self, *arguments: str) -> pytest.RunResult:
        """Run pytest here, in this process."""
        # The logging plugin would leave a file open in a session that is refused at once.
        return self.pytester.runpytest_inprocess("-p", "no:logging", "mine", *arguments)


@pytest.fixture
def ladder(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Ladder:
    """A tiny ladder on tiny data, without CUDA, and without plugins except those that are named."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(data, "load", lambda path=None: synthetic(64))
    return Ladder(pytester)


def failure(result: pytest.RunResult) -> list[str]:
    """The lines that pytest prints for the only failure, without its headline."""
    start, end = (
        next(n for n, line in enumerate(result.outlines) if re.match(pattern, line))
        for pattern in (r"_+ .*TestTiny.test_\w+ _+$", r"(=+ (short test summary|ladder))|(-+ Captured)")
    )
    return result.outlines[start + 1 : end]


def table(result: pytest.RunResult) -> list[list[str]]:
    """The cells of the table of the ladder, line by line."""
    start = next(n for n, line in enumerate(result.outlines) if re.fullmatch("=+ ladder =+", line))
    lines = result.outlines[start + 1 :]
    end = next(n for n, line in enumerate(lines) if line.startswith("="))
    return [re.split(r"  +", line) for line in lines[:end]]
