"""A network that returns logits trains as one with a log-softmax behind it; what is neither is refused in one line."""

import warnings
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness import Recipe, StepSpec
from harness.__main__ import _warning_line
from harness.data import MNIST
from harness.data.synthetic import synthetic
from harness.errors import HarnessError
from harness.run import EAGER, NATIVE
from harness.step import Step
from harness.training import native
from harness.training import weights as weight_files
from harness.training.ensemble import ensemble_trainer
from harness.training.network import check_output, classifier, prepared, returns_logits
from harness.training.overfit import overfit_one_batch
from harness.training.train import training
from harness.training.trainer import single_trainer

CPU = torch.device("cpu")
RECIPE = Recipe(lr=0.05, batch_size=32, epochs=2)


def layers() -> list[nn.Module]:
    return [nn.Conv2d(1, 6, 5, stride=3), nn.ReLU(), nn.Conv2d(6, 10, 3), nn.AdaptiveAvgPool2d(1)]


class Ends(nn.Sequential):
    """Some layers, and what is done with the class maps (N, 10, 1, 1) at their end."""

    def __init__(self, end: Callable[[Tensor], Tensor], zeros: bool = False) -> None:
        super().__init__(*layers())
        self.end = end
        if zeros:
            nn.init.zeros_(self[2].weight)  # type: ignore[arg-type]
            nn.init.zeros_(self[2].bias)  # type: ignore[arg-type]

    def forward(self, images: Tensor) -> Tensor:
        maps: Tensor = super().forward(images)  # type: ignore[no-untyped-call]
        return self.end(maps)


def logits(maps: Tensor) -> Tensor:
    return maps.flatten(1)


def log_probabilities(maps: Tensor) -> Tensor:
    return F.log_softmax(maps.flatten(1), dim=1)


def step_of(model: Callable[[], nn.Module], recipe: Recipe = RECIPE) -> type[Step]:
    return type("Step", (StepSpec,), {"model": model, "recipe": recipe, "__module__": __name__})


@pytest.fixture(scope="module")
def data() -> MNIST:
    return synthetic(180)


@pytest.mark.parametrize("zeros", [False, True], ids=["drawn", "zeros"])
@pytest.mark.parametrize(
    ("end", "output"),
    [
        (logits, "logits"),
        (lambda maps: maps.flatten(1).relu(), "logits"),
        (lambda maps: maps.flatten(1).sigmoid(), "logits"),
        (lambda maps: F.logsigmoid(maps.flatten(1)), "logits"),
        (log_probabilities, "log-probabilities"),
        (lambda maps: F.log_softmax(maps, dim=1).view(-1, 10), "log-probabilities"),
        (lambda maps: F.softmax(maps.flatten(1), dim=-1).log(), "log-probabilities"),
        (lambda maps: (F.softmax(maps.flatten(1), dim=-1) + 1e-8).log(), "log-probabilities"),
    ],
    ids=["logits", "relu", "sigmoid", "log-sigmoid", "log_softmax", "of maps", "log of softmax", "nearly"],
)
def test_what_a_network_returns_is_seen_in_its_output(end: Any, output: str, zeros: bool) -> None:
    """Of zeros, too: then the logits of all classes are equal, and log-probabilities are so as well."""
    torch.manual_seed(3)
    model = Ends(end, zeros)
    before = deepcopy(model.state_dict())
    assert check_output("it", model, CPU) == output
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def squeezed(maps: Tensor) -> Tensor:
    return maps[:, :, 0, 0]


WRONG: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "softmax": (lambda maps: F.softmax(squeezed(maps), dim=1), "probabilities;"),
    "log_softmax over the batch": (
        lambda maps: F.log_softmax(squeezed(maps), dim=0),
        "log-probabilities over the batch and not over the classes;",
    ),
    "softmax over the batch": (lambda maps: F.softmax(maps, dim=0).flatten(1), "probabilities over the batch;"),
    "softmax over everything": (
        lambda maps: F.softmax(maps.flatten(), dim=0).view(-1, 10),
        "probabilities over batch and classes together;",
    ),
    "log_softmax over everything": (
        lambda maps: F.log_softmax(maps.flatten(), dim=0).view(-1, 10),
        "log-probabilities over batch and classes together and",
    ),
    "log_softmax over rows": (
        lambda maps: F.log_softmax(maps, dim=2).flatten(1),
        "0 for every class of every image, as",
    ),
    "softmax over rows": (lambda maps: F.softmax(maps, dim=-1).flatten(1), "1 for every class of every image, as"),
    "softmax over columns and a mean": (
        lambda maps: F.softmax(maps.expand(-1, -1, 1, 4), dim=3).mean((2, 3)),
        "0.25 for every class of every image, as",
    ),
}


