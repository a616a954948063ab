"""Training steps are recorded and replayed; operations of the CPU stand in for those of a GPU."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from harness import Recipe
from harness.data.synthetic import synthetic
from harness.recipe import Adam, OneCycle, RandomAffine, StepLR
from harness.training import dropout
from harness.training.cuda_graph import WARM_UP, StepGraphs
from harness.training.ensemble import EnsembleTrainer
from spec.harness.training.graph_stand_in import Cuda
from spec.harness.training.graph_stand_in import cuda as cuda
from spec.harness.training.test_ensemble import Small

DEVICE = torch.device("cuda", 1)
RECIPE = Recipe(lr=0.05, batch_size=32, epochs=2)


@pytest.fixture(autouse=True)
def one_draw_for_a_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU; on the CPU, how many numbers are drawn depends on those before."""

    def mask(like: Tensor, rate: float, generator: torch.Generator) -> Tensor:
        return torch.empty_like(like).bernoulli_(1 - rate, generator=generator).div_(1 - rate)

    monkeypatch.setattr(dropout, "mask", mask)


def ensemble(recipe: Recipe, *, recorded: bool) -> EnsembleTrainer:
    """Two networks with 70 images: in an epoch two batches of 32 and one of 6."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        trainer = EnsembleTrainer([Small(), Small()], recipe, synthetic(70), [3, 0])
    if recorded:
        generators = [*trainer.augmentations, *trainer.dropouts]
        trainer.graphs = StepGraphs(trainer.train_step, DEVICE, generators)
    return trainer


@pytest.mark.parametrize(
    "recipe",
    [
        replace(RECIPE, nesterov=True, weight_decay=1e-3, schedule=StepLR(1, 0.3)),
        replace(RECIPE, optimizer=Adam(), lr=0.01, schedule=OneCycle(), average=0.9),
        replace(RECIPE, augmentation=RandomAffine(degrees=10, fill=1), l1=1e-4, clip_grad_norm=1.0),
    ],
    ids=["rates by epoch", "rates by step, averaged", "augmented"],
)
def test_replays_train_as_eager_steps_do(recipe: Recipe, cuda: Cuda) -> None:
    eager, recorded = ensemble(recipe, recorded=False), ensemble(recipe, recorded=True)
    for _ in range(5):  # of which the last replays a batch of 6
        assert recorded.train_epoch() == eager.train_epoch()
    assert [test.loss for test in recorded.test()] == [test.loss for test in eager.test()]
    assert len(cuda.graphs) == 2


def test_each_shape_is_recorded_once_after_some_eager_steps_in_memory_that_all_share(cuda: Cuda) -> None:
    trainer = ensemble(RECIPE, recorded=True)
    for _ in range(WARM_UP + 2):
        trainer.launch_epoch()
    expected = [*["eager"] * WARM_UP, "eager", "record", "eager", "eager", "record"]
    assert [call for call in cuda.calls if call in ("eager", "record")] == expected
    assert trainer.graphs is not None
    assert (cuda.settings["pool"], cuda.settings["stream"]) == (trainer.graphs.pool, trainer.graphs.stream)
