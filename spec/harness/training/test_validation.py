"""A recipe that holds out a share of the training images is judged on these and never looks at a test image."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import lr_scheduler

from harness import StepSpec
from harness.commands.verdict import verdict
from harness.data import MNIST, hold_out
from harness.data.synthetic import synthetic
from harness.errors import HarnessError
from harness.evidence import record
from harness.jobs.engines import Local
from harness.jobs.search import Rung, search
from harness.recipe import Adam, Recipe, ReduceLROnPlateau, RMSprop
from harness.run import EAGER, NATIVE, Epoch, Run, epoch_line
from harness.step import Step
from harness.training.ensemble import ensemble_trainer
from harness.training.train import next_epoch, training
from harness.training.trainer import Trainer, single_trainer
from spec.harness.training.test_settings import Network

RECIPE = Recipe(lr=0.02, batch_size=32, epochs=4, validation=0.2)
PLATEAU = ReduceLROnPlateau(patience=0, threshold=0.5, factor=0.3)  # sees one in most epochs, but not in all


def step_of(model: Any = Network, **settings: Any) -> type[Step]:
    recipe = replace(RECIPE, **settings)
    return type("Step", (StepSpec,), {"model": model, "recipe": recipe, "__module__": __name__})


@pytest.fixture(scope="module")
def data() -> MNIST:
    """200 images with a label each, of which a fifth is false; no test images at all."""
    whole = synthetic(200)
    labels = whole.train_labels.clone()
    labels[::5] = (labels[::5] + torch.arange(40) % 3) % 10
    return MNIST(whole.train_images, labels, whole.test_images[:0], whole.test_labels[:0])


def small() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(1, 4, 5, stride=3), nn.ReLU(), nn.Conv2d(4, 10, 3), nn.AdaptiveAvgPool2d(1)),
        *(nn.Flatten(), nn.LogSoftmax(1)),
    )


@torch.no_grad()
def judged(model: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float]:
    """Mean loss and accuracy in percent, in evaluation mode."""
    output = model.eval()((images[:, None] / 255 - 0.1307) / 0.3081)
    return F.nll_loss(output, labels).item(), 100 * (output.argmax(1) == labels).double().mean().item()


@pytest.mark.parametrize("trainer", [EAGER, NATIVE])
def test_training_uses_the_others_and_every_figure_is_of_the_images_held_out(data: MNIST, trainer: str) -> None:
    step = step_of(small)
    with training(step, [0], data, trainer) as one:
        [epoch] = next_epoch(step, [0], one)
        state = one.state()
    assert (len(one.data.train_labels), len(one.data.test_labels), one.images_per_epoch) == (160, 40, 160)
    pixels = sorted(image.sum().item() for part in (one.data.train_images, one.data.test_images) for image in part)
    assert pixels == sorted(image.sum().item() for image in data.train_images)
    model = small()
    model.load_state_dict({name.removeprefix("model."): state[name] for name in state if name.startswith("model.")})
    loss, accuracy = judged(model, one.data.test_images, one.data.test_labels)
    assert not isinstance(epoch, HarnessError)
    assert epoch.test_loss == pytest.approx(loss, abs=1e-4)
    assert epoch.test_accuracy == pytest.approx(accuracy)
    assert epoch.errors == ()  # an index into the images held out would be taken for one of a test image


def test_what_is_judged_on_images_held_out_is_called_so_and_is_no_record() -> None:
    step, epoch = step_of(small), Epoch(1, 90.0, 95.0, 0.1, 1.0)
    assert "train 90.00 held out 95.00" in epoch_line(step, 0, epoch)
    line = "is judged on training images that its recipe holds out"
    with pytest.raises(HarnessError, match=line):
        record.check(step, {}, [0])
    with pytest.raises(HarnessError, match=line):
        record.add(Run(step, 0, (epoch,)), replace=True)
    assert not record.path_of(step).exists()


def test_each_class_gives_its_share(data: MNIST) -> None:
    held = single_trainer(step_of(validation=0.25), 0, data).data.test_labels
    assert abs(held.bincount(minlength=10) - 0.25 * data.train_labels.bincount(minlength=10)).max() < 1


@pytest.mark.parametrize("share", [0.001, 0.999])
def test_a_share_of_no_image_is_one_line(data: MNIST, share: float) -> None:
    with pytest.raises(
        HarnessError, match=rf"^validation={share} holds out (0|200) of 200 images; take another share$"
    ):
        single_trainer(step_of(validation=share), 0, data)


def plain_rates(step: type[Step], seed: int, data: MNIST) -> tuple[list[float], dict[str, Tensor]]:
    """The rate of each epoch, and the weights after the last, by a plain loop with torch's scheduler."""
    split = hold_out(data, 40)
    torch.manual_seed(seed)
    model, shuffle, rates = step.model(), torch.Generator().manual_seed(seed), []
    optimizer: torch.optim.Optimizer = torch.optim.SGD(model.parameters(), 0.02, 0.9)
    if step.recipe.optimizer is not None:
        optimizer = getattr(torch.optim, type(step.recipe.optimizer).__name__)(model.parameters(), 0.02)
    schedule = step.recipe.schedule
    assert isinstance(schedule, ReduceLROnPlateau)
    plateau = lr_scheduler.ReduceLROnPlateau(optimizer, schedule.mode, 0.3, 0, schedule.threshold)
    for _ in range(4):
        rates.append(optimizer.param_groups[0]["lr"])
        model.train()
        for index in torch.randperm(160, generator=shuffle).split(32):
            optimizer.zero_grad()
            F.nll_loss(
                model((split.train_images[index][:, None] / 255 - 0.1307) / 0.3081), split.train_labels[index]
            ).backward()
            optimizer.step()
        loss, accuracy = judged(model, split.test_images, split.test_labels)
        plateau.step(loss if schedule.mode == "min" else accuracy)
    return rates, model.state_dict()


