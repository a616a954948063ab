"""The fingerprint of a step: whatever decides a run changes it, and nothing else does."""

import importlib
import itertools
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from harness import StepSpec, steps
from harness.evidence import record
from harness.hidden_settings import hidden_settings
from harness.provenance import fingerprint
from harness.step import Step


def test_a_fingerprint_follows_network_and_recipe_and_not_the_name() -> None:
    known = steps()
    third, fourth = known["five_steps/step3"], known["five_steps/step4"]
    renamed: type[Step] = type(
        "Other", (StepSpec,), {"__module__": __name__, "model": third.model, "recipe": third.recipe}
    )
    assert fingerprint(renamed) == fingerprint(third)
    assert fingerprint(third) != fingerprint(fourth)
    renamed.model = fourth.model
    renamed.recipe = fourth.recipe
    assert fingerprint(renamed) == fingerprint(fourth)


class Twice(nn.Module):
    """A network that predicts in some way, and drops out and trains in one."""

    def __init__(self, predict: Callable[[nn.Module, Tensor], Tensor]) -> None:
        super().__init__()
        self.layer, self.predict = nn.Conv2d(1, 10, 28), predict

    def forward(self, images: Tensor) -> Tensor:
        images = F.dropout(images, 0.1, self.training)
        if not self.training:
            return self.predict(self.layer, images)
        found: Tensor = self.layer(images).flatten(1)
        return found


def test_a_fingerprint_follows_what_is_done_in_evaluation_alone() -> None:
    plain = of(lambda: Twice(lambda layer, x: layer(x).flatten(1)))
    flipped = of(lambda: Twice(lambda layer, x: (layer(x) + layer(x.flip(3))).flatten(1)))
    other = of(lambda: Twice(lambda layer, x: (layer(x) + layer(x.flip(2))).flatten(1)))
    assert len({plain, flipped, other}) == 3
    assert plain == of(lambda: Twice(lambda layer, x: layer(x).flatten(1)))


class Branch(nn.Module):
    """A layer and something done with what comes out of it."""

    def __init__(self, end: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.layer, self.end = nn.Conv2d(1, 1, 3, padding=1), end

    def forward(self, images: Tensor) -> Tensor:
        return self.end(images, self.layer(images))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lambda x, y: F.max_pool2d(y, 2), lambda x, y: F.max_pool2d(y, 7)),
        (lambda x, y: y * 0.5, lambda x, y: y * 0.1),
        (lambda x, y: x + y, lambda x, y: y + y),
    ],
    ids=["argument", "constant", "wiring"],
)
def test_a_fingerprint_follows_arguments_constants_and_wiring(
    one: Callable[[Tensor, Tensor], Tensor], other: Callable[[Tensor, Tensor], Tensor]
) -> None:
    assert of(lambda: Branch(one)) == of(lambda: Branch(one))
    assert of(lambda: Branch(one)) != of(lambda: Branch(other))


def of(model: Callable[[], nn.Module]) -> str:
    """The fingerprint of a step with that network."""
    own = {"__module__": __name__, "model": staticmethod(model), "recipe": steps()["five_steps/step3"].recipe}
    return fingerprint(type("Own", (StepSpec,), own))


def linear(**settings: Any) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10, **settings))


def tied(*, really: bool) -> nn.Module:
    one, other = nn.Linear(784, 784, bias=False), nn.Linear(784, 784, bias=False)
    if really:
        other.weight = one.weight
    return nn.Sequential(nn.Flatten(), one, other, nn.Linear(784, 10))


