"""The analysis on the models of torchvision: known numbers, the gradient on strips, and time.

The known numbers keep answers from drifting. They are right because the gradient, which shares nothing with the
analysis, agrees on every family.
"""

from __future__ import annotations

import pytest
import torch
import torchvision
from pytest_benchmark.fixture import BenchmarkFixture
from torch import nn

from harness.receptive_field import ReceptiveField, receptive_field
from spec.harness.receptive_field.gradient_oracle import measure

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning", "ignore::DeprecationWarning")

LAST = {
    "alexnet": "features",
    "convnext": "features",
    "densenet": "features",
    "efficientnet": "features",
    "googlenet": "inception5b",
    "inception": "Mixed_7c",
    "maxvit": "blocks.3",
    "mnasnet": "layers",
    "mobilenet": "features",
    "regnet": "trunk_output",
    "resne": "layer4",
    "shufflenet": "conv5",
    "squeezenet": "features",
    "swin": "features",
    "vgg": "features",
    "vit": "encoder",
    "wide_resnet": "layer4",
}
"""The last feature map of each family."""

ATTENTION = ("maxvit", "swin", "vit")
NAMES = torchvision.models.list_models(module=torchvision.models)

# name, where, size, stride, padding; all square
KNOWN = [
    ("alexnet", "features", 195, 32, 66),
    ("vgg16", "features", 212, 32, 90),
    ("vgg16", "features.29", 196, 16, 90),
    ("resnet18", "layer4", 435, 32, 217),
    ("resnet50", "layer4", 427, 32, 213),
    ("squeezenet1_1", "features", 207, 16, 88),
]
DEEP = [
    ("mobilenet_v2", "features", 491, 32, 245),
    ("mobilenet_v3_small", "features", 639, 32, 319),
    ("shufflenet_v2_x0_5", "conv5", 527, 32, 263),
    ("mnasnet0_5", "layers", 843, 32, 421),
    ("efficientnet_b0", "features", 851, 32, 425),
    ("resnet152", "layer4", 1451, 32, 725),
    ("resnext50_32x4d", "layer4", 427, 32, 213),
    ("wide_resnet50_2", "layer4", 427, 32, 213),
    ("googlenet", "inception5b", 379, 32, 167),
    ("inception_v3", "Mixed_7c", 1311, 32, 618),
    ("densenet121", "features", 2071, 32, 1021),
    ("convnext_tiny", "features", 1688, 32, 828),
    ("regnet_y_400mf", "trunk_output", 575, 32, 287),
]


def build(name: str) -> nn.Module:
    """A model that spends no time on initial weights, where its family allows that."""
    if name.startswith("regnet"):  # reads numbers from tensors while it is built
        return with_initial_weights(name)
    with torch.device("meta"):
        return with_initial_weights(name)


def with_initial_weights(name: str) -> nn.Module:
    more = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    model: nn.Module = torchvision.models.get_model(name, weights=None, **more)
    return model


def last(name: str) -> str:
    return next(at for family, at in LAST.items() if name.startswith(family))


def check(name: str, at: str, size: int, stride: int, padding: int) -> ReceptiveField:
    side = 299 if name == "inception_v3" else 224
    field = receptive_field(build(name), (3, side, side), at=at)
    assert (field.size, field.stride, field.padding) == ((size,) * 2, (stride,) * 2, (padding,) * 2)
    assert field.aligned
    return field


@pytest.mark.thorough
@pytest.mark.parametrize(("name", "at", "size", "stride", "padding"), KNOWN, ids=lambda x: str(x))
def test_known_numbers(name: str, at: str, size: int, stride: int, padding: int) -> None:
    check(name, at, size, stride, padding)


@pytest.mark.thorough
def test_agrees_with_the_gradient() -> None:
    agrees_on_a_strip("resnet18", "layer4", 576)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "at", "size", "stride", "padding"), DEEP, ids=lambda x: str(x))
def test_known_numbers_of_deep_models(name: str, at: str, size: int, stride: int, padding: int) -> None:
    check(name, at, size, stride, padding)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted({row[0] for row in KNOWN + DEEP}))
def test_all_families_agree_with_the_gradient(name: str) -> None:
    field = receptive_field(build(name), (3, 299, 299), at=last(name))
    agrees_on_a_strip(name, last(name), (field.size[0] // 32 + 4) * 32)


def agrees_on_a_strip(name: str, at: str, length: int) -> None:
    """Compare both axes, each on a strip as narrow as the network allows."""
    model = with_initial_weights(name)
    width = 75 if name == "inception_v3" else 64 if name == "alexnet" else 32
    for axis, shape in enumerate(((length, width), (width, length))):
        field = receptive_field(model, (3, *shape), at=at)
        found = measure(model, 3, length, width, at, axis)
        assert found is not None
        assert (found.size, found.stride, found.padding) == (field.size[axis], field.stride[axis], field.padding[axis])
        assert found.used == field.used[axis]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_classification_model_has_an_answer(name: str) -> None:
    field = receptive_field(build(name), (3, 224, 224), at=last(name))
    assert all(size > 32 for size in field.size)
    gated = ("efficientnet", "mobilenet_v3", "regnet_y")
    assert field.is_global == name.startswith((*ATTENTION, *gated))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_output_of_every_classifier_is_global(name: str) -> None:
    assert receptive_field(build(name), (3, 224, 224)).is_global


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("build_segmenter", "size"),
    [
        (torchvision.models.segmentation.fcn_resnet50, 427),
        (torchvision.models.segmentation.deeplabv3_resnet50, 427),
    ],
    ids=["fcn_resnet50", "deeplabv3_resnet50"],
)
def test_dilated_backbones(build_segmenter: type[nn.Module], size: int) -> None:
    with torch.device("meta"):
        model = build_segmenter(weights=None, weights_backbone=None)
    field = receptive_field(model, (3, 224, 224), at="backbone.layer4")
    assert (field.size, field.stride, field.padding) == ((size, size), (8, 8), (213, 213))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet50", "densenet121"])
def test_speed(benchmark: BenchmarkFixture, name: str) -> None:
    """A benchmark without a limit: seconds per analysis, including tracing."""
    model = build(name)
    field = benchmark.pedantic(receptive_field, (model, (3, 224, 224), last(name)), rounds=5, warmup_rounds=1)
    assert field.stride == (32, 32)
