"""What a model may hold and do while it is followed, and that it is the same afterwards."""

from __future__ import annotations

import random
import re
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import product
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.errors import HarnessError
from harness.receptive_field import NoRuleError, receptive_field
from spec.harness.receptive_field.field_networks import Net, conv
from spec.harness.receptive_field.gradient_oracle import changes, lines

KEPT: list[Tensor] = []
JARGON = re.compile(r"(?i)\bmeta\b|functorch|functional(ize|tensor)|fake|\bdevice\b|dispatch|\n")


class Sign(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.factor = factor
        return x.sign() * factor

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        return gradient * ctx.factor, None


class Apart(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x.sign()

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient


class Crossed(torch.autograd.Function):
    """Two inputs, one of them shifted, two outputs, and an argument that is no tensor."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, names: tuple[str, ...] = ()) -> tuple[Tensor, Tensor]:
        return x[:, :, 3:] + y[:, :, :-3], y.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        return gradients


APPLY = Sign.apply


class TestAutogradFunctions:
    @pytest.mark.parametrize(
        "function",
        [lambda _, x: Sign.apply(x, 2.0), lambda _, x: APPLY(x, 2.0), lambda _, x: Apart.apply(x)],
        ids=["with_context", "taken_before", "context_apart"],
    )
    def test_are_followed_by_their_forward(self, function: Callable[[Any, Tensor], Tensor]) -> None:
        field = receptive_field(nn.Sequential(conv(3), Net(function), conv(3)))
        assert (field.size, field.is_global) == ((5, 5), False)

    def test_several_inputs_and_outputs_keep_their_fields(self) -> None:
        net = Net(lambda m, x: Crossed.apply(x, m.a(x), ("a",)), a=conv(5, padding=2))
        assert receptive_field(net, at="output.0").size == (6, 5)
        assert receptive_field(net, at="output.1").size == (5, 5)


class Kept(nn.Module):
    """A model with buffers, one of which shows a part of another."""

    def __init__(self, function: Callable[[Any, Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function
        self.memory = nn.Buffer(torch.zeros(1, 1, 6, 5).double())  # already, since double() would part them
        self.window = self.memory[:, :, 2:5]
        self.mean, self.variance = nn.Buffer(torch.zeros(1)), nn.Buffer(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self, x)


def copied(m: Any, x: Tensor) -> Tensor:
    m.memory.copy_(x)
    result: Tensor = x[:, :, :3] + m.window
    return result


def averaged(m: Any, x: Tensor) -> Tensor:
    F.batch_norm(x[:, :, 2:], m.mean, m.variance, training=True, momentum=0.5)
    result: Tensor = x - m.mean
    return result


def averaged_twice(m: Any, x: Tensor) -> Tensor:
    F.batch_norm(x[:, :, :2], m.mean, m.variance, training=True)
    F.instance_norm(x[:, :, 4:], m.mean, m.variance)
    result: Tensor = x * m.variance
    return result


def scaled_alone(m: Any, x: Tensor) -> Tensor:
    normalized = F.batch_norm(x[:, :, :2], m.mean, m.variance, training=True)
    return F.batch_norm(normalized[..., :2], m.mean, m.variance, training=True)


def other_memory(_: Any, x: Tensor) -> Tensor:
    y = x.clone()
    y.data = x.flip(2)
    return y


def other_view(_: Any, x: Tensor) -> Tensor:
    y = x.clone()
    y.data = y[:, :, 1:].transpose(2, 3)
    return y.transpose(2, 3) * 2


def of_a_constant(_: Any, x: Tensor) -> Tensor:
    y = torch.zeros_like(x)
    y.data = x.roll(1, 3)
    return y


def clipped(m: Any, x: Tensor) -> Tensor:
    m.a.weight.data = m.fixed.clamp(-1, 1)
    result: Tensor = m.a(x)
    return result


def emptied(m: Any, x: Tensor) -> Tensor:
    y = x.clone()
    y.data = torch.ones(x.shape)
    y[:, :, 1:] += x[:, :, :-1]
    return y


def strided_after_a_write(_: Any, x: Tensor) -> Tensor:
    y = x.clone()
    shown = y.as_strided((1, 1, 4, 4), (20, 20, 4, 1), 4)
    y[:, :, 1].copy_(x[:, :, 3])
    return shown


def strided_in_place(_: Any, x: Tensor) -> Tensor:
    y = x.clone().transpose(2, 3)
    y[:, :, 0].mul_(x.mean())
    return y.as_strided_((1, 1, 3, 3), (20, 20, 4, 1), 1)


class TestMemory:
    def test_a_view_sees_what_is_written_through_another(self) -> None:
        def forward(m: Any, x: Tensor) -> Tensor:
            y = m.a(x)
            top, left = y[:, :, :4], y[..., :4]
            top.copy_(x[:, :, 4:])
            result: Tensor = left
            return result

        field = receptive_field(Net(forward, a=conv(3, padding=1)), (1, 8, 8))
        assert field.shape == (8, 4)
        assert [field.region(unit) for unit in ((0, 3), (4, 3))] == [([4], [3]), ([3, 4, 5], [2, 3, 4])]

    def test_pieces_written_into_an_empty_tensor(self) -> None:
        def forward(m: Any, x: Tensor) -> Tensor:
            y = torch.empty(1, 2, 8, 8)
            y[:, :1], y[:, 1:] = x, m.a(x)
            y[:, 1].mul_(2)
            return y[:, 1:]

        field = receptive_field(Net(forward, a=conv(3, padding=1)), (1, 8, 8))
        assert (field.size, field.region((0, 0))) == ((3, 3), ([0, 1], [0, 1]))

    @pytest.mark.thorough
    @pytest.mark.parametrize("forward", [copied, averaged, averaged_twice, scaled_alone], ids=lambda f: f.__name__)
    def test_what_is_kept_in_buffers_is_read(self, forward: Callable[[Any, Tensor], Tensor]) -> None:
        net = Kept(forward)
        field, changed = receptive_field(net, (1, 6, 5), strict=False), changes(net, (1, 6, 5))
        for unit in product(*map(range, field.shape)):
            assert field.region(unit) == lines(changed[0, 0, *unit]), unit

    @pytest.mark.thorough
    @pytest.mark.parametrize(
        "forward",
        [other_memory, other_view, of_a_constant, clipped, emptied],
        ids=lambda f: f.__name__,
    )
    def test_a_tensor_whose_data_is_replaced_holds_the_new(self, forward: Callable[[Any, Tensor], Tensor]) -> None:
        net = Net(forward, a=conv((2, 1), padding=(1, 0)))
        net.fixed = nn.Buffer(torch.rand(1, 1, 2, 1).double())
        field, changed = receptive_field(net, (1, 5, 4)), changes(net, (1, 5, 4))
        for unit in product(*map(range, field.shape)):
            assert field.region(unit) == lines(changed[0, 0, *unit]), unit

    def test_memory_that_nothing_shows_any_more_is_no_other_memory(self) -> None:
        def forward(_: Any, x: Tensor) -> Tensor:
            tables, others = ([torch.ones(1, 1, 5, 4) for _ in range(30)] for _ in range(2))
            rows = [table[0] for table in tables]
            del rows
            for table, other in zip(tables, others, strict=True):
                table.data = other
            y = x.flip(2)
            y[:, :, 0] = 0
            return y

        assert receptive_field(Net(forward), (1, 5, 4)).region((1, 2)) == ([3], [2])

    @pytest.mark.thorough
    @pytest.mark.parametrize(
        "forward",
        [
            lambda _, x: x.flatten().as_strided((20,), (0,)).view(1, 1, 5, 4),
            lambda _, x: (2 * x).flatten()[5:15].as_strided((10,), (1,), 0).view(1, 1, 2, 5),
            lambda _, x: x.flatten()[:10].as_strided((10,), (2,)).view(1, 1, 2, 5),
            lambda _, x: x.transpose(2, 3).as_strided((1, 1, 3, 2, 3, 3), (20, 20, 4, 1, 4, 1)).mean((4, 5)),
            lambda _, x: x.clone().flip(2)[0, 0, 1:].fill_diagonal_(0)[None, None],
            strided_after_a_write,
            strided_in_place,
        ],
        ids=["one_element", "an_earlier_place", "gaps", "windows", "diagonal", "after_a_write", "in_place"],
    )
    def test_strides_show_memory_and_not_elements(self, forward: Callable[[Any, Tensor], Tensor]) -> None:
        net = Net(forward)
        field, changed = receptive_field(net, (1, 5, 4), strict=False), changes(net, (1, 5, 4))
        for unit in product(*map(range, field.shape)):
            assert field.region(unit) == lines(changed[0, 0, *unit]), unit

    def test_what_another_thread_computes_is_refused(self) -> None:
        def forward(m: Any, x: Tensor) -> Tensor:
            with ThreadPoolExecutor(1) as pool:
                result: Tensor = x + pool.submit(torch.flip, x, (2,)).result()
            return result

        with pytest.raises(NoRuleError, match="^a tensor that is computed out of sight, such as in another thread"):
            receptive_field(Net(forward))

    def test_constants_without_data_are_none_of_another_thread(self) -> None:
        with torch.device("meta"):
            net: Any = Net(lambda m, x: m.a(x) * m.scales[0] + x.new_tensor([1.0]), a=conv(3))
            net.scales = [torch.ones(26)]
        assert receptive_field(net).size == (3, 3)

    @pytest.mark.parametrize(
        "write",
        [
            lambda y: y.add_(1).mul_(2).sub_(3).div_(4).neg_().clamp_(0, 1).masked_fill_(torch.eye(6) > 0, 0.0),
            lambda y: torch.add(y, 1, out=torch.empty_like(y)),
            lambda y: F.relu_(F.hardtanh_(F.leaky_relu_(y))),
            lambda y: y.squeeze_(1).unsqueeze_(1).transpose_(2, 3).transpose_(2, 3),
            lambda y: y.squeeze_((0, 1))[None, None],
            lambda y: y.data,
        ],
        ids=["arithmetic", "out", "activations", "shape", "several dimensions", "data"],
    )
    def test_what_is_written_in_place_stays_where_it_is(self, write: Callable[[Tensor], Tensor]) -> None:
        field = receptive_field(Net(lambda m, x: m.b(write(m.a(x))), a=conv(3), b=conv(3)), (1, 8, 8))
        assert (field.size, field.is_global) == ((5, 5), False)

    @pytest.mark.parametrize(
        ("function", "called"),
        [
            (lambda _, x: x[x > 0], "getitem"),
            (lambda _, x: x * x.max().item(), "item"),
            (lambda _, x: x * float(x.detach().numpy().max()), "numpy"),
            (lambda _, x: x.nonzero(), "nonzero"),
            (lambda _, x: x if x.sum() > 0 else -x, "."),
            (lambda _, x: x.masked_select(x > 0), "masked_select"),
            (lambda _, x: torch.cond(x.sum() > 0, torch.sin, torch.cos, (x,)), "cond"),
        ],
        ids=["mask", "item", "numpy", "nonzero", "condition", "selected", "cond"],
    )
    def test_values_that_are_needed_are_named_in_plain_words(
        self, function: Callable[[Any, Tensor], Any], called: str
    ) -> None:
        with pytest.raises(NoRuleError, match=called) as caught:
            receptive_field(Net(function))
        assert not JARGON.search(str(caught.value))


def filled(x: Tensor) -> Tensor:
    """A tensor that had numbers before something that depends on the input was written into it."""
    return torch.zeros(x.shape, dtype=x.dtype).copy_(x.flip(2))


def array_filled(_: Any, x: Tensor) -> Tensor:
    array = np.zeros(tuple(x.shape))
    torch.from_numpy(array).copy_(x.flip(2))
    return x + torch.tensor(array)


@pytest.mark.parametrize(
    ("forward", "called"),
    [
        (lambda _, x: x if filled(x).tolist()[0][0][0][0] < 0.5 else x.flip(2), "tolist"),
        (lambda _, x: x + torch.from_numpy(filled(x).numpy()), "numpy"),
        (lambda _, x: x + torch.from_numpy(np.asarray(filled(x))), "array"),
        (lambda _, x: x + torch.utils.dlpack.from_dlpack(filled(x)), "dlpack"),
        (lambda _, x: x * torch.tensor([filled(x)[0, 0, 0, 0]]), "tensor"),
        (lambda _, x: x * x.new_tensor([filled(x)[0, 0, 0, 0]]), "new_tensor"),
        (lambda _, x: x * len(f"{x.sum():.3f}"), "format"),
        (array_filled, "NumPy"),
    ],
    ids=["list", "numpy", "asarray", "dlpack", "tensor", "new_tensor", "format", "array"],
)
def test_the_values_of_a_constant_that_came_to_depend_on_the_input_are_refused(
    forward: Callable[[Any, Tensor], Tensor], called: str
) -> None:
    net = Net(forward)
    net(torch.rand(1, 1, 5, 4).double())
    with pytest.raises(NoRuleError, match=called) as caught:
        receptive_field(net, (1, 5, 4))
    assert not JARGON.search(str(caught.value))


def scaled_unless_refused(_: Any, x: Tensor) -> Tensor:
    with suppress(Exception):
        x = x / float(x.max())
    return x


def darkened_unless_refused(_: Any, x: Tensor) -> Tensor:
    try:
        return x if x.max() > 0 else x.flip(2)
    except Exception:
        return x


def turned_unless_refused(_: Any, x: Tensor) -> Tensor:
    try:
        return torch.from_numpy(x.numpy()[:, :, ::-1].copy())
    except TypeError:
        return x


def added_unless_refused(_: Any, x: Tensor) -> Tensor:
    with suppress(Exception):
        added_at_once(_, x)
        return x.flip(2)
    return x


@pytest.mark.parametrize(
    ("forward", "called"),
    [
        (scaled_unless_refused, "float"),
        (darkened_unless_refused, "bool"),
        (turned_unless_refused, "numpy"),
        (added_unless_refused, "foreach_add"),
    ],
    ids=lambda part: getattr(part, "__name__", part),
)
def test_a_refusal_that_the_model_catches_counts(forward: Callable[[Any, Tensor], Tensor], called: str) -> None:
    with pytest.raises(NoRuleError, match=called):
        receptive_field(Net(forward))


def test_an_error_that_the_model_meets_with_data_too_is_its_own() -> None:
    def forward(m: Any, x: Tensor) -> Tensor:
        try:
            result: Tensor = m.colours(x)
        except RuntimeError:
            result = m.grey(x)
        return result

    assert receptive_field(Net(forward, colours=nn.Conv2d(3, 1, 5), grey=conv(3))).size == (3, 3)


def written_to_elsewhere(_: Any, x: Tensor) -> Tensor:
    y, z = x.clone(), x.clone()
    y.to("cpu")[:, :, 0] = x[:, :, 3]
    z.to("cpu", copy=True)[:, :, 1] = x[:, :, 3]
    y.to(x.device, x.dtype).cpu()[:, :, 2] = x[:, :, 4]
    z.to(torch.zeros(1, dtype=x.dtype))[:, :, 4] = x[:, :, 0]
    return y * z


def asked_for_its_place(m: Any, x: Tensor) -> Tensor:
    generator = torch.Generator(device=x.device).manual_seed(1)
    noise = torch.rand(4, generator=generator, device=m.weight.device)
    with torch.autocast(x.device.type, enabled=False):
        return x * noise if x.is_cpu and not x.is_cuda and not x.is_meta and x.device == noise.device else x.flip(2)


@pytest.mark.parametrize("forward", [written_to_elsewhere, asked_for_its_place], ids=lambda f: f.__name__)
def test_a_model_is_where_it_would_be_with_data(forward: Callable[[Any, Tensor], Tensor]) -> None:
    net = Net(forward)
    net.weight = nn.Parameter(torch.ones(1).double())
    field, changed = receptive_field(net, (1, 5, 4), strict=False), changes(net, (1, 5, 4))
    for unit in product(*map(range, field.shape)):
        assert field.region(unit) == lines(changed[0, 0, *unit]), unit


def replaced(_: Any, x: Tensor) -> Tensor:
    y = torch.zeros(x.shape)
    y.data = x
    return y


def added_at_once(_: Any, x: Tensor) -> Tensor:
    y = x.clone()
    torch._foreach_add_([y], [x.flip(2)])
    return y


@pytest.mark.parametrize(
    ("net", "called"),
    [
        (nn.CrossMapLRN2d(2), "resize_as"),
        (Net(lambda _, x: torch.add(x, x.flip(2), out=torch.empty(0))), "add"),
        (Net(lambda _, x: x.quantile(0.5, 2)), "quantile"),
        (Net(added_at_once), "foreach_add"),
        (Net(replaced), "set"),
        (Net(lambda _, x: x.take_along_dim(torch.zeros(1, 1, 1, 4).long(), 2)), "take_along_dim"),
        (Net(lambda _, x: torch.sparse.mm(torch.eye(4).to_sparse(), x[0, 0])), "sparse"),
        (Net(lambda _, x: F.conv2d(x + 0j, torch.ones(1, 3, 3, 3) + 0j)), "conv2d"),
    ],
    ids=["resized", "out", "numbers", "lists", "data", "indices", "sparse", "complex"],
)
def test_a_model_that_runs_is_not_said_not_to_run(net: nn.Module, called: str) -> None:
    net(torch.zeros(1, 3, 4, 4))
    with pytest.raises(NoRuleError, match=called) as caught:
        receptive_field(net, (3, 4, 4))
    assert not JARGON.search(str(caught.value))
    assert "does not run" not in str(caught.value)


class Watched(nn.Module):
    """A model that has run, with hooks that keep its maps in lists of several kinds."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(conv(3), nn.BatchNorm2d(1), conv(3))
        self.maps: list[Tensor] = []
        local: list[Tensor] = []
        self.lists = [self.maps, local, KEPT]
        self.body[0].register_forward_hook(lambda _, __, output: self.maps.append(output))
        self.body[0].register_forward_hook(lambda _, __, output: local.append(output))
        self.body[2].register_forward_hook(lambda _, __, output: KEPT.append(output))
        self.body[2].register_forward_pre_hook(self.note)
        self.body[2].register_forward_hook(lambda _, __, output: output[:, :, ::2, ::2])

    def note(self, *_: Any) -> None:
        self.maps.append(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        self.shape = tuple(x.shape)
        result: Tensor = self.body(x)
        return result


TABLES: dict[str, Any] = {"of shapes": {}}
SCALE: Any = None


def remembered() -> Callable[[Tensor], Tensor]:
    tables: dict[str, Tensor] = {}

    def table(x: Tensor) -> Tensor:
        return tables.setdefault("blank", torch.zeros_like(x))

    return table


remember = remembered()


class Outside(nn.Module):
    """A model that makes its tables once for all of its kind, in all kinds of places."""

    tables: ClassVar[dict[Any, Tensor]] = {}
    maps: ClassVar[list[Tensor]] = []
    blank: ClassVar[Tensor | None] = None

    @staticmethod
    def doubled(x: Tensor, found: list[Tensor] = []) -> Tensor:  # noqa: B006 - as people write it
        found.append(x)
        return x + found[0]

    def forward(self, x: Tensor) -> Tensor:
        global SCALE
        self.maps.append(x)
        if Outside.blank is None:
            Outside.blank = torch.zeros_like(x)
        if SCALE is None:
            SCALE = x.new_ones(1)
        if x.shape not in self.tables:
            self.tables[x.shape] = torch.zeros_like(x)
        table = TABLES["of shapes"].setdefault(x.shape, torch.zeros_like(x))
        noise = random.random() + float(np.random.rand())
        result: Tensor = self.doubled(x) * SCALE + Outside.blank + self.tables[x.shape] + table + remember(x) + noise
        return result


class TestIsolation:
    def test_a_model_that_keeps_tables_outside_of_itself_runs_afterwards(self) -> None:
        random.seed(1)
        np.random.seed(1)
        x = torch.rand(1, 1, 5, 4)
        assert receptive_field(Outside(), (1, 5, 4)).size == (1, 1)
        assert (Outside.maps, Outside.tables, Outside.blank, SCALE, TABLES) == ([], {}, None, None, {"of shapes": {}})
        random_numbers = random.Random(1).random() + float(np.random.RandomState(1).rand())
        assert torch.equal(Outside()(x), x + x + random_numbers)
        assert receptive_field(Outside(), (1, 5, 4)).size == (1, 1)
        assert len(Outside.maps) == 1

    def test_hooks_that_keep_maps_keep_none_of_the_analysis(self) -> None:
        net = Watched()
        net(torch.zeros(2, 1, 28, 28))
        before = [list(found) for found in net.lists]
        state = {name: tensor.clone() for name, tensor in net.state_dict().items()}
        attributes = dict(vars(net))
        field = receptive_field(net)
        assert (field.size, field.stride) == ((5, 5), (2, 2))  # a hook that returns something is a part of the model
        for found, kept in zip(net.lists, before, strict=True):
            assert len(found) == len(kept)
            assert all(one is other for one, other in zip(found, kept, strict=True))
        assert all(module.training for module in net.modules())
        assert net.shape == (2, 1, 28, 28)
        assert all(vars(net)[name] is value for name, value in attributes.items())
        assert all(torch.equal(state[name], tensor) for name, tensor in net.state_dict().items())
        assert {parameter.device.type for parameter in net.parameters()} == {"cpu"}

    @pytest.fixture
    def uncopyable(self) -> Iterator[dict[str, Any]]:
        with socket.socket() as plug, tempfile.NamedTemporaryFile() as file, open(__file__) as script:
            leaf = torch.ones(1, requires_grad=True)
            yield {
                "lock": threading.Lock(),
                "lock_in_a_list": [threading.RLock()],
                "generator": (i for i in range(3)),
                "socket": plug,
                "file": script,
                "temporary_file": file,
                "computed": leaf * 2,
                "computed_in_an_object": type("Keeper", (), {})(),
                "randomness": torch.Generator(),
                "module": torch,
                "thread": threading.Thread(),
            }

    def test_attributes_that_cannot_be_copied_are_left_alone(self, uncopyable: dict[str, Any]) -> None:
        uncopyable["computed_in_an_object"].map = uncopyable["computed"] * 2
        net = conv(3)
        for name, value in uncopyable.items():
            setattr(net, name, value)
        assert receptive_field(net).size == (3, 3)
        assert all(getattr(net, name) is value for name, value in uncopyable.items())
        assert next(uncopyable["generator"]) == 0
        assert not uncopyable["file"].closed
        assert not uncopyable["temporary_file"].closed
        assert uncopyable["socket"].fileno() >= 0

    def test_what_is_noted_on_a_tensor_is_copied_with_it(self) -> None:
        net: Any = Net(lambda m, x: (m.a(x) * m.table).roll(m.a.weight.shift, 2)[:, :, m.table.rows], a=conv(1))
        net.table = nn.Buffer(torch.ones(5, 4))
        net.a.weight.shift, net.table.rows = 2, torch.tensor([0, 3])
        net(torch.zeros(1, 1, 5, 4))
        field = receptive_field(net, (1, 5, 4))
        assert [field.region((unit, 1)) for unit in range(2)] == [([3], [1]), ([1], [1])]
        assert vars(net.a.weight) == {"shift": 2}

    def test_random_numbers_of_the_model_are_not_taken_from_those_of_the_program(self) -> None:
        state = torch.get_rng_state()
        receptive_field(Net(lambda _, x: x + torch.rand(28, 28)))
        assert torch.equal(torch.get_rng_state(), state)

    def test_an_exported_model_is_followed(self) -> None:
        exported = torch.export.export(nn.Sequential(conv(3), conv(3)), (torch.zeros(1, 1, 28, 28),)).module()
        assert receptive_field(exported).size == (5, 5)

    def test_what_stands_behind_an_exported_model_is_in_evaluation_mode(self) -> None:
        exported = torch.export.export(conv(3), (torch.zeros(1, 1, 28, 28),)).module()
        field = receptive_field(nn.Sequential(exported, nn.BatchNorm2d(1)))
        assert field.region((4, 5)) == ([4, 5, 6], [5, 6, 7])

    def test_a_model_that_ends_the_program_does_not(self) -> None:
        def forward(_: Any, x: Tensor) -> Tensor:
            raise SystemExit(0)

        with pytest.raises(HarnessError, match=r"^Net does not run on an input of \(1, 28, 28\), in forward: 0$"):
            receptive_field(Net(forward))


class TestNames:
    def test_a_module_of_several_tensors_is_addressed_by_their_names(self) -> None:
        both = Net(lambda m, x: (m.a(x), {"b": x}), a=conv(5))
        net = Net(lambda m, x: m.both(m.both(x)[0])[0], both=both)
        message = re.escape("both returns 2 tensors; say at which of them: 'both.0' or 'both.1.b'")
        with pytest.raises(HarnessError, match=f"^{message}$"):
            receptive_field(net, at="both")
        sizes = [receptive_field(net, at=at).size for at in ("both.0", "both.1.b", "both_1.0", "both_1.1.b")]
        assert sizes == [(5, 5), (1, 1), (9, 9), (5, 5)]

    def test_a_part_never_takes_the_name_of_a_module(self) -> None:
        class Twin(nn.Sequential):
            def forward(self, x: Tensor) -> Any:
                return self[1](self[0](x)), x

        net = Net(lambda m, x: m.twin(x)[0], twin=Twin(conv(3), conv(3)))
        assert [receptive_field(net, at=at).size for at in ("twin.0", "twin.1", "twin.0_1", "twin.1_1")] == [
            (3, 3), (5, 5), (5, 5), (1, 1),
        ]  # fmt: skip
