"""Units that differ from each other, lie at a border, or read everything; pixels are listed by hand."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from itertools import product
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.errors import HarnessError
from harness.receptive_field import receptive_field
from spec.harness.receptive_field.field_networks import Net, conv
from spec.harness.receptive_field.gradient_oracle import gradient_field


class TestShiftVariance:
    def test_transposed_convolution(self) -> None:
        field = receptive_field(nn.ConvTranspose2d(1, 1, 4, 2, 1), (1, 8, 8))
        assert (field.size, field.stride, field.shift_variant) == ((2, 2), (Fraction(1, 2), Fraction(1, 2)), True)
        assert [field.region((0, j))[1] for j in range(5)] == [[0], [0, 1], [0, 1], [1, 2], [1, 2]]

    def test_output_padding_gives_units_that_read_nothing(self) -> None:
        field = receptive_field(nn.ConvTranspose2d(1, 1, 1, 2, 0, 1), (1, 4, 4))
        assert field.shape == (8, 8)
        assert [field.region((0, j))[1] for j in range(4)] == [[0], [], [1], []]

    def test_units_none_of_which_reads_anything(self) -> None:
        net = Net(lambda m, x: m.a(m.up(x)[:, :, 1::2, 1::2]), up=nn.ConvTranspose2d(1, 1, 1, 2, 0, 1), a=conv(3))
        field = receptive_field(net, (1, 6, 6))
        assert (field.size, field.used, field.holes, field.padding) == ((0, 0), (0, 0), 0, (0, 0))
        assert (field.stride, field.shape, field.region((1, 3))) == ((None, None), (4, 4), ([], []))
        assert [row.name for row in field.layers] == ["up"]  # nothing of the input gets as far as the other

    def test_the_size_is_that_of_the_widest_unit(self) -> None:
        field = receptive_field(nn.ConvTranspose2d(1, 1, 3, 2), (1, 4, 4))
        assert [field.region((0, j))[1] for j in range(5)] == [[0], [0], [0, 1], [1], [1, 2]]
        assert field.size == (2, 2)

    @pytest.mark.parametrize(
        ("mode", "corners", "columns"),
        [
            ("nearest", None, [[0], [0], [1], [1], [2], [2]]),
            ("nearest-exact", None, [[0], [0], [1], [1], [2], [2]]),
            ("bilinear", False, [[0], [0, 1], [0, 1], [1, 2], [1, 2], [2]]),
            ("bilinear", True, [[0], [0, 1], [0, 1], [1, 2], [1, 2], [2]]),
        ],
    )
    def test_upsampling(self, mode: str, corners: bool | None, columns: list[list[int]]) -> None:
        net = Net(lambda _, x: F.interpolate(x, scale_factor=2, mode=mode, align_corners=corners))
        field = receptive_field(net, (1, 3, 3))
        assert field.shift_variant
        assert [field.region((0, j))[1] for j in range(6)] == columns

    @pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
    @pytest.mark.parametrize(
        ("length", "options"),
        [
            (9, {"scale_factor": (1.0, 1.1)}),
            (5, {"scale_factor": (1.0, 2.1)}),
            (4, {"size": (1, 82)}),
            (54, {"size": (1, 19)}),
            (28, {"size": (1, 46)}),
            (62, {"size": (1, 28)}),
            (112, {"size": (1, 48)}),
        ],
    )
    def test_the_nearest_pixel_is_the_one_that_torch_takes(
        self, mode: str, length: int, options: dict[str, Any]
    ) -> None:
        field = receptive_field(Net(lambda _, x: F.interpolate(x, mode=mode, **options)), (1, 1, length))
        taken = F.interpolate(torch.arange(float(length)).reshape(1, 1, 1, -1), mode=mode, **options)
        assert [field.region((0, j))[1] for j in range(field.shape[1])] == [[int(i)] for i in taken.flatten()]

    @pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
    @pytest.mark.parametrize("size", [(3, 4), (7, 2), (1, 9)], ids=str)
    def test_resizing_without_aliasing_reads_what_it_averages(self, mode: str, size: tuple[int, int]) -> None:
        net = Net(lambda _, x: F.interpolate(x, size, mode=mode, antialias=True))
        field, oracle = receptive_field(net, (1, 5, 8)), gradient_field(net, (1, 5, 8))
        assert field.shape == oracle.shape == size
        for unit in product(*map(range, size)):
            assert field.region(unit) == oracle.region(unit), unit

    def test_halving_without_aliasing_is_a_kernel_of_four(self) -> None:
        net = Net(lambda _, x: F.interpolate(x, scale_factor=0.5, mode="bilinear", antialias=True))
        field = receptive_field(net, (1, 8, 8))
        assert (field.size, field.stride, field.padding) == ((4, 4), (2, 2), (1, 1))

    @pytest.mark.thorough
    def test_resizing_by_factors_that_have_no_short_period_in_common(self) -> None:
        net = nn.Sequential()
        for factor in (1.37, 1.21, 0.71, 1.9):
            net += nn.Sequential(nn.Upsample(scale_factor=factor, mode="bilinear"), conv(3, padding=1))
        field, oracle = receptive_field(net, (1, 6, 5)), gradient_field(net, (1, 6, 5))
        assert field.shape == oracle.shape
        for unit in product(*map(range, field.shape)):
            assert field.region(unit) == oracle.region(unit), unit

    def test_uneven_adaptive_pooling(self) -> None:
        field = receptive_field(nn.AdaptiveAvgPool2d(4), (1, 6, 6))
        assert [field.region((0, j))[1] for j in range(4)] == [[0, 1], [1, 2], [3, 4], [4, 5]]
        assert (field.stride, field.shift_variant) == ((Fraction(3, 2), Fraction(3, 2)), True)

    def test_even_adaptive_pooling_is_plain_pooling(self) -> None:
        field = receptive_field(nn.AdaptiveMaxPool2d(3), (1, 6, 6))
        assert (field.size, field.stride, field.shift_variant) == ((2, 2), (2, 2), False)

    def test_pixel_shuffle_and_back(self) -> None:
        shuffled = receptive_field(nn.PixelShuffle(2), (4, 5, 5))
        assert (shuffled.size, shuffled.stride) == ((1, 1), (Fraction(1, 2), Fraction(1, 2)))
        back = receptive_field(nn.Sequential(nn.PixelShuffle(2), nn.PixelUnshuffle(2)), (4, 5, 5))
        assert (back.size, back.stride, back.shift_variant) == ((1, 1), (1, 1), False)


class TestChosenRows:
    """Rows that are chosen by index, of eight, and then read by a kernel of two rows."""

    @pytest.mark.parametrize(
        ("chosen", "size", "stride", "padding"),
        [
            (lambda m, x: x[:, :, [0, 5, 1, 7]], 7, None, 0),
            (lambda m, x: x[:, :, [3, 3, 3, 3]], 1, None, -3),
            (lambda m, x: m.a(x[:, :, [0, 6, 1, 3, 5, 7]])[:, :, 2:], 5, 2, -1),
            (lambda m, x: x[:, :, :3].repeat(1, 1, 4, 1), 3, None, 0),
        ],
        ids=["out_of_order", "one_row_again", "evenly_spaced_once_cropped", "the_same_rows_four_times"],
    )
    def test_have_a_stride_only_if_they_follow_a_rule(
        self, chosen: Callable[[Any, Tensor], Tensor], size: int, stride: int | None, padding: int
    ) -> None:
        net = Net(lambda m, x: m.a(chosen(m, x)), a=conv((2, 1)))
        field, oracle = receptive_field(net, (1, 8, 3)), gradient_field(net, (1, 8, 3))
        assert (field.size, field.stride, field.padding) == ((size, 1), (stride, 1), (padding, 0))
        for unit in range(field.shape[0]):
            assert field.region((unit, 0)) == oracle.region((unit, 0))


def shift(_: Any, x: Tensor) -> Tensor:
    y = x.clone()
    y[:, :, 1:, 1:] = x[:, :, :-1, :-1]
    return y


def spread(_: Any, x: Tensor) -> Tensor:
    y = x.new_zeros(1, 1, 10, 8)
    y[:, :, ::2, ::2] = x
    return y


def average_inside(_: Any, x: Tensor) -> Tensor:
    y = x.clone()
    y[:, :, 1:3, 2:4] = x.mean()
    return y


def mesh(_: Any, x: Tensor) -> Tensor:
    y = x.clone()
    y[:, :, torch.tensor([[0], [2]]), torch.tensor([1, 3])] = x[:, :, 3:5, :2]
    return y


def line(_: Any, x: Tensor) -> Tensor:
    y = x.clone()
    y.view(-1)[3:9] = x.view(-1)[:6]
    return y


def further(_: Any, x: Tensor) -> Tensor:
    return F.pad(x.flatten(2), (1, 0))[..., :-1].view_as(x)


def rolled(_: Any, x: Tensor) -> Tensor:
    return x.roll(3)


def turned(_: Any, x: Tensor) -> Tensor:
    y = x.clone()
    y[:, :, :4, :4] = x[:, :, :4, :4].transpose(2, 3)
    return y


def inside(_: Any, x: Tensor) -> Tensor:
    y = x.new_zeros(1, 1, x.shape[2] + 2, x.shape[3] + 2)
    y[:, :, 1:-1, 1:-1] = x
    return y


def beside(_: Any, x: Tensor) -> Tensor:
    x = torch.cat([torch.zeros_like(x[:, :, :1]), x, torch.zeros_like(x[:, :, :1])], 2)
    return torch.cat([torch.zeros_like(x[..., :1]), x, torch.zeros_like(x[..., :1])], 3)


class TestPartsOfAMap:
    """A part of a map that is written along rows and columns at once, in an image of 5 x 4 pixels."""

    @pytest.mark.parametrize(
        "write", [shift, spread, average_inside, mesh, line, further, rolled, turned], ids=lambda f: f.__name__
    )
    @pytest.mark.parametrize("after", [nn.Identity(), conv(3, padding=1)], ids=["alone", "convolved"])
    def test_units_are_where_their_elements_are(self, write: Callable[[Any, Tensor], Tensor], after: nn.Module) -> None:
        net = nn.Sequential(Net(write), after)
        field, oracle = receptive_field(net, (1, 5, 4), strict=False), gradient_field(net, (1, 5, 4))
        assert field.shape == oracle.shape
        for unit in product(*map(range, field.shape)):
            assert field.region(unit) == oracle.region(unit), unit

    @pytest.mark.parametrize("write", [shift, mesh, line, further, rolled, turned], ids=lambda f: f.__name__)
    def test_units_of_one_pixel_each_have_a_size_of_one(self, write: Callable[[Any, Tensor], Tensor]) -> None:
        field = receptive_field(Net(write), (1, 5, 4), strict=False)
        assert (field.size, field.used, field.holes) == ((1, 1), (1, 1), 0)

    @pytest.mark.parametrize("write", [inside, beside], ids=lambda f: f.__name__)
    @pytest.mark.parametrize(
        "after",
        [
            nn.Identity(),
            conv(3),
            conv(3, 2),
            nn.AdaptiveAvgPool2d(1),
            Net(lambda _, x: x[:, :, :-2, :-2] + x[:, :, 2:, 2:]),
            Net(lambda _, x: x.mean((2, 3))),
        ],
        ids=["alone", "convolved", "strided", "pooled", "added", "averaged"],
    )
    @pytest.mark.parametrize("size", [(5, 4), (1, 4)])
    def test_in_a_frame_of_zeros_it_is_padded(
        self, write: Callable[[Any, Tensor], Tensor], after: nn.Module, size: tuple[int, int]
    ) -> None:
        written, padded = (
            receptive_field(nn.Sequential(before, after), (1, *size)) for before in (Net(write), nn.ZeroPad2d(1))
        )
        for name in ("size", "stride", "padding", "used", "holes", "is_global", "aligned", "shift_variant", "shape"):
            assert getattr(written, name) == getattr(padded, name), name
        for unit in product(*map(range, padded.shape)):
            assert written.region(unit) == padded.region(unit), unit


class TestBorders:
    def test_clipping_an_interval_is_not_enough_with_holes(self) -> None:
        assert receptive_field(conv(3, padding=2, dilation=2), (1, 5, 5)).region((0, 4)) == ([0, 2], [2, 4])

    def test_reflection_folds_and_circular_wraps(self) -> None:
        reflect = receptive_field(conv(5, padding=2, padding_mode="reflect"), (1, 8, 8))
        assert (reflect.region((0, 0))[0], reflect.padding, reflect.size) == ([0, 1, 2], (2, 2), (5, 5))
        circular = receptive_field(conv(3, padding=1, padding_mode="circular"), (1, 8, 8))
        assert (circular.region((0, 7)), circular.size) == (([0, 1, 7], [0, 6, 7]), (3, 3))
        assert not circular.shift_variant

    def test_an_axis_of_two_wraps_as_a_longer_one_does(self) -> None:
        field = receptive_field(conv(3, padding=1, padding_mode="circular"), (1, 2, 4))
        assert (field.size, field.stride, field.padding) == ((3, 3), (1, 1), (1, 1))
        assert field.region((0, 0)) == ([0, 1], [0, 1, 3])

    @pytest.mark.parametrize(("length", "shift"), [(3, 1), (4, 1), (4, 2), (6, 3), (7, -3), (8, 4)])
    def test_an_axis_that_is_rolled_has_a_stride_of_one(self, length: int, shift: int) -> None:
        field = receptive_field(Net(lambda net, x: x.roll(shift, dims=3)), (1, 1, length))
        assert (field.size, field.stride, field.shift_variant) == ((1, 1), (1, 1), False)
        assert [field.region((0, i))[1] for i in range(length)] == [[(i - shift) % length] for i in range(length)]

    def test_padding_as_large_as_the_kernel_leaves_units_that_see_nothing(self) -> None:
        field = receptive_field(conv(3, padding=3), (1, 5, 5))
        assert field.region((0, 4)) == ([], [])
        assert field.padding == (3, 3)

    def test_asymmetric_padding_moves_the_start_and_not_the_size(self) -> None:
        field = receptive_field(nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), conv(3, 2)), (1, 8, 8))
        assert (field.size, field.padding, field.shape) == ((3, 3), (0, 0), (4, 4))

    @pytest.mark.filterwarnings("ignore:Using padding='same'")
    def test_same_padding_of_an_even_kernel(self) -> None:
        field = receptive_field(conv(4, padding="same"), (1, 8, 8))
        assert (field.size, field.padding, field.shape) == ((4, 4), (1, 1), (8, 8))

    def test_ceil_mode_adds_a_unit_and_leaves_the_interior(self) -> None:
        field = receptive_field(nn.MaxPool2d(2, ceil_mode=True), (1, 5, 5))
        assert (field.shape, field.size, field.region((2, 0))) == ((3, 3), (2, 2), ([4], [0, 1]))

    def test_negative_units_count_from_the_end_and_others_are_errors(self) -> None:
        field = receptive_field(conv(3), (1, 5, 5))
        assert field.region((-1, 0)) == field.region((2, 0)) == ([2, 3, 4], [0, 1, 2])
        assert field.region((0, -3)) == ([0, 1, 2], [0, 1, 2])
        for unit in ((3, 0), (0, -4), (0,), 2, (0.0, 1.0)):
            message = re.escape(f"there is no unit {unit} in a map of 3 x 3 units")
            with pytest.raises(HarnessError, match=f"^{message}$"):
                field.region(unit)  # type: ignore[arg-type]


class TestGlobal:
    def test_a_gate_makes_global_and_is_left_out_of_the_size(self) -> None:
        def gated(m: Any, x: Tensor) -> Tensor:
            return x * torch.sigmoid(m.squeeze(x.mean((2, 3), keepdim=True)))

        field = receptive_field(nn.Sequential(conv(3), Net(gated, squeeze=conv(1)), conv(3)), (1, 12, 12))
        assert (field.size, field.is_global) == ((5, 5), True)

    @pytest.mark.parametrize(
        ("layer", "is_global"),
        [
            (nn.BatchNorm2d(4), False),
            (nn.BatchNorm2d(4, track_running_stats=False), True),
            (nn.GroupNorm(2, 4), True),
            (nn.InstanceNorm2d(4), True),
            (nn.LayerNorm((10, 10)), True),
            (nn.LocalResponseNorm(3), False),
            (nn.Softmax(dim=1), False),
        ],
        ids=["batch_running", "batch", "group", "instance", "layer", "response", "softmax"],
    )
    def test_statistics_at_inference(self, layer: nn.Module, is_global: bool) -> None:
        field = receptive_field(nn.Sequential(nn.Conv2d(1, 4, 3), layer), (1, 12, 12))
        assert (field.size, field.is_global) == ((3, 3), is_global)

    def test_attention_reads_everything(self) -> None:
        def attend(m: Any, x: Tensor) -> Tensor:
            tokens = x.flatten(2).transpose(1, 2)
            mixed: Tensor = m.attention(tokens, tokens, tokens)[0]
            return mixed

        net = nn.Sequential(nn.Conv2d(1, 4, 4, 4), Net(attend, attention=nn.MultiheadAttention(4, 2, batch_first=True)))
        field = receptive_field(net, (1, 16, 16))
        assert (field.size, field.is_global) == ((16, 16), True)

    def test_a_sum_with_the_mean_of_a_map_reads_everything(self) -> None:
        net = Net(lambda m, x: m.a(x) + m.a(x).mean((2, 3), keepdim=True), a=conv(3))
        field = receptive_field(net, (1, 8, 8))
        assert field.region((2, 2)) == (list(range(8)), list(range(8)))
        assert field.is_global
        assert not field.aligned
