"""The front door: any network is checked without a line of ours in it, and trained and judged if asked to."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from harness import data
from harness.__main__ import main
from harness.commands.reviews import _places
from harness.data.synthetic import synthetic
from harness.discovery import find
from harness.recipe.named import NAMED
from harness.review import review

NETWORK = """
import torch
import torch.nn as nn
import torch.nn.functional as F
from harness import Recipe
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 7, stride=4)
        self.fc = nn.Linear(8 * 6 * 6, 10)
    def forward(self, x):
        return F.log_softmax(self.fc(F.relu(self.conv(x)).flatten(1)), dim=1)
class Chatty(Net):
    print("a class")
    def __init__(self):
        super().__init__()
        print("built")
    def forward(self, x):
        print(x.shape)
        return super().forward(x)
class Commanding(Net):
    def __init__(self):
        super().__init__()
        self.add_module("\\x1b[2J", nn.ReLU())
    def forward(self, x):
        return super().forward(self.get_submodule("\\x1b[2J")(x))
class Logits(Net):
    def forward(self, x):
        return self.fc(F.relu(self.conv(x)).flatten(1))
class Softmax(Logits):
    def forward(self, x):
        return super().forward(x).softmax(1)
class Implicit(Logits):
    def forward(self, x):
        return F.log_softmax(super().forward(x))
class Unlucky(Net):
    def __init__(self):
        super().__init__()
        if torch.initial_seed() == 1:
            self.fc.bias.data[0] = float("nan")
class Interrupted(Net):
    def __init__(self):
        super().__init__()
        if torch.initial_seed() == 2:
            raise KeyboardInterrupt  # as Ctrl-C does
class UnluckyThenInterrupted(Unlucky):
    def __init__(self):
        super().__init__()
        if torch.initial_seed() == 2:
            raise KeyboardInterrupt
