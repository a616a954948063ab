"""A model that was followed is the same afterwards, whatever it keeps and wherever."""

from __future__ import annotations

import random
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from harness.errors import HarnessError
from harness.receptive_field import receptive_field
from spec.harness.receptive_field.field_networks import Net, conv

KEPT: list[Tensor] = []


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