class Rows(nn.Module):
    """A layer for sequences, whose repr omits its settings, on the rows of the images."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer, self.classes = layer, nn.Linear(784, 10)

    def forward(self, images: Tensor) -> Tensor:
        rows = images.squeeze(1)
        mixed = self.layer(rows, rows, rows)[0] if isinstance(self.layer, nn.MultiheadAttention) else self.layer(rows)
        classes: Tensor = self.classes(mixed.flatten(1))
        return classes


def attention(heads: int) -> nn.Module:
    return Rows(nn.MultiheadAttention(28, heads, batch_first=True))


def encoder(**settings: Any) -> nn.Module:
    return Rows(nn.TransformerEncoderLayer(28, 2, 32, batch_first=True, **settings))


class Constant(nn.Module):
    """Multiplies the images with a tensor, which is a buffer or not, and with one that it makes in its forward."""

    def __init__(self, factor: Tensor, *, registered: bool, in_forward: float = 1.0) -> None:
        super().__init__()
        self.classes, self.in_forward = nn.Linear(784, 10), in_forward
        if registered:
            self.register_buffer("factor", factor)
        else:
            self.factor = factor

    def forward(self, images: Tensor) -> Tensor:
        classes: Tensor = self.classes(images.flatten(1) * self.factor * torch.tensor([self.in_forward]))
        return classes


ONES, HALF = torch.ones(784), torch.full((784,), 0.5)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (linear, lambda: linear().requires_grad_(False)),
        (linear, lambda: linear(dtype=torch.float64)),
        (lambda: tied(really=False), lambda: tied(really=True)),
        (lambda: attention(1), lambda: attention(4)),
        (encoder, lambda: encoder(norm_first=True)),
        (encoder, lambda: encoder(activation="gelu")),
        (
            lambda: nn.Sequential(nn.AvgPool2d(3, padding=1), linear()),
            lambda: nn.Sequential(nn.AvgPool2d(3, padding=1, count_include_pad=False), linear()),
        ),
        (lambda: Constant(ONES, registered=True), lambda: Constant(HALF, registered=True)),
        (lambda: Constant(ONES, registered=False), lambda: Constant(HALF, registered=False)),
        (lambda: Constant(ONES, registered=True), lambda: Constant(ONES, registered=True, in_forward=2.0)),
    ],
    ids=[
        *("not trained", "type", "tied", "heads", "order of normalization", "activation", "border of a mean"),
        *("buffer", "tensor", "tensor of forward"),
    ],
)
def test_a_fingerprint_follows_what_no_repr_shows(one: Callable[[], nn.Module], other: Callable[[], nn.Module]) -> None:
    assert of(one) == of(one)
    assert of(one) != of(other)


@pytest.mark.parametrize(
    "layer",
    [
        nn.ReLU(inplace=True),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Hardtanh(inplace=True),
        nn.Embedding(3, 4, sparse=True),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_what_the_repr_of_a_layer_shows_is_not_hidden(layer: nn.Module) -> None:
    assert hidden_settings(layer) == []


def with_constant(value: Tensor) -> list[str]:
    layer = nn.Identity()
    layer.register_buffer("constant", value)
    return hidden_settings(layer)


@pytest.mark.parametrize(
    "value",
    [
        torch.linspace(-1, 1, 28),
        torch.full((28, 28), -torch.inf).triu(1),
        torch.fft.fft(torch.arange(5.0)).conj(),
        torch.tensor([True, False]),
        torch.arange(784),
    ],
    ids=["fractions", "mask", "conjugate", "bits", "order"],
)
def test_a_constant_is_named_by_what_is_in_it(value: Tensor) -> None:
    assert with_constant(value) == with_constant(value.clone())
    assert with_constant(value) != with_constant(value.flip(0))


@pytest.mark.parametrize(
    "value", [torch.tensor(0.5, dtype=torch.bfloat16), torch.empty(0), torch.empty(3, device="meta")]
)
def test_a_constant_of_any_kind_is_named(value: Tensor) -> None:
    assert len(with_constant(value)) == 1


def test_a_constant_is_not_named_by_its_last_place() -> None:
    """Which depends on the CPU where it is computed, as that of linspace does."""
    value = torch.linspace(-1, 1, 28)
    assert with_constant(value) == with_constant(torch.nextafter(value, torch.tensor(2.0)))


@pytest.mark.parametrize("registered", [True, False])
def test_a_fingerprint_does_not_follow_what_a_seed_decides(registered: bool) -> None:
    """A constant that is drawn for each network: by torch, or by another generator."""
    before = torch.get_rng_state()
    assert of(lambda: Constant(torch.rand(784), registered=registered)) == of(
        lambda: Constant(torch.rand(784) + random.random(), registered=registered)
    )
    assert torch.equal(torch.get_rng_state(), before)


def test_a_fingerprint_is_the_same_where_torch_does_not_show_the_bias(monkeypatch: pytest.MonkeyPatch) -> None:
    third = steps()["five_steps/step3"]
    kept = record.read(third)
    assert kept is not None
    text = "{num_features}, eps={eps}, momentum={momentum}, affine={affine}, track_running_stats={track_running_stats}"
    monkeypatch.setattr(nn.BatchNorm2d, "extra_repr", lambda layer: text.format(**vars(layer)))  # that of torch 2.11
    assert "bias" not in repr(nn.BatchNorm2d(3))
    assert fingerprint(third) == kept.provenance["fingerprint"]


FORWARD = """
from torch import nn

class Own(nn.Module):
    def __init__(self, factor=1):
        super().__init__()
        self.classes, self.factor = nn.Linear(784, 10), factor

    def forward(self, images):
        n, *others = images.shape
        return self.classes(images.reshape(n, -1) * self.factor)
"""


@pytest.fixture
def fingerprint_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """The fingerprint of the network `Own` of a source."""
    monkeypatch.syspath_prepend(tmp_path)
    names = (f"own_network_{number}" for number in itertools.count())

    def of_source(source: str, *arguments: float) -> str:
        name = next(names)
        (tmp_path / f"{name}.py").write_text(source)
        monkeypatch.delitem(sys.modules, name, raising=False)
        importlib.invalidate_caches()
        own = importlib.import_module(name).Own
        with pytest.raises(fx.proxy.TraceError):
            fx.symbolic_trace(own())
        return of(lambda: own(*arguments))

    return of_source


def test_a_fingerprint_follows_a_forward_that_cannot_be_traced(fingerprint_of: Callable[..., str]) -> None:
    others = [(FORWARD, 2), (FORWARD.replace("images.reshape", "images.flip(3).reshape"),)]
    assert len({fingerprint_of(FORWARD), *(fingerprint_of(*other) for other in others)}) == 3


def test_a_fingerprint_does_not_follow_comments(fingerprint_of: Callable[..., str]) -> None:
    told = FORWARD.replace("nn.Module):", 'nn.Module):\n    """Ten numbers."""').replace("shape\n", "shape  # four\n")
    assert told.count("\n") == FORWARD.count("\n") + 1
    assert fingerprint_of(told) == fingerprint_of(FORWARD)


def test_a_forward_that_was_typed_into_an_interpreter_is_not_followed() -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(FORWARD, names)
    assert of(names["Own"]) == of(names["Own"])
