"""A short training by each trainer, in single precision as all are, has the numbers that are committed.

The native trainer has them to the last bit. Eager torch sums in an order that depends on the width of the vectors, and
sixteen training steps magnify a rounding error: AVX2 and AVX-512 differ by 4e-9, and by 4e-5 from SSE.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from harness import Recipe, StepSpec
from harness.data.synthetic import synthetic
from harness.recipe import RandomAffine, StepLR
from harness.run import EAGER, NATIVE
from harness.training.native import NUMERICS
from harness.training.train import training
from models.blocks import Conv, GlobalAverage, LogProbabilities
from spec.harness.training.native.compilers import needs_compiler

GOLDEN = Path(__file__).with_name("golden.json")
TOLERANCE = 1e-4  # in these steps the training loss falls by 2e-2
ADVICE = "if that is meant, write them with: python -m spec.harness.training.test_golden"
TRAINERS = {"eager, alone": (EAGER, [3]), "eager, together": (EAGER, [3, 7]), "native": (NATIVE, [3])}


class Network(nn.Sequential):
    """The layers of the ladders, in 1,000 weights."""

    def __init__(self) -> None:
        super().__init__(
            Conv(1, 6, 3, "relu", "bn", 0.05),
            nn.MaxPool2d(2),
            Conv(6, 10, 3, "bn", "relu", stride=2, bias=False),
            Conv(10, 10, 1),
            GlobalAverage(),
            LogProbabilities(),
        )


class Short(StepSpec):
    """Two epochs of eight steps, the last of each on fewer images."""

    model = Network
    recipe = Recipe(
        lr=0.2,
        batch_size=32,
        epochs=2,
        nesterov=True,
        weight_decay=1e-3,
        schedule=StepLR(1, 0.5),
        average=0.5,
        augmentation=RandomAffine(
            degrees=8, translate=0.1, scale=(0.9, 1.1), interpolation="bilinear", on="tensor", fill=-0.4
        ),
    )


def numbers(trainer: str, seeds: list[int]) -> dict[str, Any]:
    """For each seed the training loss of both epochs, and the test loss after the last."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with training(Short, seeds, synthetic(230), trainer) as run:
            epochs = [[loss for loss, _ in run.train_epoch()] for _ in range(Short.recipe.epochs)]
            tests = [test.loss for test in run.test()]
    finally:
        torch.set_num_threads(threads)
    return {str(seed): list(row) for seed, *row in zip(seeds, *epochs, tests, strict=True)}


@pytest.mark.parametrize("name", [name for name in TRAINERS if name.startswith(EAGER)])
def test_eager_torch_has_the_committed_numbers(name: str) -> None:
    found, golden = numbers(*TRAINERS[name]), json.loads(GOLDEN.read_text())[name]
    assert found.keys() == golden.keys()
    for seed, losses in golden.items():
        assert found[seed] == pytest.approx(losses, rel=TOLERANCE), ADVICE


@needs_compiler
def test_the_native_trainer_has_the_committed_numbers_to_the_last_bit() -> None:
    golden = json.loads(GOLDEN.read_text())
    assert (golden["numerics"], golden["native"]) == (NUMERICS, numbers(*TRAINERS["native"])), ADVICE


if __name__ == "__main__":
    written = {"numerics": NUMERICS, **{name: numbers(*how) for name, how in TRAINERS.items()}}
    GOLDEN.write_text(json.dumps(written, indent=2) + "\n")
