"""Two steps and a third, with runs and networks that are written down by hand."""

from pathlib import Path

import pytest
from torch import nn

from harness import Recipe, discovery
from harness.recipe import RandomAffine
from harness.step import Step
from models.blocks import GlobalAverage, LogProbabilities
from spec.harness.evidence.records_of import keep, publish, step_with

# Accuracies of six seeds after each of six epochs, which differ by a hundredth of a point in test.
RISING = [90.0, 98.0, 99.0, 99.2, 99.3, 99.4]  # final mean 99.30
SWINGING = [97.0, 98.9, 98.5, 98.9, 98.5, 98.9]  # final mean 98.77
TRAINED = [80.0, 98.0, 99.0, 99.5, 99.7, 99.8]  # final mean 99.67
HINDERED = [95.0, 97.0, 98.0, 98.2, 98.3, 98.4]  # final mean 98.30
# Ninety misses: ten sixes taken for zeros, and the eighty other ordered pairs that are left, once each.
PAIRS = [(true, guess) for true in range(10) for guess in range(10) if true != guess]
MISSED = [(n, true, guess) for n, (true, guess) in enumerate([(6, 0)] * 10 + [p for p in PAIRS if p != (6, 0)][9:])]


Accuracies = dict[int, tuple[list[float], list[float]]]


def losses_of(test: list[float], share: float) -> dict[int, list[float]]:
    """Test losses of six seeds, of which each has so much more than the one before; the training loss is 0.1."""
    return {seed: [loss * (1 + share * seed) for loss in test] for seed in range(6)}


LOSSES = losses_of([0.9, 0.08, 0.04, 0.06, 0.03, 0.02], 1e-5)
OTHER_LOSSES = losses_of([0.02, 0.03, 0.06, 0.04, 0.08, 0.9], -1e-5)


def six(train: list[float], test: list[float], apart: float = 0.01) -> Accuracies:
    """Seeds 0 to 5 with these accuracies, moved up and down in turn, in training the other way.

    Some millionths up or down from the third epoch to the fourth keep everything else from being the same in all.
    """

    def moved(accuracies: list[float], off: float, seed: int) -> list[float]:
        bent = [0.0, 0.0, -1e-6 * seed, 1e-6 * seed, 0.0, 0.0]
        return [round(value + off + bend, 6) for value, bend in zip(accuracies, bent, strict=True)]

    turns = enumerate((0.0, apart, -apart) * 2)
    return {seed: (moved(train, -off, -seed), moved(test, off, seed)) for seed, off in turns}


class Small(nn.Sequential):
    """36 + 8 + 50 parameters."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(1, 4, 3, padding=1, bias=False),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Dropout(0.1),
            nn.MaxPool2d(2),
            nn.Conv2d(4, 10, 1),
            GlobalAverage(),
            LogProbabilities(),
        )


class Bare(nn.Sequential):
    """100 parameters: a wider bias for the normalization, and no dropout."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(1, 5, 3, padding=1, bias=False),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(5, 9, 1, bias=False),
            nn.Conv2d(9, 10, 1),
            GlobalAverage(),
            LogProbabilities(),
        )


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> type[Step]:
    """The step mine/a, which rises, beside mine/b, which follows it and swings, and mine/c, which has no record."""
    turned = Recipe(lr=0.1, batch_size=32, epochs=6, augmentation=RandomAffine(degrees=7))
    a = step_with(tmp_path, "mine/a", model=Small)
    b = step_with(tmp_path, "mine/b", model=Bare, recipe=turned, follows="mine/a")
    c = step_with(tmp_path, "mine/c", model=Small)
    # Their final test accuracies are 99.3 and 98.7667.
    keep(a, six(TRAINED, RISING), MISSED, LOSSES, clean=dict.fromkeys(range(6), 99.6667))
    keep(b, six(HINDERED, SWINGING, apart=0.0), losses=OTHER_LOSSES, clean=dict.fromkeys(range(6), 98.3))
    publish(b, HINDERED, [96.0, 97.0, 98.0, 98.4, 98.5, 98.6])
    monkeypatch.setattr(discovery, "steps", lambda: {"mine/a": a, "mine/b": b, "mine/c": c})
    return a
