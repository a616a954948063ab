"""Four small steps, an empty folder to work in, and the command line called there."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from harness import Recipe, StepSpec, data, discovery
from harness.__main__ import main
from harness.commands import show
from harness.data.synthetic import synthetic


class Network(nn.Sequential):
    """A convolution and a global average."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__(nn.Conv2d(1, classes, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LogSoftmax(1))


class FiveClasses(Network):
    """A network for half of the digits."""

    def __init__(self) -> None:
        super().__init__(5)


class Tiny(StepSpec):
    """Step 1: tiny.

    Target:
        Be small.

    Result:
        Parameters: 100 · receptive field: 28

    Analysis:
        - It is [small].
    """

    model = Network
    parameters = 100
    receptive_field = 28
    recipe = Recipe(lr=0.05, batch_size=32, epochs=4)


class Claim(Tiny):
    """Step 2: tiny and faster.

    Target:
        Hold the goal.

    Result:
        Parameters: 100 · receptive field: 28

    Analysis:
        - It is no larger. [claim: has 100 parameters]
    """

    follows = "mine/tiny"
    recipe = Recipe(lr=0.1, batch_size=32, epochs=4)
    goal = True


class Wide(StepSpec):
    """A step whose network has too few classes."""

    model = FiveClasses
    parameters = 50
    receptive_field = 28
    recipe = Tiny.recipe


class Held(Tiny):
    """A step that is judged on held-out images."""

    recipe = Recipe(lr=0.05, batch_size=32, epochs=4, validation=0.25)


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, four steps, tiny data and no CUDA."""
    steps = {"mine/tiny": Tiny, "mine/claim": Claim, "mine/wide": Wide, "mine/held": Held}
    for step_id, step in steps.items():
        monkeypatch.setattr(step, "id", step_id)
        monkeypatch.setattr(step, "source", tmp_path / "mine" / "test_01_tiny.py")
    for module in (discovery, show):
        monkeypatch.setattr(module, "steps", lambda: steps)
    monkeypatch.setattr(data, "load", lambda path=None: synthetic(64))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """Run a command line given as one string; its status, standard output and standard error."""

    def run(line: str) -> tuple[int, str, str]:
        try:
            status = main(line.split())
        except SystemExit as exit:
            status = int(exit.code or 0)
        return status, *capsys.readouterr()

    return run