FAST = Recipe(lr=0.05, batch_size=20, epochs=4)
HELD_OUT = Recipe(lr=0.05, batch_size=20, epochs=4, validation=0.2)
SLOW = Recipe(lr=1e-6, batch_size=20, epochs=4)
OTHER = 3
"""
PARAMETERS = 8 * 49 + 8 + 10 * 288 + 10

Check = Callable[..., tuple[int, str, str]]


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Check:
    """Check the network: the exit status, and what is on standard output and standard error."""
    (tmp_path / "mine.py").write_text(NETWORK)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(data, "load", lambda folder: synthetic(200))

    def run(words: str) -> tuple[int, str, str]:
        status = main(["check", *words.split()])
        return (status, *capsys.readouterr())

    return run


def test_a_network_is_described(check: Check) -> None:
    status, out, err = check("mine.py:Net")
    assert (status, err) == (0, "")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert f"conv conv2d 8 x 6 x 6 400 {8 * 36 * 49:,}" in lines
    assert any(line.startswith(f"{PARAMETERS:,} parameters; ") for line in lines)
    assert "fully connected: after convolution 1" in lines
    assert any(line.startswith("- fc (linear) has 2,890 of 3,290 parameters: ") for line in lines)


def test_normalization_and_pools_are_named_by_the_convolutions_before_them() -> None:
    parts = (nn.BatchNorm2d(1), nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.AvgPool2d(2), nn.Conv2d(4, 4, 3))
    head = (nn.AdaptiveMaxPool2d(4), nn.Conv2d(4, 10, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    assert _places(review(nn.Sequential(*parts, *head))) == [
        "convolutions: 3",
        "normalization: at the start and after convolution 1",
        "dropout: none",
        "pool: after convolution 1, 2",
        "global average: after convolution 3",
        "fully connected: none",
    ]
    linear = review(nn.Sequential(nn.BatchNorm2d(1), nn.MaxPool2d(4), nn.Flatten(), nn.Linear(49, 10)))
    assert {line.partition(": ")[2] for line in _places(linear)} == {"0", "without a convolution", "none"}


@pytest.mark.parametrize(
    ("name", "returned"),
    [
        ("Net", "returns log-probabilities"),
        ("Logits", "returns logits, which are trained with cross-entropy"),
        (
            "Softmax",
            "returns nothing to train with: mine.py:Softmax: the model returns probabilities; return logits, or",
        ),
    ],
)
def test_what_a_network_returns_is_named(check: Check, name: str, returned: str) -> None:
    status, out, err = check(f"mine.py:{name}")
    assert any(line.startswith(returned) for line in out.splitlines())
    if name == "Softmax":
        assert (status, err.startswith("python -m harness check: error: mine.py:Softmax: the model")) == (2, True)
    else:
        assert (status, err) == (0, "")


def test_the_name_of_a_layer_commands_no_terminal(check: Check) -> None:
    status, out, err = check("mine.py:Commanding")
    assert (status, err) == (0, "")
    assert {cell for line in out.splitlines() for cell in line.split() if "2J" in cell} == {r"\x1b[2J"}


def test_what_torch_warns_of_is_a_remark_and_nothing_else(check: Check, recwarn: pytest.WarningsRecorder) -> None:
    status, out, err = check("mine.py:Implicit")
    assert (status, err, len(recwarn)) == (0, "", 0)
    assert "- Implicit dimension choice for log_softmax" in out


@pytest.mark.parametrize(("limit", "status"), [(PARAMETERS, 0), (PARAMETERS - 1, 1)])
def test_a_limit_that_is_broken_is_the_exit_status(check: Check, limit: int, status: int) -> None:
    found, out, _ = check(f"mine.py:Net --parameters {limit}")
    assert (found, f"1 MORE than the limit of {limit:,}" in out) == (status, bool(status))


@pytest.mark.parametrize(("recipe", "held"), [("FAST", 2), ("SLOW", 0)])
def test_runs_are_judged_by_each_of_their_last_epochs(check: Check, recipe: str, held: int) -> None:
    status, out, err = check(f"mine.py:Net --train --recipe mine.py:{recipe} --seeds 2 --goal 90 --trainer eager")
    assert err.count("epoch 4/4") == 2
    assert f"90.00 % held in each of the last 3 epochs by {held} of 2" in out
    assert status == (0 if held == 2 else 1)


@pytest.mark.parametrize("name", ["Net", "Chatty"])
def test_json_has_all_of_it_and_nothing_that_a_network_prints(check: Check, name: str) -> None:
    status, out, _ = check(f"mine.py:{name} --train --recipe mine.py:FAST --epochs 2 --json --trainer eager")
    value: dict[str, Any] = json.loads(out)
    assert (value["parameters"], len(value["runs"][0]["epochs"])) == (PARAMETERS, 2)
    assert [layer["operation"] for layer in value["layers"]] == ["conv2d", "relu", "flatten", "linear", "log_softmax"]
    assert status == (0 if value["runs"][0]["held"] else 1)


@pytest.mark.parametrize("form", ["", " --json"])
def test_a_seed_that_fails_takes_none_of_the_others_with_it(check: Check, form: str) -> None:
    status, out, err = check(f"mine.py:Unlucky --train --recipe mine.py:FAST --seeds 3 --goal 90 --trainer eager{form}")
    assert status == 2
    assert err.splitlines()[-1].endswith("mine.py:Unlucky, seed 1: the loss is nan in epoch 1, batch 1; lower the rate")
    if form:
        assert [(run["seed"], run["held"]) for run in json.loads(out)["runs"]] == [(0, True), (2, True)]
    else:
        assert "held in each of the last 3 epochs by 2 of 2" in out


def test_costs_are_those_counted_by_hand_as_text_and_as_json(check: Check) -> None:
    convolution, linear, activations = 8 * 36 * 49, 10 * 288, 8 * 36 * 2 + 10 * 2
    products = convolution + linear
    out = check("mine.py:Net")[1]
    assert f"{PARAMETERS:,} parameters; {products:,} multiplications and {activations:,} activations per image\n" in out
    value: dict[str, Any] = json.loads(check(f"mine.py:Net --parameters {PARAMETERS} --json")[1])
    assert (value["multiplications"], value["activations"]) == (products, activations)
    assert (value["limit"], value["frozen"], value["goal"], value["runs"]) == (PARAMETERS, 0, 99.4, [])
    first = {"layer": "conv", "operation": "conv2d", "output": [8, 6, 6], "parameters": 400}
    assert value["layers"][0] == {**first, "multiplications": convolution, "activations": 8 * 36}


@pytest.mark.parametrize(("recipe", "images"), [("HELD_OUT", " of the images held out"), ("FAST", "")])
def test_the_images_are_named_that_a_network_was_judged_on(check: Check, recipe: str, images: str) -> None:
    out = check(f"mine.py:Net --train --recipe mine.py:{recipe} --epochs 1 --goal 1 --trainer eager")[1]
    assert f"1.00 %{images} held in the last epoch by 1 of 1 seed (" in out


def test_an_interrupt_says_which_seeds_have_failed(check: Check) -> None:
    words = "--train --recipe mine.py:FAST --seed 1 2 --goal 90 --trainer eager"
    status, _, err = check(f"mine.py:UnluckyThenInterrupted {words}")
    assert status == 130
    assert err.splitlines()[-2:] == [
        "error: mine.py:UnluckyThenInterrupted, seed 1: the loss is nan in epoch 1, batch 1; lower the rate",
        "python -m harness check: interrupted",
    ]


@pytest.mark.parametrize("form", ["", " --json"])
def test_an_interrupt_keeps_the_runs_that_are_finished(check: Check, form: str) -> None:
    words = f"mine.py:Interrupted --train --recipe mine.py:FAST --seed 0 2 1 --goal 90 --trainer eager{form}"
    status, out, err = check(words)
    assert (status, err.splitlines()[-1]) == (130, "python -m harness check: interrupted")
    if form:
        assert [(run["seed"], run["held"]) for run in json.loads(out)["runs"]] == [(0, True)]
    else:
        assert "held in each of the last 3 epochs by 1 of 1" in out


def test_the_recipe_that_is_taken_without_another_is_that_of_the_funnel() -> None:
    assert NAMED["one-cycle"] == find("frontier/step6").recipe


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            "mine.py:Net --train --recipe nothing",
            "no recipe is named 'nothing'; nearest: one-cycle, plain, or give file.py:NAME",
        ),
        ("mine.py:Net --train --recipe mine.py:OTHER", "mine.py:OTHER is int, and no harness.Recipe"),
        ("mine.py:Net --train --recipe five_steps/step9", "unknown step"),
        ("none.py", "say which network"),
        ("mine.py:Net --recipe plain", "--recipe is about training; give --train as well"),
        ("mine.py:Net --epochs 3", "--epochs is about training; give --train as well"),
        ("mine.py:Net --seed 3", "--seeds is about training; give --train as well"),
        ("mine.py:Net --goal 99.4", "--goal is about training; give --train as well"),
        ("mine.py:Net --device cpu", "--device is about training; give --train as well"),
        ("mine.py:Net --trainer eager", "--trainer is about training; give --train as well"),
        ("mine.py:Net --data .", "--data is about training; give --train as well"),
    ],
)
def test_a_wrong_word_is_an_error(check: Check, words: str, message: str) -> None:
    Path("none.py").write_text("x = 1\n")
    status, out, err = check(words)
    assert (status, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