@pytest.mark.thorough
@pytest.mark.parametrize("optimizer", [None, Adam(), RMSprop()], ids=["SGD", "Adam", "RMSprop"])
@pytest.mark.parametrize("mode", ["min", "max"])
def test_a_plateau_lowers_the_rate_of_each_network_as_torch_does(data: MNIST, optimizer: Any, mode: Any) -> None:
    step, seeds = step_of(schedule=replace(PLATEAU, mode=mode), optimizer=optimizer), (0, 1, 2)
    several = ensemble_trainer(step, seeds, data)
    expected = {seed: plain_rates(step, seed, data) for seed in seeds}
    assert all(rates[-1] < rates[0] for rates, _ in expected.values())
    assert mode == "min" or len({tuple(rates) for rates, _ in expected.values()}) > 1
    for epoch in range(4):
        for network, seed in enumerate(seeds):
            assert several.rate_of(0, network) == pytest.approx(expected[seed][0][epoch])
        next_epoch(step, seeds, several)
    for network, seed in enumerate(seeds):
        one = single_trainer(step, seed, data)
        for epoch in range(4):
            assert one.rate_of(0) == pytest.approx(expected[seed][0][epoch])
            next_epoch(step, [seed], one)
        for name, value in expected[seed][1].items():
            torch.testing.assert_close(one.state()[f"model.{name}"], value, atol=1e-6, rtol=1e-6)
            torch.testing.assert_close(several.state()[f"model.{name}"][network], value, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", ["eager", "native", "together"])
def test_what_a_plateau_has_seen_resumes(data: MNIST, kind: str) -> None:
    step, seeds = step_of(small, schedule=PLATEAU, epochs=4), [0, 1] if kind == "together" else [0]

    def trainer() -> Trainer:
        with training(step, seeds, data, NATIVE if kind == "native" else EAGER) as made:
            return made

    whole = trainer()
    for _ in range(2):
        next_epoch(step, seeds, whole)
    saved = {name: value.clone() for name, value in whole.state().items()}
    assert whole.rate_of(0) < RECIPE.lr
    other = trainer()
    other.restore(saved, 2)
    for one in (whole, other):
        for _ in range(2):
            next_epoch(step, seeds, one)
    assert all(torch.equal(value, other.state()[name]) for name, value in whole.state().items() if name != "held_out")
    assert torch.equal(whole.held_out, other.held_out)


def test_the_native_trainer_leaves_the_last_batch_out_as_well(data: MNIST) -> None:
    step = step_of(small, validation=0.0, drop_last=True, batch_size=64)
    losses = []
    for name in (EAGER, NATIVE):
        with training(step, [0], data, name) as trainer:
            losses.append(trainer.train_epoch()[0])
            assert (trainer.steps_per_epoch, trainer.images_per_epoch) == (3, 192)
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)


def test_the_verdict_names_what_it_was_judged_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.evidence.record.runs", lambda step: [])
    for share, words in ((0.2, "99.40 % of the images held out held over"), (0.0, "99.40 % held over")):
        step = step_of(validation=share)
        monkeypatch.setattr(step, "goal", True, raising=False)
        runs = [Run(step, 0, tuple(Epoch(n, 99.0, 99.5, 0.1, 1.0) for n in range(1, 5)))]
        assert verdict(runs).startswith(words)


def test_a_search_that_holds_out_images_takes_no_candidate_that_does(tmp_path: Path) -> None:
    data = hold_out(synthetic(200), 40)
    with pytest.raises(HarnessError, match="a search holds out the images itself; leave out validation$"):
        search([step_of()], [Rung(1, 1)], tmp_path / "log", Local(torch.device("cpu")), data, lambda *_: None)