@pytest.mark.parametrize("zeros", [False, True], ids=["drawn", "zeros"])
@pytest.mark.parametrize("case", WRONG)
def test_what_is_neither_is_refused_wherever_it_would_train(case: str, zeros: bool, data: MNIST) -> None:
    end, words = WRONG[case]
    step = step_of(lambda: Ends(end, zeros))
    for use in (
        lambda: overfit_one_batch(step),
        lambda: single_trainer(step, 0, data),
        lambda: ensemble_trainer(step, [0, 1], data),
        lambda: native.native_trainer(step, 0, data),
        lambda: native.refusal(step),
    ):
        with pytest.raises(
            HarnessError, match=f"the model returns {words}.*return logits, or log_softmax of them with dim=1$"
        ):
            use()


def test_a_dead_relu_is_no_softmax() -> None:
    class Dead(Ends):
        def __init__(self) -> None:
            super().__init__(lambda maps: maps.flatten(1).relu(), zeros=True)
            nn.init.constant_(self[2].bias, -5.0)  # type: ignore[arg-type]

    assert check_output("it", Dead(), CPU) == "logits"


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (lambda: Ends(lambda maps: torch.complex(logits(maps), logits(maps))), "returns torch.complex64, not floating"),
        (lambda: Ends(lambda maps: logits(maps).argmax(1)), "into 2, not 2 x 10"),
        (lambda: Ends(lambda maps: maps), "into 2 x 10 x 1 x 1, not 2 x 10"),
        (lambda: Ends(lambda maps: (logits(maps),)), "into a tuple, not 2 x 10"),  # type: ignore[arg-type, return-value]
        (lambda: Ends(lambda maps: dict[int, Tensor]()[0]), "its forward pass raised KeyError: 0"),
        (lambda: nn.Sequential(nn.AdaptiveAvgPool2d((2, 5)), nn.Flatten()), "has no parameters to train"),
    ],
    ids=["complex", "classes", "maps", "tuple", "error", "none"],
)
def test_what_cannot_be_trained_is_one_line(model: Callable[[], nn.Module], words: str) -> None:
    with pytest.raises(HarnessError, match=words) as caught:
        check_output("it", model(), CPU)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["eager", "together", "native"])
def test_logits_train_as_log_probabilities_do(kind: str, data: MNIST) -> None:
    """The network that returns log-probabilities has its log-softmax in its forward."""
    seeds = [0, 1] if kind == "together" else [0]
    found = []
    for end in ([], [nn.LogSoftmax(1)]):
        step = step_of(lambda end=end: nn.Sequential(*layers(), nn.Flatten(), *end))  # type: ignore[misc]
        with training(step, seeds, data, NATIVE if kind == "native" else EAGER) as trainer:
            found.append((trainer.train_epoch(), trainer.test(), trainer.state()))
    (losses, tested, state), (expected, right, other) = found
    assert losses == expected
    assert tested == right
    assert state.keys() == other.keys()
    assert all(torch.equal(value, other[name]) for name, value in state.items())


def test_the_average_and_the_weights_of_logits_predict_log_probabilities(data: MNIST) -> None:
    step = step_of(lambda: Ends(logits), Recipe(lr=0.05, batch_size=32, epochs=1, average=0.5))
    trainer = single_trainer(step, 0, data)
    trainer.train_epoch()
    images = torch.randn(4, 1, 28, 28)
    network = weight_files.trained(step, 0, trainer.state()).network
    for predicts in (network, deepcopy(network), trainer.evaluated.eval()):
        assert predicts(images).exp().sum(1).tolist() == pytest.approx([1.0] * 4, abs=1e-5)
    torch.testing.assert_close(network(images), trainer.evaluated(images))


def test_a_log_softmax_without_a_dimension_is_a_warning_once_and_trains(data: MNIST) -> None:
    step = step_of(lambda: Ends(lambda maps: F.log_softmax(maps.flatten(1))))
    with pytest.warns(UserWarning, match="Implicit dimension choice for log_softmax") as caught:
        assert check_output("it", step.model(), CPU) == "log-probabilities"
    assert {Path(warning.filename).name for warning in caught} == {"test_network.py"}
    expected = single_trainer(step_of(lambda: Ends(log_probabilities)), 0, data).train_epoch()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with training(step, [0], data) as trainer:
            assert trainer.train_epoch() == expected


def test_a_warning_is_one_line_that_says_where() -> None:
    shown = _warning_line(UserWarning("Change\nthe call"), UserWarning, "a.py", 7, "x = 1")
    assert shown == "python -m harness: warning: Change the call (a.py:7)\n"


def test_a_classifier_stays_one() -> None:
    step = step_of(lambda: Ends(logits))
    model = classifier(step, step.model(), CPU)
    assert returns_logits(model)
    assert returns_logits(classifier(step, model, CPU))
    assert len(model._forward_hooks) == 1
    assert not returns_logits(classifier(step, Ends(log_probabilities), CPU))


def test_the_check_draws_nothing(data: MNIST) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    prepared(step_of(lambda: Ends(logits)), Ends(lambda maps: F.dropout(logits(maps), 0.5)), CPU)
    torch.manual_seed(5)
    Ends(logits)
    after = torch.get_rng_state()
    torch.manual_seed(5)
    prepared(step_of(lambda: Ends(logits)), Ends(logits), CPU)
    assert torch.equal(torch.get_rng_state(), after)
    assert not torch.equal(before, after)
