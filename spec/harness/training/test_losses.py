"""A taught network learns from the labels and from its teacher, whose weights must be those that the recipe names."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from harness import Recipe
from harness.data import MNIST
from harness.errors import HarnessError
from harness.jobs.engines import Local
from harness.jobs.search import Rung, search
from harness.recipe import Teacher
from harness.recipe.augmentations import Normalize
from harness.run import EAGER, NATIVE
from harness.step import Step
from harness.training import losses, weights
from harness.training.train import training
from spec.harness.jobs import small
from spec.harness.jobs.small import Call, Plain
from spec.harness.jobs.small import call as call
from spec.harness.training.in_memory import run_alone, run_together

CPU = torch.device("cpu")


@pytest.fixture
def teacher(call: Call) -> Teacher:
    """A network with random weights, in the folder of small/plain."""
    torch.manual_seed(11)
    path = weights.save(weights.Trained(Plain, 0, small.Network()))
    return Teacher("small/plain", hashlib.sha256(path.read_bytes()).hexdigest()[:16], share=0.7, temperature=3.0)


@pytest.fixture
def taught(teacher: Teacher, monkeypatch: pytest.MonkeyPatch) -> type[Step]:
    """small/simple with that teacher."""
    monkeypatch.setattr(small.Simple, "recipe", replace(small.Simple.recipe, teacher=teacher))
    return small.Simple


def softened(logits: np.ndarray, temperature: float) -> np.ndarray:
    powers: np.ndarray = np.exp(logits / temperature)
    shares: np.ndarray = powers / powers.sum(axis=1, keepdims=True)
    return shares


def test_the_loss_is_that_of_the_paper(teacher: Teacher) -> None:
    generator = torch.Generator().manual_seed(5)
    images, logits = torch.randn(8, 1, 28, 28, generator=generator), torch.randn(8, 10, generator=generator)
    labels = torch.arange(8)
    network = small.Network()
    network.load_state_dict(weights.read(Plain).network.state_dict())
    with torch.no_grad():
        other = network.eval()(images).double().numpy()
    p, q = softened(other, 3.0), softened(logits.double().numpy(), 3.0)
    of_labels = -np.log(softened(logits.double().numpy(), 1.0)[np.arange(8), labels])
    expected = 0.3 * of_labels + 0.7 * 9.0 * (p * np.log(p / q)).sum(axis=1)
    loss = losses.DistillationLoss(teacher, CPU)
    given = images, F.log_softmax(logits, 1), labels
    assert loss(*given, reduction="none").numpy() == pytest.approx(expected, rel=1e-4)
    assert loss(*given).item() == pytest.approx(expected.mean(), rel=1e-4)


def test_who_says_what_the_teacher_says_has_nothing_to_learn_from_it(teacher: Teacher) -> None:
    images = torch.randn(4, 1, 28, 28, generator=torch.Generator().manual_seed(5))
    logits = weights.read(Plain).network(images).detach().requires_grad_()
    loss = losses.DistillationLoss(replace(teacher, share=1.0), CPU)(
        images, F.log_softmax(logits, 1), torch.zeros(4).long()
    )
    loss.backward()
    assert logits.grad is not None
    assert loss.item() == pytest.approx(0.0, abs=1e-5)
    assert logits.grad.abs().max() < 1e-6


def test_a_teacher_is_not_changed_and_its_pupil_is(taught: type[Step]) -> None:
    data = small.images()
    before = weights.path_of(Plain).read_bytes()
    last, alone = (run_alone(step, 0, data).epochs[-1] for step in (taught, untaught(taught)))
    assert weights.path_of(Plain).read_bytes() == before
    assert last.train_loss != alone.train_loss


def test_seeds_that_are_taught_together_are_taught_as_each_alone(taught: type[Step]) -> None:
    data = small.images()
    for history in run_together(taught, [4, 9], data):
        for among, alone in zip(history.epochs, run_alone(taught, history.seed, data).epochs, strict=True):
            assert among.train_loss == pytest.approx(alone.train_loss, abs=1e-5)


def test_a_teacher_who_is_not_there_or_is_another_is_one_line(taught: type[Step], call: Call) -> None:
    status, _, err = call("small/simple --seed 0")
    assert status == 0, err
    weights.save(weights.Trained(Plain, 0, small.Network()))
    status, runs, err = call("small/simple --seed 0")
    assert (status, runs, err.count("\n")) == (2, [], 1)
    assert "taught by small/plain with the weights" in err
    assert "restore it with git" in err
    weights.path_of(Plain).unlink()
    status, _, err = call("small/simple --seed 0")
    assert (status, err.count("\n")) == (2, 1)
    assert "small/plain has no weights; make them with: python -m harness verify small/plain --train --seed SEED" in err


@pytest.mark.parametrize("trainer", [EAGER, NATIVE])
def test_a_teacher_who_learnt_from_other_numbers_is_one_line(
    trainer: str, taught: type[Step], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On images in units of 0 to 1 its predictions would be those of a network that was never trained on them."""
    monkeypatch.setattr(taught, "recipe", replace(taught.recipe, normalize=Normalize(0.0, 1.0)))
    for seeds in ([0], [0, 1])[: 1 if trainer == NATIVE else 2]:
        with pytest.raises(HarnessError) as error, training(taught, seeds, small.images(), trainer):
            pass
        assert str(error.value).endswith(
            "a recipe with Normalize(mean=0.0, std=1.0) is taught by small/plain, which was trained with "
            "Normalize(mean=0.1307, std=0.3081); give the recipe the normalize of its teacher"
        )


def test_what_a_teacher_would_spoil_is_refused(taught: type[Step], tmp_path: Path) -> None:
    data: MNIST = small.images()
    with pytest.raises(HarnessError, match="a teacher of the repository has seen the images held out"):
        search([taught], [Rung(1, 1)], tmp_path / "log.jsonl", Local(CPU), data, lambda *_: None)


def test_other_weights_are_another_recipe_and_none_are_what_there_was() -> None:
    plain = Recipe(lr=0.1, batch_size=64, epochs=2)
    assert "teacher" not in repr(plain)
    assert repr(plain).startswith("Recipe(lr=0.1, batch_size=64, epochs=2, momentum=0.9, nesterov=False, ")
    assert repr(plain).endswith(", average=None)")
    one, other = (replace(plain, teacher=Teacher("a/b", digest)) for digest in ("0" * 16, "1" * 16))
    assert len({repr(plain), repr(one), repr(other)}) == 3


@pytest.mark.parametrize(
    ("settings", "name"), [({"share": 0.0}, "share"), ({"share": 1.1}, "share"), ({"temperature": 0.0}, "temperature")]
)
def test_a_teacher_that_makes_no_sense_is_refused(settings: dict[str, float], name: str) -> None:
    with pytest.raises(ValueError, match=f"Teacher.{name}"):
        Teacher("a/b", "0" * 16, **settings)


def untaught(step: type[Step]) -> type[Step]:
    """The same step without its teacher."""
    return type("Untaught", (step,), {"recipe": replace(step.recipe, teacher=None)})
