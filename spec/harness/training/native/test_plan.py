"""Which networks the kernels compute, and why they do not compute others."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode

from harness import steps
from harness.training import native
from harness.training.native.operations import NotCoveredError
from harness.training.native.plan import AVERAGE, CONVOLUTION, COPY, Plan, plan_of
from models.blocks import Conv, LogProbabilities, WeightedAverage
from spec.harness.evidence.records_of import step_with

Forward = Callable[[Any, Tensor], Tensor]
PARTS: dict[str, Callable[[], nn.Module]] = {
    "conv": lambda: nn.Conv2d(1, 4, 5, stride=3),  # 28 -> 8
    "more": lambda: nn.Conv2d(4, 4, 3, padding=1),
    "head": lambda: nn.Conv2d(4, 10, 8),  # 8 -> 1
    "one": lambda: nn.Conv2d(4, 10, 1),
    "linear": lambda: nn.Linear(256, 10),
    "factor": lambda: WeightedAverage(8),
    "norm": lambda: nn.BatchNorm2d(4),
    "plain": lambda: nn.BatchNorm2d(4, affine=False),
}


class Net(nn.Module):
    """A network whose forward is a function of itself and the images, with the parts that the function names."""

    def __init__(self, forward: Forward) -> None:
        super().__init__()
        for name in forward.__code__.co_names:
            if name in PARTS:
                setattr(self, name, PARTS[name]())
        self.own = forward

    def forward(self, images: Tensor) -> Tensor:
        """What the function makes of the images."""
        return self.own(self, images)


def logarithms(scores: Tensor) -> Tensor:
    return F.log_softmax(scores.flatten(1), dim=1)


def sequence(*layers: nn.Module) -> nn.Module:
    """Layers on maps of 4 x 8 x 8, which keep their shape."""
    return nn.Sequential(nn.Conv2d(1, 4, 5, stride=3), *layers, nn.Conv2d(4, 10, 8), LogProbabilities())


def kinds(plan: Plan) -> list[int]:
    return [unit.kind for unit in plan.units]


@pytest.mark.thorough
@pytest.mark.parametrize("step", steps())
def test_every_network_of_the_ladders_is_covered(step: str) -> None:
    network = steps()[step].model()
    plan = plan_of(network)
    assert sum(tensor.numel() for tensor in plan.parameters) == sum(tensor.numel() for tensor in network.parameters())
    convolutions = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    assert kinds(plan).count(CONVOLUTION) == len(convolutions)
    with torch.no_grad(), FlopCounterMode(display=False) as counted:
        network.eval()(torch.zeros(1, 1, 28, 28))
    assert 2 * plan.multiplications == counted.get_total_flops()
    dropouts = [layer.p for layer in network.modules() if isinstance(layer, nn.Dropout) and layer.p > 0]
    assert [unit.dropout for unit in plan.units if unit.dropout] == dropouts
    assert len(plan.buffers) == 2 * sum(isinstance(layer, nn.BatchNorm2d) for layer in network.modules())


@pytest.mark.parametrize(
    ("wide", "refused"),
    [
        (120, None),  # 95,410 parameters, each of which is used once
        (130, "oneDNN is faster, since of 103,360 parameters most are used in few places of an image"),
    ],
)
def test_what_multiplies_large_matrices_once_is_left_to_torch(tmp_path: Path, wide: int, refused: str | None) -> None:
    def network() -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(784, wide), nn.ReLU(), nn.Linear(wide, 10), nn.LogSoftmax(1))

    assert native.refusal(step_with(tmp_path, "mine/a", model=network)) == refused


def test_places_are_those_of_the_parameters_in_their_order() -> None:
    network = nn.Sequential(
        Conv(1, 4, 5, "bn", "relu", stride=3), WeightedAverage(8), nn.Flatten(), nn.Linear(4, 10), nn.LogSoftmax(1)
    )
    first, average, head = plan_of(network).units
    assert (first.weight, first.bias, first.gamma, first.beta, first.mean, first.variance) == (0, 100, 104, 108, 0, 4)
    assert (average.kind, average.weight, average.bias, average.kernel) == (AVERAGE, 112, -1, 8)
    assert (head.weight, head.bias, head.inputs, head.kernel) == (176, 216, 4, 1)


@pytest.mark.parametrize(
    ("stages", "expected"),
    [
        (("relu", "bn", 0.1), [(1, 1, 0, 0.1)]),
        (("bn", "relu", 0.1), [(0, 1, 1, 0.1)]),
        (("relu", "bn", "relu"), [(1, 1, 1, 0)]),
        ((0.1, "relu"), [(0, 0, 1, 0.1)]),  # they may change places
        ((0.1, "bn"), [(0, 0, 0, 0.1), (0, 1, 0, 0)]),
        (("bn", "bn"), [(0, 1, 0, 0), (0, 1, 0, 0)]),
        (("bn", "relu", "bn"), [(0, 1, 1, 0), (0, 1, 0, 0)]),
        ((0.1, 0.2), [(0, 0, 0, 0.1), (0, 0, 0, 0.2)]),
    ],
)
def test_stages_join_a_unit_if_they_come_in_its_order(
    stages: tuple[str | float, ...], expected: list[tuple[float, ...]]
) -> None:
    network = nn.Sequential(Conv(1, 10, 28, *stages), LogProbabilities())  # type: ignore[arg-type]
    plan = plan_of(network)
    assert kinds(plan) == [CONVOLUTION] + [COPY] * (len(expected) - 1)
    assert [(unit.relu_before, unit.normalized, unit.relu_after, unit.dropout) for unit in plan.units] == expected


FUNCTIONS: dict[str, Forward] = {
    "F.relu": lambda net, x: logarithms(net.head(F.relu(net.conv(x)))),
    "torch.relu": lambda net, x: logarithms(net.head(torch.relu(net.conv(x)))),
    "relu_": lambda net, x: logarithms(net.head(net.conv(x).relu_())),
    "F.max_pool2d": lambda net, x: logarithms(F.max_pool2d(net.one(net.conv(x)), 8, stride=1)),
    "torch.max_pool2d": lambda net, x: logarithms(torch.max_pool2d(net.one(net.conv(x)), 8, ())),
    "view": lambda net, x: F.log_softmax(net.head(net.conv(x)).view(-1, 10), 1),
    "reshape": lambda net, x: F.log_softmax(net.head(net.conv(x)).reshape(-1, 10), -1),
    "torch.flatten": lambda net, x: torch.log_softmax(torch.flatten(net.head(net.conv(x)), 1), dim=1),
    "flatten and log_softmax": lambda net, x: net.head(net.conv(x)).flatten(1).log_softmax(1),
    "linear": lambda net, x: F.log_softmax(net.linear(net.conv(x).view(-1, 256)), 1),
    "number of images": lambda net, x: F.log_softmax(net.linear((y := net.conv(x)).view(y.size(0), -1)), 1),
    "number of images by name": lambda net, x: F.log_softmax(net.linear(net.conv(x).view(x.size(dim=0), 256)), 1),
    "first of the shape": lambda net, x: F.log_softmax(net.head(net.conv(x)).reshape((x.shape[0], -1)), 1),
    "first of the size": lambda net, x: F.log_softmax(net.head(net.conv(x)).view(x.size()[0], 10), 1),
    "mean of axes": lambda net, x: F.log_softmax(net.one(net.conv(x)).mean((2, 3)), 1),
    "mean by name": lambda net, x: F.log_softmax(net.one(net.conv(x)).mean(dim=(-1, -2)), 1),
    "torch.mean": lambda net, x: F.log_softmax(torch.mean(net.one(net.conv(x)), [2, 3]), 1),
    "adaptive": lambda net, x: logarithms(F.adaptive_avg_pool2d(net.one(net.conv(x)), 1)),
    "avg_pool2d": lambda net, x: logarithms(F.avg_pool2d(net.one(net.conv(x)), 8)),
    "weighted": lambda net, x: F.log_softmax((net.one(net.conv(x)) * net.factor.weight).mean((2, 3)), 1),
    "weighted and kept": lambda net, x: logarithms(
        torch.mul(net.one(net.conv(x)), net.factor.weight).mean((2, 3), True)
    ),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_taken_as_the_modules_that_they_equal(name: str) -> None:
    network = Net(FUNCTIONS[name])
    assert plan_of(network).units[0].kind == CONVOLUTION
    with torch.no_grad():
        assert network(torch.randn(3, 1, 28, 28)).shape == (3, 10)


def shared(head: nn.Conv2d) -> nn.Module:
    network = sequence(nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1))
    network[2].weight = network[1].weight  # type: ignore[index]
    return network


def frozen() -> nn.Module:
    network = sequence()
    next(network.parameters()).requires_grad_(False)
    return network


def hooked() -> nn.Module:
    network = sequence()
    network.register_forward_pre_hook(lambda module, images: None)
    return network


def parametrized() -> nn.Module:
    return sequence(parametrizations.weight_norm(nn.Conv2d(4, 4, 1)))


def unused() -> nn.Module:
    network = Net(lambda net, x: logarithms(net.head(net.conv(x))))
    network.spare = nn.Linear(3, 3)
    return network


class Noisy(nn.Module):
    """Adds noise, but only in training."""

    def forward(self, maps: Tensor) -> Tensor:
        """The maps, or noisy maps."""
        return F.relu(maps) if self.training else maps


class Kept(nn.Module):
    """A network with one layer that stays in training, or in evaluation."""

    def __init__(self, layer: nn.Module, mode: bool) -> None:
        super().__init__()
        self.layers, self.mode = sequence(layer), mode

    def train(self, mode: bool = True) -> "Kept":
        """Every layer in this mode but one."""
        super().train(mode)
        self.layers[1].train(self.mode)  # type: ignore[index]
        return self

    def forward(self, images: Tensor) -> Tensor:
        """What the layers make of the images."""
        logarithms: Tensor = self.layers(images)
        return logarithms


class Stopped(torch.autograd.Function):
    """A ReLU through which no gradient comes."""

    @staticmethod
    def forward(context: Any, maps: Tensor) -> Tensor:
        """The ReLU."""
        return F.relu(maps)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        """Nothing."""
        return torch.zeros_like(gradients[0])


def without_gradient(net: Any, images: Tensor) -> Tensor:
    with torch.no_grad():
        maps = net.norm(net.conv(images))
    return logarithms(net.head(maps))


def without_any_gradient(net: Any, images: Tensor) -> Tensor:
    with torch.no_grad():
        return logarithms(net.head(net.conv(images)))


def in_bfloat16(net: Any, images: Tensor) -> Tensor:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return logarithms(net.head(net.conv(images)))


def with_hooks(register: Callable[[Any], Any]) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        network = sequence(nn.Conv2d(4, 4, 1))
        register(network[1])  # type: ignore[index]
        return network

    return build


def replaced() -> nn.Module:
    network = sequence(nn.ReLU())
    network[1].forward = torch.sigmoid  # type: ignore[index]
    return network


REFUSED: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "residual sum": (
        lambda: Net(lambda net, x: logarithms(net.head((y := net.conv(x)) + net.more(y)))),
        "not one operation after the other",
    ),
    "residual sum in place": (
        lambda: Net(lambda net, x: logarithms(net.head((y := net.conv(x)).add_(net.more(y))))),
        "not one operation after the other",
    ),
    "square": (lambda: Net(lambda net, x: logarithms(net.head((y := net.conv(x)) * y))), "it has mul"),
    "layer twice": (
        lambda: Net(lambda net, x: logarithms(net.head(net.more(net.more(net.conv(x)))))),
        "used twice or never",
    ),
    "shared weight": (lambda: shared(nn.Conv2d(4, 4, 1)), "used twice or never"),
    "weight that is another's": (
        with_hooks(lambda layer: setattr(layer.bias, "data", layer.weight.data[0, :, 0, 0])),
        "share their memory",
    ),
    "unused parameter": (unused, "used twice or never"),
    "normalization twice": (
        lambda: Net(lambda net, x: logarithms(net.head(net.plain(net.plain(net.conv(x)))))),
        "running statistics that share their memory",
    ),
    "unused result": (
        lambda: Net(lambda net, x: (net.more(net.conv(x)), logarithms(net.head(net.conv(x))))[1]),
        "not one operation after the other",
    ),
    "frozen parameter": (frozen, "not trained"),
    "float64": (lambda: sequence().double(), "cannot be traced|not float32"),
    "hooks": (hooked, "hooks"),
    "hook on a gradient": (with_hooks(lambda layer: layer.weight.register_hook(torch.zeros_like)), "hooks"),
    "hook on a sum of gradients": (
        with_hooks(lambda layer: layer.weight.register_post_accumulate_grad_hook(lambda weight: None)),
        "hooks",
    ),
    "hook on a backward pass": (
        with_hooks(lambda layer: layer.register_full_backward_hook(lambda module, of_input, of_output: None)),
        "hooks",
    ),
    "hook before a backward pass": (
        with_hooks(lambda layer: layer.register_full_backward_pre_hook(lambda module, of_output: None)),
        "hooks",
    ),
    "normalization kept in evaluation": (lambda: Kept(nn.BatchNorm2d(4), False), "outputs in training are not those"),
    "normalization kept in training": (lambda: Kept(nn.BatchNorm2d(4), True), "predictions are not those"),
    "dropout kept in training": (lambda: Kept(nn.Dropout(0.3), True), "predictions are not those"),
    "dropout kept in evaluation": (lambda: Kept(nn.Dropout(0.3), False), "outputs in training are not those"),
    "evaluation in forward": (
        lambda: Net(lambda net, x: logarithms(net.head(net.norm.eval()(net.conv(x))))),
        "outputs in training are not those",
    ),
    "evaluation after forward": (
        lambda: Net(lambda net, x: (logarithms(net.head(net.norm(net.conv(x)))), net.norm.eval())[0]),
        "outputs in training are not those",
    ),
    "no gradient": (lambda: Net(without_gradient), "gradients are not those"),
    "no gradient anywhere": (lambda: Net(without_any_gradient), "gradients are not those"),
    "autocast": (lambda: Net(in_bfloat16), "outputs in training are not those"),
    "own backward pass": (
        lambda: Net(lambda net, x: logarithms(net.head(Stopped.apply(net.conv(x))))),
        "gradients are not those",
    ),
    "own forward of a layer": (replaced, "it has sigmoid"),
    "computed weights": (parametrized, "it (computes its weights|has|cannot|is not)"),
    "only in training": (lambda: sequence(Noisy()), "something else in training"),
    "branch on the images": (
        lambda: Net(lambda net, x: logarithms(net.head(net.conv(x if x.sum() > 0 else -x)))),
        "cannot be traced",
    ),
    "dilation": (lambda: sequence(nn.Conv2d(4, 4, 3, padding=2, dilation=2)), "a dilation or a padding that is not"),
    "padding by name": (lambda: sequence(nn.Conv2d(4, 4, 3, padding="same")), "a dilation or a padding that is not"),
    "padding that reflects": (
        lambda: sequence(nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect")),
        "a dilation or a padding that is not",
    ),
    "padding as the kernel": (
        lambda: sequence(nn.Conv2d(4, 4, 1, padding=1), nn.MaxPool2d(3, stride=1)),
        "a padding as large as its kernel",
    ),
    "rectangular kernel": (lambda: sequence(nn.Conv2d(4, 4, (1, 3), padding=(0, 1))), "is not square"),
    "rectangular stride": (
        lambda: nn.Sequential(nn.Conv2d(1, 10, 28, stride=(1, 2)), LogProbabilities()),
        "is not square",
    ),
    "rectangular window": (
        lambda: nn.Sequential(nn.MaxPool2d((1, 2), 1), nn.Flatten(), nn.Linear(756, 10), nn.LogSoftmax(1)),
        "is not square",
    ),
    "transposed": (lambda: sequence(nn.ConvTranspose2d(4, 4, 1)), "it has ConvTranspose2d"),
    "no momentum": (lambda: sequence(nn.BatchNorm2d(4, momentum=None)), "no running average with a momentum"),
    "no statistics": (
        lambda: sequence(nn.BatchNorm2d(4, track_running_stats=False)),
        "no running average with a momentum",
    ),
    "instance": (lambda: sequence(nn.InstanceNorm2d(4)), "it has InstanceNorm2d"),
    "group": (lambda: sequence(nn.GroupNorm(2, 4)), "it has GroupNorm"),
    "BatchNorm1d": (
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.BatchNorm1d(10), nn.LogSoftmax(1)),
        "it has BatchNorm1d",
    ),
    "GELU": (lambda: sequence(nn.GELU()), "it has GELU"),
    "sigmoid": (lambda: Net(lambda net, x: logarithms(net.head(net.conv(x).sigmoid()))), "it has sigmoid"),
    "F.dropout": (
        lambda: Net(lambda net, x: logarithms(net.head(F.dropout(net.conv(x), 0.1)))),
        "it has dropout",
    ),
    "F.dropout in training": (
        lambda: Net(lambda net, x: logarithms(net.head(F.dropout(net.conv(x), 0.1, net.training)))),
        "something else in training",
    ),
    "Dropout2d": (lambda: sequence(nn.Dropout2d(0.1)), "it has Dropout2d"),
    "dropout of all": (lambda: sequence(nn.Dropout(1.0)), "it drops everything"),
    "pool with padding": (lambda: sequence(nn.MaxPool2d(3, 1, padding=1)), "a padding, a dilation or ceil_mode"),
    "pool with dilation": (
        lambda: Net(lambda net, x: logarithms(F.max_pool2d(net.one(net.conv(x)), 3, 8, dilation=2))),
        "a padding, a dilation or ceil_mode",
    ),
    "pool that rounds up": (
        lambda: nn.Sequential(nn.Conv2d(1, 10, 1), nn.MaxPool2d(28, ceil_mode=True), LogProbabilities()),
        "a padding, a dilation or ceil_mode",
    ),
    "average to 2 x 2": (
        lambda: nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Conv2d(1, 10, 2), LogProbabilities()),
        "does not average the whole map",
    ),
    "average of windows": (
        lambda: nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(1, 10, 14), LogProbabilities()),
        "does not average the whole map",
    ),
    "average with another divisor": (
        lambda: nn.Sequential(nn.Conv2d(1, 10, 1), nn.AvgPool2d(28, divisor_override=5), LogProbabilities()),
        "does not average the whole map",
    ),
    "mean of rows": (
        lambda: Net(lambda net, x: F.log_softmax(net.linear(net.conv(x).mean(3).flatten(1)), 1)),
        "(it has mean|cannot be traced)",
    ),
    "mean of channels": (lambda: Net(lambda net, x: logarithms(net.one(net.conv(x)).mean((1, 2)))), "it has mean"),
    "mean of everything": (
        lambda: Net(lambda net, x: F.log_softmax(net.one(net.conv(x)).mean() + x.flatten(1)[:, :10], 1)),
        "(it has mean|not one operation)",
    ),
    "mean of images": (
        lambda: Net(lambda net, x: F.log_softmax(net.head(net.conv(x)).flatten(1).mean((-2, -1)), 0)),
        "another shape",
    ),
    "factor without average": (
        lambda: Net(lambda net, x: logarithms(net.head(net.conv(x) * net.factor.weight))),
        "without averaging them",
    ),
    "factor of another shape": (
        lambda: Net(lambda net, x: logarithms((net.conv(x) * net.conv.bias[:, None, None]).mean((2, 3)))),
        "it",
    ),
    "factor that is no parameter": (
        lambda: Net(lambda net, x: logarithms(net.head(net.plain(net.conv(x)) * net.plain.running_mean.sum()))),
        "it",
    ),
    "transposed maps": (lambda: Net(lambda net, x: logarithms(net.head(net.conv(x).mT))), "it"),
    "flattened too far": (
        lambda: Net(lambda net, x: F.log_softmax(net.head(net.conv(x)).flatten(2).squeeze(2), 1)),
        "another shape",
    ),
    "flattened with the images": (lambda: Net(lambda net, x: net.head(net.conv(x)).flatten()), "another shape"),
    "view of another shape": (
        lambda: Net(lambda net, x: F.log_softmax(net.head(net.conv(x)).view(-1, 5), 1)),
        "another shape",
    ),
    "view that mixes channels": (
        lambda: Net(lambda net, x: logarithms(net.head(net.more(net.conv(x).view(-1, 4, 4, 16)).view(-1, 4, 8, 8)))),
        "another shape",
    ),
    "number of channels": (
        lambda: Net(lambda net, x: F.log_softmax(net.head(net.conv(x)).view(-1, x.size(1) * 10), 1)),
        "it is not one operation after the other",
    ),
    "arithmetic on the number of images": (
        lambda: Net(lambda net, x: logarithms(net.head(net.conv(x)) / x.size(0))),
        "it has truediv",
    ),
    "rows that are numbered": (
        lambda: Net(lambda net, x: logarithms(net.head(net.conv(x)).view(x.shape[0], x.shape[1], 10))),
        "it",
    ),
    "linear map of rows": (
        lambda: nn.Sequential(nn.Linear(28, 28), nn.Conv2d(1, 10, 28), LogProbabilities()),
        "does not fit 1 maps of side 28",
    ),
    "no log-softmax": (lambda: Net(lambda net, x: net.head(net.conv(x)).flatten(1)), "does not end in a log-softmax"),
    "something after it": (
        lambda: Net(lambda net, x: logarithms(net.head(net.conv(x))).relu()),
        "something follows the log-softmax",
    ),
    "softmax": (lambda: Net(lambda net, x: F.softmax(net.head(net.conv(x)).flatten(1), 1)), "it has softmax"),
    "log-softmax over the images": (
        lambda: Net(lambda net, x: F.log_softmax(net.head(net.conv(x)).flatten(1), 0)),
        "not over the classes",
    ),
    "log-softmax of maps": (
        lambda: Net(lambda net, x: F.log_softmax(net.head(net.conv(x)), 1)),
        "does not end in a log-softmax over ten classes",
    ),
    "eleven classes": (
        lambda: nn.Sequential(nn.Conv2d(1, 11, 28), LogProbabilities()),
        "does not end in a log-softmax over ten classes",
    ),
    "two results": (
        lambda: Net(lambda net, x: (logarithms(net.head(net.conv(x))), x)),  # type: ignore[arg-type, return-value]
        "more than one result",
    ),
    "images of another size": (lambda: nn.Sequential(nn.Conv2d(1, 10, 32), LogProbabilities()), "cannot be traced"),
    "colours": (lambda: nn.Sequential(nn.Conv2d(3, 10, 28), LogProbabilities()), "cannot be traced"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_kernels_do_not_compute_is_refused_with_a_reason(name: str) -> None:
    network, message = REFUSED[name]
    with pytest.raises(NotCoveredError, match=message):
        plan_of(network())


def test_a_factor_of_logits_is_refused() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(784, 10)
            self.register_buffer("temperature", torch.tensor(0.1))

        def forward(self, images: Tensor) -> Tensor:
            return self.linear(images.flatten(1)) * self.temperature  # type: ignore[no-any-return]

    step = step_with(Path(), "mine/scaled", model=Scaled)
    assert native.refusal(step) == "it multiplies its results with a factor"


def test_what_changes_neither_numbers_nor_gradients_is_taken() -> None:
    class Surrounded(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.rest = nn.Conv2d(1, 4, 5, stride=3), sequence(nn.BatchNorm2d(4), nn.Dropout(0.5))[1:]  # type: ignore[index]

        def forward(self, images: Tensor) -> Tensor:
            maps = checkpoint(self.first, images, use_reentrant=False)
            with torch.autocast("cpu", enabled=False):
                return self.rest(maps)  # type: ignore[no-any-return]

    with torch.no_grad():
        assert len(plan_of(Surrounded()).units) == 2


def test_gradients_are_compared_where_the_caller_wants_none() -> None:
    with torch.no_grad(), pytest.raises(NotCoveredError, match="gradients are not those"):
        plan_of(Net(without_gradient))


@pytest.mark.parametrize("training", [True, False])
def test_a_network_is_as_before(training: bool) -> None:
    network = nn.Sequential(Conv(1, 10, 28, "relu", "bn", 0.1), LogProbabilities()).train(training)
    network[0][2].eval()  # type: ignore[index]
    before = {name: value.clone() for name, value in network.state_dict().items()}
    random = torch.get_rng_state()
    plan_of(network)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert [layer.training for layer in network.modules()].count(not training) == int(training)
    assert torch.equal(torch.get_rng_state(), random)
