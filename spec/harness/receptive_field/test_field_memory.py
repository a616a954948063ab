"""What a model writes into its memory, and reads from it, while it is followed."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.receptive_field import NoRuleError, receptive_field
from spec.harness.receptive_field.field_networks import JARGON, Net, conv
from spec.harness.receptive_field.gradient_oracle import changes, lines


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
