"""A network is that of its seed, also if its constructor draws from the generators of numpy or Python."""

import random
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from harness.data.synthetic import synthetic
from harness.errors import HarnessError
from harness.step import Step
from harness.training.ensemble import ensemble_trainer
from harness.training.native.initial import initialized
from harness.training.overfit import overfit_one_batch
from harness.training.seeding import seeded
from harness.training.train import train_one
from harness.training.trainer import single_trainer
from spec.harness.jobs.small import Plain


class Foreign(nn.Sequential):
    """A linear network whose weights torch, numpy and Python draw."""

    def __init__(self) -> None:
        super().__init__(nn.Flatten(), nn.Linear(784, 10), nn.LogSoftmax(1))
        weight: Tensor = self[1].weight.data  # type: ignore[assignment]
        weight[0] = torch.from_numpy(np.random.rand(784))
        weight[1] = torch.tensor([random.random() for _ in range(784)])


STEP: type[Step] = type("Drawn", (Plain,), {"model": Foreign, "__module__": __name__})
DATA = synthetic(64)
BUILT: dict[str, Callable[[int], Tensor]] = {
    "alone": lambda seed: weights(single_trainer(STEP, seed, DATA).state(), "model.1.weight"),
    "together": lambda seed: weights(ensemble_trainer(STEP, (1, seed), DATA).state(), "model.1.weight")[1],
    "initialized": lambda seed: weights(initialized(STEP.network, seed).state_dict(), "1.weight"),
}


def weights(state: dict[str, Tensor], name: str) -> Tensor:
    return state[name]


@pytest.mark.parametrize("seed", [0, 5, 2**40 + 3])
@pytest.mark.parametrize("name", BUILT)
def test_a_constructor_draws_from_generators_that_have_the_seed(name: str, seed: int) -> None:
    with torch.random.fork_rng(devices=[]):
        drawn = BUILT[name](seed)
    of_numpy, of_python = np.random.RandomState((seed % 2**32, seed >> 32)), random.Random(seed)
    assert torch.equal(drawn[0], torch.from_numpy(of_numpy.rand(784)).float())
    assert torch.equal(drawn[1], torch.tensor([of_python.random() for _ in range(784)]))


@pytest.mark.parametrize("name", [*BUILT, "overfit"])
def test_the_generators_of_numpy_and_python_are_as_before(name: str) -> None:
    np.random.seed(3)
    random.seed(3)
    with torch.random.fork_rng(devices=[]):
        BUILT[name](7) if name in BUILT else overfit_one_batch(STEP)
    assert np.random.rand() == np.random.RandomState(3).rand()
    assert random.random() == random.Random(3).random()


@pytest.mark.parametrize(
    ("name", "draw"), [("random", random.random), ("numpy.random", np.random.rand)], ids=["python", "numpy"]
)
def test_a_forward_that_draws_from_what_no_seed_reaches_is_refused(name: str, draw: Callable[[], float]) -> None:
    class Noisy(Foreign):
        def forward(self, images: Tensor) -> Tensor:
            found: Tensor = super().forward(images)  # type: ignore[no-untyped-call]
            return found * (1 + 0.1 * draw()) if self.training else found

    step: type[Step] = type("Noisy", (Plain,), {"model": Noisy, "__module__": __name__})
    with pytest.raises(HarnessError, match=f"seed 0: its forward draws from {name}, which no seed .*; draw with torch"):
        list(train_one(step, 0, DATA))


def test_they_are_as_before_after_a_constructor_that_fails() -> None:
    random.seed(3)
    with torch.random.fork_rng(devices=[]), pytest.raises(ZeroDivisionError), seeded(1):
        random.random() / 0
    assert random.random() == random.Random(3).random()


def test_with_a_gpu_its_generators_have_the_seed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: list[int] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch, "manual_seed", seeds.append)
    with seeded(6):
        pass
    assert seeds == [6]


def test_the_generator_of_torch_goes_on_from_its_seed() -> None:
    with torch.random.fork_rng(devices=[]):
        with seeded(4):
            torch.rand(2)
        assert torch.equal(torch.rand(3), torch.rand(5, generator=torch.Generator().manual_seed(4))[2:])
