"""What the network and the recipe decide, with its evidence: a network of which every number is counted by hand."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from harness import Recipe, discovery
from harness.claims import decide
from harness.recipe import StepLR
from harness.step import Step
from models.blocks import GlobalAverage, LogProbabilities
from spec.harness.evidence.records_of import step_with


class Frozen(nn.Conv2d):
    """A convolution whose weights are not trained."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int) -> None:
        super().__init__(channels_in, channels_out, kernel, bias=False)
        self.weight.requires_grad = False


class Odd(nn.Sequential):
    """Convolutions of 40, 108, 72 and 70 trained parameters, two with a bias, and a normalization of 6."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(1, 4, 3, padding=1),  # 28 x 28, a field of 3
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.Conv2d(4, 3, 3, bias=False),  # 26 x 26, a field of 5
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.MaxPool2d(2),  # 13 x 13, a field of 6
            nn.Dropout(0.0),
            Frozen(3, 3, 1),
            nn.BatchNorm2d(3),
            nn.Conv2d(3, 6, (2, 2), bias=False, padding=(0, 1)),  # 12 x 14, a field of 8
            nn.MaxPool2d(2),  # 6 x 7, a field of 10
            nn.Conv2d(6, 10, 1),
            GlobalAverage(),
            LogProbabilities(),
        )


class Stripes(nn.Sequential):
    """Convolutions of 3 x 1 and no pool: a field of 5 x 1, then of the whole image."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(1, 2, (3, 1), bias=False),
            nn.Dropout(0.1),
            nn.Conv2d(2, 10, (3, 1)),
            nn.Dropout(0.25),
            nn.Flatten(2),
            Middle(),
            nn.LogSoftmax(1),
        )


class Tall(nn.Sequential):
    """A pool behind a convolution of 3 x 1."""

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(1, 10, (3, 1)), nn.MaxPool2d(2), GlobalAverage(), LogProbabilities())


class Twice(nn.Module):
    """A convolution of 36 weights on 26 x 26 pixels, and one of 144 that acts twice, on 24 x 24 and on 22 x 22."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.twice, self.last = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 10, 22)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.last(self.twice(self.twice(self.first(images)))).flatten(1)
        return scores


class Middle(nn.Module):
    """One element of each channel."""

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return rows[:, :, 350]


KERNELS = "conv3x3 then conv3x3 then max-pool then conv1x1 then conv2x2 then max-pool then conv1x1"
EVIDENCE = {
    "has 296 parameters": "296 parameters",  # 40 + 108 + 6 + 72 + 70, without the 9 that are frozen
    "has fewer than 297 parameters": "296 parameters",
    "has fewer parameters than mine/wide": "296 to 592 parameters",
    "has 2 times fewer parameters than mine/wide": "2.0 times fewer parameters",
    "mine/wide has 296 parameters more than mine/odd": "+296 parameters",
    "has 108 parameters in one layer": "108 parameters in the largest layer",
    "has 2 relu then dropout": "relu then dropout: 2 times",
    "has 1 dropout then max-pool": "dropout then max-pool: 1 times",
    "has 1 conv1x1 then global-average": "conv1x1 then global-average: 1 times",
    "has no relu then max-pool": "relu then max-pool: 0 times",
    "ends in conv1x1 then global-average": "ends in conv1x1 then global-average",
    "has the kernels of mine/odd": KERNELS,
    "has 2 biases": "2 layers with a bias",
    "pads 2 convolutions": "2 padded convolutions",
    "drops 20 % in 2 places": "dropout: 20 % in 2 places",
    "pools after 2 convolutions": "max-pool after 2 convolutions",
    "pools at a field of 5": "max-pool at a field of 5",
    # 36 x 784, 108 x 676, 9 x 169, 72 x 168 and 60 x 42: 73,008 of 117,369
    "multiplies most in convolution 2": "convolution 2, with 62% of the multiplications",
    # 36 x 676, 144 x (576 + 484) and 19,360: 152,640 of 196,336
    "mine/twice multiplies most in convolution 2": "convolution 2, with 78% of the multiplications",
    "mine/tall pools at a field of 3": "max-pool at a field of 3",  # counted down the rows
    "trains with schedule.gamma 0.5": "schedule.gamma 0.5",
    "trains with the schedule.gamma of mine/wide": "schedule.gamma 0.5, 0.5",
    "changes batch_size since mine/odd@64": "changes batch_size",
    "changes only batch_size since mine/odd@64": "changes batch_size",
    "changes nothing since mine/odd": "changes nothing",
}
REFUTED = {
    "has fewer than 296 parameters": "296 parameters",
    "has fewer parameters than mine/odd": "296 to 296 parameters",
    "has 1 times fewer parameters than mine/wide": "2.0 times fewer parameters",
    "has 296 parameters more than mine/wide": "-296 parameters",
    "ends in global-average then conv1x1": "ends in conv1x1 then global-average",
    "has the kernels of mine/stripes": KERNELS,
    "drops 20 % in 3 places": "dropout: 20 % in 2 places",
    "mine/stripes drops 10 % in 1 places": "dropout: 10 %, 25 % in 2 places",
    "mine/wide drops 10 % in 1 places": "dropout: none in 0 places",
    "mine/stripes pools after 0 convolutions": "max-pool after 0 convolutions",
    "mine/stripes pools at a field of 5": "no max-pool",
    "pools at a field of 8": "max-pool at a field of 5",
    "mine/wide multiplies most in convolution 1": "no convolution",
    "mine/stripes has a receptive field of 5": "receptive field of 5",
    "trains with the batch_size of mine/odd@64": "batch_size 32, 64",
    "changes batch_size and lr since mine/odd@64": "changes batch_size",
    "changes only batch_size and lr since mine/odd@64": "changes batch_size",
    "changes nothing since mine/odd@64": "changes batch_size",
}


@pytest.fixture
def odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> type[Step]:
    """The step mine/odd, beside one of other batches, one of twice the parameters, and one that pools nothing."""
    recipe = Recipe(lr=0.1, batch_size=32, epochs=6, schedule=StepLR(2, 0.5))
    other = Recipe(lr=0.1, batch_size=64, epochs=6, schedule=StepLR(2, 0.5))

    def step(name: str, model: Callable[[], nn.Module], recipe: Recipe = recipe) -> type[Step]:
        return step_with(tmp_path, name, model=staticmethod(model), recipe=recipe)

    known = [
        step("mine/odd", Odd),
        step("mine/odd@64", Odd, other),
        step("mine/wide", lambda: nn.Sequential(nn.Linear(28, 20), nn.Flatten(), nn.Linear(1, 6), LogProbabilities())),
        step("mine/stripes", Stripes),
        step("mine/tall", Tall),
        step("mine/twice", Twice),
    ]
    monkeypatch.setattr(discovery, "steps", lambda: {step.id: step for step in known})
    return known[0]


@pytest.mark.parametrize(
    ("claim", "word", "evidence"),
    [
        *((claim, "supported", evidence) for claim, evidence in EVIDENCE.items()),
        *((claim, "refuted", evidence) for claim, evidence in REFUTED.items()),
    ],
)
def test_a_fact_is_decided_by_what_was_counted(odd: type[Step], claim: str, word: str, evidence: str) -> None:
    verdict = decide(odd, claim)
    assert (verdict.word, verdict.evidence) == (word, evidence)
