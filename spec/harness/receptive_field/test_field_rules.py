"""Single operations, each against the gradient or a size worked out by hand, and uses of them that no rule covers."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from harness.errors import HarnessError
from harness.receptive_field import NoRuleError, receptive_field
from harness.receptive_field.rules.registry import Call
from spec.harness.receptive_field.compared import agrees
from spec.harness.receptive_field.field_networks import Net, conv
from spec.harness.receptive_field.gradient_oracle import changes, lines

Forward = Callable[[Any, Tensor], Tensor]


def chosen_are_replaced(m: Any, x: Tensor) -> Tensor:
    result: Tensor = m.narrow(x).clone()
    result[:, :, [0, 3]] = m.wide(x)[:, :, [2, 1]]
    return result


def masked_are_replaced(m: Any, x: Tensor) -> Tensor:
    result: Tensor = m.narrow(x).clone()
    result[:, :, torch.arange(9) % 3 > 0] = m.wide(x)[:, :, :6]
    return result


def turned_and_back(m: Any, x: Tensor) -> Tensor:
    lying = torch.rot90(m.narrow(x), 1, (2, 3))
    return torch.rot90(F.avg_pool2d(lying, (1, 5), 1, (0, 2)), -1, (2, 3))


def with_empty_parts(m: Any, x: Tensor) -> Tensor:
    nothing, everything = m.maps(x).split([0, 4], dim=1)
    blank = torch.stack([nothing.relu(), nothing], dim=4).mean(4)
    return torch.cat([blank, torch.zeros(1, 0, 9, 8), everything], dim=1)


def network(forward: Forward) -> nn.Module:
    return Net(forward, narrow=conv(3, padding=1), wide=conv(5, padding=2), maps=nn.Conv2d(1, 4, 3, padding=1))


@pytest.mark.parametrize(
    "forward",
    [
        lambda m, x: torch.mv(m.narrow(x)[0, 0], x.new_ones(8)).view(1, 1, 9, 1),
        lambda m, x: torch.addmv(m.wide(x)[0, 0, :, 0], m.narrow(x)[0, 0], x.new_ones(8)).view(1, 1, 9, 1),
        lambda m, x: torch.dot(m.narrow(x)[0, 0, 4], m.wide(x)[0, 0, 2]).view(1, 1, 1, 1),
        lambda m, x: torch.addbmm(m.wide(x)[0, 0], m.maps(x)[0], x.new_ones(4, 8, 8)).view(1, 1, 9, 8),
        lambda m, x: F.interpolate(m.narrow(x), size=(1, 1), mode="bilinear", align_corners=True),
        lambda m, x: m.narrow(x).flatten(1).as_strided((1, 72), (72, 1)).view(1, 1, 9, 8),
        chosen_are_replaced,
        masked_are_replaced,
        lambda m, x: m.narrow(x)[:, :, torch.tensor([2, 0, 1], device=x.device)],
        lambda m, x: m.narrow(x)[:, :, range(1, 4)],
        lambda m, x: m.narrow(x)[..., torch.arange(8) % 3 > 0],
        lambda m, x: m.narrow(x)[0, 0, (torch.arange(72) // 8 % 3 > 0).view(9, 8)].view(1, 1, 6, 8),
        lambda m, x: m.narrow(x).masked_select(torch.arange(9)[:, None] % 4 > 0).view(1, 1, 6, 8),
        lambda m, x: F.pad(m.narrow(x), (-1, 2, 3, -2), mode="circular"),
        turned_and_back,
        with_empty_parts,
        lambda m, x: m.narrow(x).mean(2, keepdim=True) + m.wide(x).mean(3, keepdim=True),
        lambda m, x: (m.narrow(x)[..., :4, :4].flatten(2) + F.avg_pool2d(m.wide(x), 2).flatten(2)).view(1, 1, 4, 4),
    ],
    ids=[
        "mv",
        "addmv",
        "dot",
        "addbmm",
        "interpolate to one",
        "as_strided",
        "index_put",
        "masked index_put",
        "tensor on a device",
        "range",
        "mask",
        "mask of a plane",
        "masked_select",
        "circular",
        "rot90",
        "empty parts",
        "rows and columns",
        "tokens",
    ],
)
def test_an_operation_reads_what_its_gradient_says(forward: Forward) -> None:
    agrees(network(forward), (1, 9, 8))


def palette(_: Any, x: Tensor) -> Tensor:
    return torch.arange(256)[None].flip(1).gather(1, (x * 255).long().flatten(1)).view_as(x)


@pytest.mark.thorough
@pytest.mark.parametrize(
    "forward",
    [
        lambda _, x: F.embedding(torch.tensor([[3, 0, 2]]), x[0, 0]).unsqueeze(1),
        palette,
        lambda _, x: torch.arange(256).index_select(0, (x * 255).long().flatten()).view_as(x),
        lambda _, x: torch.arange(768).view(3, 256).index_select(1, (x[0, 0, 1] * 255).long()).view(1, 1, 3, 5),
        lambda _, x: F.embedding((x[0, 0, :, 0] * 255).long(), torch.arange(512).view(256, 2)).view(1, 1, 4, 2),
        lambda _, x: torch.bucketize(3 * x[:, :, 2:], x[0, 0, 1, :3] + torch.arange(3)),
        lambda _, x: torch.searchsorted(x[:, :, :2, :3] + torch.arange(3), 3 * x[:, :, 2:]),
    ],
    ids=["rows of a map", "gather", "index_select", "columns", "embedding", "bucketize", "searchsorted"],
)
def test_what_is_looked_up_reads_what_would_change_it(forward: Forward) -> None:
    net = Net(forward)
    field, changed = receptive_field(net, (1, 4, 5), strict=False), changes(net, (1, 4, 5))
    for unit in product(*map(range, field.shape)):
        assert field.region(unit) == lines(changed[0, 0, *unit]), unit


STATISTICS: dict[str, Callable[[Tensor], Tensor]] = {
    "cumsum": lambda x: x.cumsum(2),
    "cumprod": lambda x: x.cumprod(-1),
    "logcumsumexp": lambda x: x.roll(1, 3).logcumsumexp(3),
    "cummax": lambda x: x.cummax(2)[0],
    "cummin": lambda x: x.cummin(3)[0],
    "integral image": lambda x: x.cumsum(2).cumsum(3),
    "from the end": lambda x: x.flip(3).cumsum(3).flip(3),
    "rows of pixels": lambda x: x.flatten(2).cumsum(2).view_as(x),
    "one step": lambda x: x.mean(2, keepdim=True).cumsum(2) + x.sum().cumsum(0),
    "std_mean": lambda x: torch.add(*torch.std_mean(x, 2, keepdim=True)),
    "nansum": lambda x: x.nansum((2, 3), keepdim=True),
    "median": lambda x: x.median(3, keepdim=True)[0],
    "median of all": lambda x: x * x.median(),
    "mode": lambda x: (9 * x).round().mode(2, keepdim=True)[0],
    "kthvalue": lambda x: x.kthvalue(2, 3, keepdim=True)[0],
    "argmax": lambda x: x.argmax(2, keepdim=True),
    "argmin of all": lambda x: x.argmin().reshape(1, 1, 1, 1),
    "aminmax": lambda x: torch.sub(*torch.aminmax(x, dim=3, keepdim=True)),
    "count_nonzero": lambda x: torch.count_nonzero(x > 0.5, 2).unsqueeze(2),
    "floor_divide": lambda x: (9 * x) // x.flip(2),
    "complex": lambda x: torch.complex(x, x.flip(3)).abs(),
    "polar": lambda x: torch.polar(x, x.flip(2)).abs() + torch.polar(x, x.flip(2)).angle(),
}


@pytest.mark.thorough
@pytest.mark.parametrize("name", STATISTICS)
def test_statistics_and_sums_so_far_read_what_would_change_them(name: str) -> None:
    net = Net(lambda _, x: STATISTICS[name](x))
    field, changed = receptive_field(net, (1, 4, 3), strict=False), changes(net, (1, 4, 3))
    for unit in product(*map(range, field.shape)):
        assert field.region(unit) == lines(changed[0, 0, *unit]), unit


@pytest.mark.parametrize(
    ("sums", "size"),
    [
        (lambda x: x.cumsum(2), (8, 1)),
        (lambda x: x.cumprod(3), (1, 6)),
        (lambda x: x.cummax(2).values, (8, 1)),
        (lambda x: x.cumsum(2).cumsum(3), (8, 6)),
    ],
    ids=["cumsum", "cumprod", "cummax", "integral image"],
)
def test_the_last_of_sums_so_far_is_the_largest_and_has_no_holes(
    sums: Callable[[Tensor], Tensor], size: tuple[int, int]
) -> None:
    field = receptive_field(Net(lambda _, x: sums(x)), (1, 8, 6))
    assert (field.size, field.used, field.holes) == (size, size, 0)


def drawn(draw: Callable[[Tensor, Tensor], Tensor]) -> nn.Module:
    """A model that draws the same random numbers each time; it gets a blank map and probabilities."""

    def forward(_: Any, x: Tensor) -> Tensor:
        torch.default_generator.manual_seed(0)  # torch.manual_seed notes the whole stack, 4 ms
        return draw(torch.zeros_like(x), x.flip(2))

    return Net(forward)


@pytest.mark.parametrize(
    "draw",
    [
        lambda blank, chances: blank.bernoulli_(chances),
        lambda blank, chances: chances.bernoulli_(chances.roll(1, 3)),
        lambda _, chances: chances.bernoulli(),
        lambda blank, chances: chances * (2 + blank.bernoulli_(0.5)),
        lambda blank, chances: chances + blank.uniform_() + blank.normal_() + blank.exponential_(),
        lambda _, chances: chances.clone().normal_() + chances.new_empty(5).normal_(),
    ],
    ids=["in_place", "over_others", "itself", "one_probability", "noise", "noise_alone"],
)
def test_what_is_drawn_reads_its_probabilities(draw: Callable[[Tensor, Tensor], Tensor]) -> None:
    field, changed = receptive_field(drawn(draw), (1, 4, 5)), changes(drawn(draw), (1, 4, 5))
    for unit in product(*map(range, field.shape)):
        assert field.region(unit) == lines(changed[0, 0, *unit]), unit


@pytest.mark.parametrize(
    ("forward", "size"),
    [
        (lambda m, x: torch.max(m.narrow(x), m.wide(x)), 5),
        (lambda m, x: torch.min(m.narrow(x), m.narrow(x)), 3),
        (lambda m, x: m.wide(m.narrow(x).data), 7),
        (lambda m, x: m.wide(m.narrow(x).cuda()), 7),
        (lambda m, x: m.wide(m.narrow(x).tril().triu(-9)), 7),
        (lambda m, x: m.wide(torch.vmap(lambda one: 2 * one)(m.narrow(x))), 7),
        (lambda m, x: m.wide(torch.func.jvp(torch.sin, (m.narrow(x),), (m.narrow(x).mT.contiguous().mT,))[1]), 7),
    ],
    ids=["max of two", "min of two", "data", "cuda", "triangle", "vmap", "jvp"],
)
def test_maps_are_followed_through_what_has_no_gradient_here(forward: Forward, size: int) -> None:
    assert receptive_field(network(forward), (1, 28, 28)).size == (size, size)


def test_a_model_that_infers_is_followed() -> None:
    def forward(m: Any, x: Tensor) -> Tensor:
        with torch.inference_mode():
            result: Tensor = m.wide(m.narrow(x))
        return result

    assert receptive_field(network(forward), (1, 28, 28)).size == (7, 7)


def two_types(m: Any, x: Tensor) -> Tensor:
    result: Tensor = m.narrow(x).clone()
    result.view(torch.int16)[:, :, 0] = 1
    return result


def packed(m: Any, x: Tensor) -> Tensor:
    result: Tensor = m.cell(PackedSequence(m.narrow(x)[0, 0], torch.ones(28, dtype=torch.int64)))[0].data
    return result


@pytest.mark.parametrize(
    ("forward", "message"),
    [
        (lambda m, x: m.narrow(x).gather(3, m.wide(x).long()), "gather with indices computed from the input"),
        (lambda m, x: m.narrow(x)[:, :, x[0, 0, 0].long()], r"^getitem with indices computed from the input \(at"),
        (lambda m, x: F.embedding(x[0, 0].long(), m.wide(x)[0, 0]), "embedding with indices computed from the input"),
        (
            lambda m, x: m.narrow(x).index_put((torch.tensor([0]),), m.wide(x), accumulate=True),
            "index_put that adds, or with indices computed from the input",
        ),
        (lambda m, x: F.pad(m.maps(x), (0, 0, 0, 0, -1, 0)), "pad that crops channels"),
        (two_types, "memory that is written to under two types cannot be followed"),
        (packed, "of a packed sequence, whose lengths are values, cannot be followed"),
    ],
    ids=["gather", "index", "embedding", "index_put", "pad", "types", "packed"],
)
def test_a_use_that_no_rule_covers_is_refused_in_words(forward: Forward, message: str) -> None:
    model = network(forward)
    model.cell = nn.GRU(28, 5, batch_first=True)
    with pytest.raises(NoRuleError, match=message):
        receptive_field(model, (1, 28, 28))


@pytest.mark.parametrize("chosen", [torch.tensor([3, 1, 1]), torch.arange(4) % 3 > 0], ids=["indices", "mask"])
def test_indices_and_masks_that_are_parameters_are_followed(chosen: Tensor) -> None:
    net = Net(lambda m, x: x[:, :, m.chosen])
    net.chosen = nn.Parameter(chosen, requires_grad=False)
    field, changed = receptive_field(net, (1, 4, 5), strict=False), changes(net, (1, 4, 5))
    for unit in product(*map(range, field.shape)):
        assert field.region(unit) == lines(changed[0, 0, *unit]), unit


def test_indices_without_data_are_refused_and_with_data_followed() -> None:
    model = network(lambda m, x: m.narrow(x)[:, :, m.order])
    model.register_buffer("order", torch.arange(27, -1, -1))
    assert receptive_field(model, (1, 28, 28), strict=False).size == (3, 3)
    with pytest.raises(NoRuleError, match="with indices that have no data, as in a model on the meta device"):
        receptive_field(model.to("meta"), (1, 28, 28))


@pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning", "ignore:`torch.jit:DeprecationWarning")
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.LazyConv2d(4, 3), "LazyConv2d is lazy: weight has no shape before the model has run once"),
        (lambda: torch.jit.script(nn.ReLU()), "a TorchScript module hides its operations; analyse the module"),
    ],
    ids=["lazy", "TorchScript"],
)
def test_a_model_that_shows_no_operations_is_refused(make: Callable[[], nn.Module], message: str) -> None:
    with pytest.raises(HarnessError, match=message):
        receptive_field(make(), (1, 28, 28))


def test_a_rule_gets_a_constant_as_a_map_that_reads_nothing_and_no_argument_that_there_is_not() -> None:
    call = Call("mine", None, {"weight": torch.zeros(2, 3)}, [torch.Size([2, 3])], axes=2)
    constant = call.value("input", "weight")
    assert (constant.shape, any(constant.fields)) == ((2, 3), False)
    with pytest.raises(NoRuleError, match="^mine has no tensor argument input or other$"):
        call.value("input", "other")


@pytest.mark.parametrize("reduce", [torch.any, torch.all], ids=["any", "all"])
@pytest.mark.parametrize("keepdim", [False, True])
def test_no_dimensions_reduce_what_torch_reduces(reduce: Callable[..., Tensor], keepdim: bool) -> None:
    net = Net(lambda _, x: reduce(x > 0.5, dim=(), keepdim=keepdim))
    expected = changes(net, (1, 3, 4)).reshape(-1, 3, 4)
    field = receptive_field(net, (1, 3, 4))
    units = list(product(*map(range, field.shape)))
    assert len(units) == len(expected)
    for unit, pixels in zip(units, expected, strict=True):
        assert field.region(unit) == lines(pixels)
