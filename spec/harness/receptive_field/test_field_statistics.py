"""What units read through gates and statistics: part of their region, not of the size; against plain derivatives."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.receptive_field import receptive_field
from spec.harness.receptive_field.field_networks import Net
from spec.harness.receptive_field.gradient_oracle import changes, lines, plain_region

SIZE = (1, 7, 8)
ALL = (list(range(7)), list(range(8)))


def gated(m: Any, x: Tensor) -> Tensor:
    gate: Tensor = m.squeeze(x.mean((2, 3), keepdim=True))
    return x * gate.sigmoid()


def response(_: Any, x: Tensor) -> Tensor:
    norm: Tensor = x.norm(dim=(2, 3), keepdim=True)
    return x * (norm / (norm.mean(1, keepdim=True) + 1e-6)) + x


def standardized(_: Any, x: Tensor) -> Tensor:
    return x.clone().div_(x.var((1, 2, 3), keepdim=True).add_(1e-5).sqrt())


def root_mean_square(_: Any, x: Tensor) -> Tensor:
    return x * x.square().mean(1, keepdim=True).add_(1e-6).rsqrt_()


def in_place(_: Any, x: Tensor) -> Tensor:
    mean, variance = x.mean(1, keepdim=True), x.var(1, keepdim=True)
    return x.clone().sub_(mean).div_(variance.add_(1e-6).sqrt()).add_(1).mul_(2)


def channels_last(norm: nn.Module) -> nn.Module:
    return Net(lambda m, x: m.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2), norm=norm)


WHOLE = {
    "squeeze_and_excitation": Net(gated, squeeze=nn.Conv2d(4, 4, 1)),
    "group_norm": nn.GroupNorm(2, 4),
    "instance_norm": nn.InstanceNorm2d(4),
    "batch_norm_of_the_batch": nn.BatchNorm2d(4, track_running_stats=False),
    "layer_norm_of_the_map": nn.LayerNorm((4, 5, 6)),
    "global_response_norm": Net(response),
    "divided_in_place": Net(standardized),
}
LOCAL = {
    "batch_norm": nn.BatchNorm2d(4),
    "layer_norm_of_channels": channels_last(nn.LayerNorm(4)),
    "rms_norm_of_channels": channels_last(nn.RMSNorm(4)),
    "rms_norm_by_hand": Net(root_mean_square),
    "all_in_place": Net(in_place),
}


@pytest.mark.parametrize("name", WHOLE)
def test_what_scales_a_map_by_all_of_it_reads_all_of_it_and_widens_no_field(name: str) -> None:
    net = nn.Sequential(nn.Conv2d(1, 4, 3), WHOLE[name], nn.Conv2d(4, 4, 2))
    field = receptive_field(net, SIZE)
    assert (field.size, field.is_global, field.padding) == ((4, 4), True, (0, 0))
    for unit in ((0, 0), (3, 1)):
        assert field.region(unit) == plain_region(net, SIZE, (0, slice(None), *unit)) == ALL


@pytest.mark.parametrize("name", LOCAL)
def test_what_scales_a_unit_by_its_channels_reads_that_unit(name: str) -> None:
    net = nn.Sequential(nn.Conv2d(1, 4, 3), LOCAL[name], nn.Conv2d(4, 4, 2))
    field = receptive_field(net, SIZE)
    assert (field.size, field.is_global) == ((4, 4), False)
    for unit in ((0, 0), (3, 1)):
        assert field.region(unit) == plain_region(net, SIZE, (0, slice(None), *unit))


def test_batch_norm_that_stays_in_train_mode_reads_a_channel() -> None:
    net = Net(lambda m, x: F.batch_norm(m.a(x), None, None, training=True), a=nn.Conv2d(1, 2, 3))
    assert receptive_field(net, SIZE).region((0, 0)) == plain_region(net, SIZE, (0, slice(None), 0, 0)) == ALL


ADAPTIVE = {
    "layer_norm": Net(lambda m, x: F.layer_norm(x, (6,), m.style(x.mean((0, 1, 2)))), style=nn.Linear(6, 6)),
    "layer_norm_by_a_row": Net(lambda _, x: F.layer_norm(x, (6,), bias=x[0, 0, 3])),
    "rms_norm": Net(lambda m, x: F.rms_norm(x, (6,), m.style(x.mean((0, 1, 2)))), style=nn.Linear(6, 6)),
    "fused_rms_norm": Net(lambda _, x: torch.ops.aten._fused_rms_norm(x, (6,), x[0, 0, 3], 1e-5)[0]),
    "group_norm": Net(lambda m, x: F.group_norm(x, 1, m.style(x[0, 0, 3, :1])), style=nn.Linear(1, 1)),
    "batch_norm": Net(lambda _, x: F.batch_norm(x, x.new_zeros(1), x.new_ones(1), x.mean((0, 2, 3)))),
    "batch_norm_by_a_pixel": Net(lambda _, x: F.batch_norm(x, x.new_zeros(1), x.new_ones(1), bias=x[0, 0, 3, :1])),
    "batch_norm_by_statistics": Net(lambda _, x: F.batch_norm(x, x.mean((0, 2, 3)), x.var((0, 2, 3)))),
}


@pytest.mark.thorough
@pytest.mark.parametrize("name", ADAPTIVE)
def test_a_norm_reads_what_its_weights_and_statistics_are_computed_from(name: str) -> None:
    field, changed = receptive_field(ADAPTIVE[name], (1, 5, 6), strict=False), changes(ADAPTIVE[name], (1, 5, 6))
    for unit in ((0, 0), (2, 4)):
        assert field.region(unit) == lines(changed[0, 0, *unit]), unit


def test_a_softmax_along_rows_reads_its_row() -> None:
    net = Net(lambda _, x: x.softmax(3))
    field = receptive_field(net, SIZE)
    assert (field.size, field.is_global) == ((1, 1), False)
    assert field.region((2, 3)) == plain_region(net, SIZE, (0, 0, 2, 3)) == ([2], list(range(8)))


def test_gates_along_both_axes_are_global_together() -> None:
    field = receptive_field(Net(lambda _, x: x.softmax(3).softmax(2)), SIZE)
    assert (field.size, field.is_global) == ((1, 1), True)


def test_a_gate_on_a_crop_reads_the_crop() -> None:
    def forward(_: Any, x: Tensor) -> Tensor:
        crop = x[:, :, 1:4, 2:6]
        return crop * crop.mean((2, 3), keepdim=True)

    field = receptive_field(Net(forward), SIZE)
    assert (field.size, field.is_global) == ((1, 1), False)
    assert field.region((0, 0)) == plain_region(Net(forward), SIZE, (0, 0, 0, 0)) == ([1, 2, 3], [2, 3, 4, 5])
