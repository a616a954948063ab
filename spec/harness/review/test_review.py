"""Layers, sizes and remarks, against counts by hand and against networks that were built to be remarked on."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.discovery import steps
from harness.errors import HarnessError
from harness.review import review
from harness.review.remarks import remarks


class Functional(nn.Module):
    """A network as notebooks have it: functions between modules, and a flatten by view."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 5)
        self.conv2 = nn.Conv2d(4, 8, 3, groups=2)
        self.fc = nn.Linear(8 * 11 * 11, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.dropout(self.conv2(x), 0.1, self.training)  # 12 - 2 = 10
        x = F.pad(x, (0, 1, 0, 1)).view(-1, 8 * 11 * 11)
        return F.log_softmax(self.fc(x), dim=1)


def test_operations_have_their_shapes_weights_and_cost() -> None:
    found = review(Functional())
    rows = {one.function: one for one in found.operations if one.function != "conv2d"}
    first, second = (one for one in found.operations if one.function == "conv2d")
    assert (first.module, first.shape, dict(first.weights)) == (
        "conv1", (4, 24, 24), {"conv1.weight": (4, 1, 5, 5), "conv1.bias": (4,)},
    )  # fmt: skip
    assert first.multiplications == 24 * 24 * 4 * 25
    assert second.multiplications == 10 * 10 * 8 * 2 * 9
    assert rows["max_pool2d"].shape == (4, 12, 12)
    assert rows["linear"].multiplications == 8 * 11 * 11 * 10
    assert found.activations == 2 * 4 * 24 * 24 + 4 * 12 * 12 + 8 * 10 * 10 + 8 * 11 * 11 + 2 * 10
    assert found.parameters == 104 + 8 * 18 + 8 + 9_690


@pytest.mark.parametrize(("layer", "gates"), [(nn.RNN, 1), (nn.GRU, 3), (nn.LSTM, 4)])
def test_a_recurrent_layer_multiplies_in_each_row_whatever_the_processor_computes_it_with(
    layer: Callable[..., nn.Module], gates: int
) -> None:
    class Rows(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = layer(28, 32, batch_first=True)

        def forward(self, images: Tensor) -> Tensor:
            rows: Tensor = self.layer(images[:, 0])[0]
            return rows

    found = review(Rows())
    assert found.multiplications == 28 * gates * 32 * (28 + 32)
    assert found.warnings == ()
    assert torch.backends.mkldnn.enabled


@pytest.mark.parametrize(
    ("product", "multiplications"),
    [
        (lambda x, w: x @ w[0], 784),
        (lambda x, w: torch.addmv(w[0, :2], x, w[1]), 784),
        (lambda x, w: torch.stack([image.dot(w[0]) for image in x]), 784),
        (lambda x, w: x @ w.T, 784 * 3),
    ],
    ids=["mv", "addmv", "dot", "mm"],
)
def test_products_with_a_vector_count(product: Callable[[Tensor, Tensor], Tensor], multiplications: int) -> None:
    class Query(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(3, 784))

        def forward(self, x: Tensor) -> Tensor:
            return product(x.flatten(1), self.weight)

    assert review(Query()).multiplications == multiplications


def test_a_bilinear_layer_counts_as_the_sum_that_it_is() -> None:
    def of_sum(bilinear: nn.Bilinear, x: Tensor) -> Tensor:
        return torch.einsum("bi,oij,bj->bo", x[:, :20], bilinear.weight, x[:, 20:50]) + bilinear.bias

    def of_layer(bilinear: nn.Bilinear, x: Tensor) -> Tensor:
        result: Tensor = bilinear(x[:, :20], x[:, 20:50])
        return result

    class Product(nn.Module):
        def __init__(self, product: Callable[[nn.Bilinear, Tensor], Tensor]) -> None:
            super().__init__()
            self.product, self.bilinear = product, nn.Bilinear(20, 30, 10)

        def forward(self, x: Tensor) -> Tensor:
            return self.product(self.bilinear, x.flatten(1))

    found = [review(Product(product)).multiplications for product in (of_layer, of_sum)]
    assert found == [20 * 10 * 30 + 10 * 30] * 2


class Repeated(nn.Module):
    """Two convolutions, each used again, with ReLU, pool and dropout between them."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.again = nn.Conv2d(1, 10, 3), nn.Conv2d(10, 10, 3, padding=1)
        self.norm = nn.BatchNorm2d(10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.norm(self.first(x))), 2)
        for _ in range(2):
            x = F.dropout(F.relu(self.norm(self.again(x))), 0.1, self.training)
        x = self.again(x)
        return x.mean((2, 3))


def test_a_layer_that_is_used_again_has_weights_each_time_and_parameters_once() -> None:
    found = review(Repeated())
    convolutions = [found.operations[place] for place in found.convolutions]
    assert [set(one.weights) for one in convolutions] == [{"first.weight", "first.bias"}] + [
        {"again.weight", "again.bias"}
    ] * 3
    assert [one.parameters for one in convolutions] == [100, 910, 0, 0]
    # 3 pixels, 4 behind the pool, and then 4 more each time
    assert [one.what for one in remarks(found)] == [
        "first.bias, again.bias before a batch normalization: 20 parameters",
        "the last convolution sees 16 pixels",
    ]


def test_an_operation_reads_what_came_before_it_whatever_its_shape() -> None:
    found = review(Functional())
    [linear] = found.places("linear")
    assert found.operations[found.source(linear)].function == "pad"
    [dropout] = found.places("dropout")
    assert found.operations[dropout].reads == (dropout - 1,)


@pytest.mark.parametrize("step", steps().values(), ids=lambda step: step.id)
def test_every_parameter_of_a_step_is_one_of_an_operation(step: type) -> None:
    found = review(step.model())  # type: ignore[attr-defined]
    assert sum(one.parameters for one in found.operations) == found.parameters == step.parameters  # type: ignore[attr-defined]
    assert not found.unused


HEAD = (nn.Conv2d(4, 10, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def network(*middle: nn.Module, end: nn.Sequential | None = None) -> nn.Module:
    """Seven convolutions of which there is nothing to remark, with something between, or another end."""

    def conv(inputs: int, outputs: int) -> list[nn.Module]:
        return [nn.Conv2d(inputs, outputs, 3, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]

    return nn.Sequential(
        *conv(1, 4), *conv(4, 4), nn.MaxPool2d(2), *conv(4, 4), *conv(4, 4), *conv(4, 4), *conv(4, 4), *middle,
        *(end or nn.Sequential(*HEAD, nn.LogSoftmax(1))).children(),
    )  # fmt: skip


class Unused(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.spare = nn.Linear(3, 4)
        self.network = network()

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.network(x)
        return result


CASES: dict[str, nn.Module] = {
    "19.bias before a batch normalization: 4 parameters": network(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.ReLU()),
    "21 (relu) after the last layer with weights, on the logits": network(
        end=nn.Sequential(HEAD[0], nn.Identity(), nn.ReLU(), *HEAD[1:], nn.LogSoftmax(1))
    ),
    "22 (dropout) after the last layer with weights, on the logits": network(
        end=nn.Sequential(*HEAD, nn.Dropout(0.1), nn.LogSoftmax(1))
    ),
    "is followed by 1 convolution wider than 1 x 1": network(
        nn.MaxPool2d(2), nn.Conv2d(4, 4, 2, bias=False), nn.BatchNorm2d(4), nn.ReLU()
    ),
    "19 (dropout) directly before a batch normalization": network(nn.Dropout(0.1), nn.BatchNorm2d(4)),
    "20 (linear) has 6,500 of": network(
        end=nn.Sequential(nn.Flatten(), nn.Linear(64, 100), nn.Linear(100, 10), nn.LogSoftmax(1))
    ),
    "spare.weight, spare.bias: never used": Unused(),
    "no normalization": nn.Sequential(*(one for one in network().children() if not isinstance(one, nn.BatchNorm2d))),
    "Implicit dimension choice": network(end=nn.Sequential(*HEAD, nn.LogSoftmax())),
    "the last convolution sees 7 pixels": nn.Sequential(
        *(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)), *(nn.Conv2d(4, 4, 5), nn.BatchNorm2d(4)), *HEAD, nn.LogSoftmax(1)
    ),
}  # fmt: skip


def test_a_sound_network_is_not_remarked_on() -> None:
    assert remarks(review(network())) == []


class LeNet(nn.Module):
    """A map, made flat in some way, and two fully connected layers over all its places."""

    def __init__(self, flat: nn.Module) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 4, 5, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(4))
        self.flat = flat
        self.classes = nn.Sequential(nn.Linear(144, 32), nn.ReLU(), nn.Linear(32, 10), nn.LogSoftmax(1))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.classes(self.flat(self.features(x)))
        return result


class Permuted(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, 2, 3, 1).flatten(1)


@pytest.mark.parametrize("pool", [nn.MaxPool2d(4), nn.MaxPool2d(3, 1, 1)], ids=["global", "of stride 1"])
def test_a_pool_that_leaves_one_position_or_all_does_not_come_late(pool: nn.Module) -> None:
    assert remarks(review(network(pool))) == []


@pytest.mark.parametrize("flat", [nn.Flatten(), nn.Sequential(nn.Flatten(), nn.Dropout(0.5)), Permuted()])
def test_fully_connected_layers_use_what_a_pool_leaves_and_see_the_whole_digit(flat: nn.Module) -> None:
    assert [one.what for one in remarks(review(LeNet(flat)))] == [
        f"classes.0 (linear) has {144 * 32 + 32:,} of {4 * 25 + 8 + 144 * 32 + 32 + 32 * 10 + 10:,} parameters"
    ]


class Mean(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


@pytest.mark.parametrize("average", [nn.AdaptiveAvgPool2d(1), nn.AvgPool2d(12), Mean()])
def test_fully_connected_layers_behind_a_global_average_see_what_the_convolutions_see(average: nn.Module) -> None:
    features = (nn.Conv2d(1, 8, 5, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), average)
    found = [one.what for one in remarks(review(nn.Sequential(*features, nn.Flatten(), nn.Linear(8, 10))))]
    assert found == [
        "3 (max_pool2d) is followed by no convolution wider than 1 x 1",
        "the last convolution sees 5 pixels",
    ]


def test_the_first_of_two_fully_connected_layers_reads_the_image_and_the_second_no_map() -> None:
    found = review(nn.Sequential(nn.Flatten(), nn.Linear(784, 16), nn.ReLU(), nn.Linear(16, 10)))
    assert [found.map_read(place) for place in found.places("linear")] == [(1, 28, 28), ()]


def test_a_network_whose_paths_have_different_strides_has_a_field_and_the_reason_why_not_all_have_it() -> None:
    class Resized(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.before, self.after = nn.Conv2d(1, 4, 3, stride=2), nn.Conv2d(4, 4, 3)

        def forward(self, x: Tensor) -> Tensor:
            x = self.before(x)  # 28 -> 13, in strides of 2
            result: Tensor = (self.after(x) + F.interpolate(x, size=11)).mean((2, 3))
            return result

    found = review(Resized())
    assert found.field is not None
    assert not found.field.aligned
    assert found.no_field.startswith("paths with strides of 2 and 26/11 input pixels meet at add")
    assert "strict" not in found.no_field


@pytest.mark.parametrize("what", CASES)
def test_a_network_is_remarked_on_for_what_it_has(what: str) -> None:
    found = [one.what for one in remarks(review(CASES[what]))]
    assert any(what in one for one in found), found


class Standardized(nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight - self.weight.mean((1, 2, 3), keepdim=True), self.bias)


@pytest.mark.parametrize(
    ("layer", "parameters"),
    [
        (nn.utils.parametrizations.weight_norm(nn.Conv2d(1, 10, 28)), 7_860),
        (nn.utils.parametrizations.orthogonal(nn.Conv2d(1, 10, 28)), 7_850),
        (Standardized(1, 10, 28), 7_850),
    ],
    ids=["weight_norm", "orthogonal", "standardized"],
)
def test_what_a_weight_is_made_of_is_used_and_counts_where_that_is(layer: nn.Module, parameters: int) -> None:
    found = review(nn.Sequential(layer, nn.Flatten()))
    assert found.unused == ()
    assert [one.parameters for one in found.operations] == [parameters, 0]


def test_parameters_that_are_frozen_are_counted_apart() -> None:
    one = nn.Sequential(nn.Conv2d(1, 4, 3, stride=3), nn.Flatten(), nn.Linear(324, 10))
    one[2].weight.requires_grad = False
    found = review(one)
    assert (found.parameters, found.frozen) == (50, 3_240)
    assert [operation.parameters for operation in found.operations] == [40, 0, 10]
    assert not any("of 50 parameters" in remark.what for remark in remarks(found))


def test_a_network_that_takes_no_digits_is_an_error() -> None:
    with pytest.raises(HarnessError, match=r"its forward pass of 2 x 1 x 28 x 28 raised RuntimeError: .*mat1 and mat2"):
        review(nn.Linear(3, 4))


def test_the_network_is_left_without_hooks() -> None:
    one = Functional()
    review(one)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in one.modules())
    assert torch.equal(one(torch.zeros(1, 1, 28, 28)), one(torch.zeros(1, 1, 28, 28)))
