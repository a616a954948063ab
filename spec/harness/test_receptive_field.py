"""The analysis on small networks, each named by the property that it has, with numbers counted by hand."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness import field_command
from harness.errors import HarnessError
from harness.field_picture import picture
from harness.field_rules import Call
from harness.field_value import Value, rearranged
from harness.gradient_field import gradient_field
from harness.receptive_field import JumpMismatchError, NoRuleError, receptive_field, register


class Net(nn.Module):
    """A network from a function of its input; modules are given by name."""

    def __init__(self, function: Callable[[Any, Tensor], Any], **modules: nn.Module) -> None:
        super().__init__()
        self.function = function
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, x: Tensor) -> Any:
        return self.function(self, x)


def conv(kernel: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1, **more: Any) -> nn.Conv2d:
    return nn.Conv2d(1, 1, kernel, stride, padding, dilation, **more)


def published() -> nn.Sequential:
    """Four convolutions, a pool, two more, a classifier of 1 x 1 and global average pooling."""
    block = [nn.Conv2d(1, 4, 3), nn.ReLU(), nn.BatchNorm2d(4), nn.Dropout(0.1)]
    for _ in range(3):
        block += [nn.Conv2d(4, 4, 3), nn.ReLU(), nn.BatchNorm2d(4), nn.Dropout(0.1)]
    tail = [nn.MaxPool2d(2), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 10, 1)]
    return nn.Sequential(*block, *tail, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LogSoftmax(-1))


class TestChains:
    def test_two_convolutions_and_a_pool(self) -> None:
        field = receptive_field(nn.Sequential(conv(3, padding=1), conv(3, padding=1), nn.MaxPool2d(2)))
        assert (field.size, field.stride, field.padding) == ((6, 6), (2, 2), (2, 2))
        assert {type(stride) for stride in field.stride} == {int}  # a Fraction only where it has to be
        assert field.aligned
        assert (field.is_global, field.shift_variant, field.holes) == (False, False, 0)

    def test_global_pooling_counts_as_a_kernel_of_the_size_of_the_map(self) -> None:
        field = receptive_field(published())
        assert field.size == (28, 28)
        assert field.is_global

    @pytest.mark.parametrize(
        "head",
        [
            lambda _, x: F.avg_pool2d(x, 6),
            lambda _, x: x.mean((2, 3)),
            lambda _, x: F.adaptive_avg_pool2d(x, 1).view(-1, 1),
            lambda _, x: F.log_softmax(x.mean((2, 3)).flatten(1), dim=-1),
            lambda _, x: x.amax((2, 3)),
        ],
        ids=["window", "mean", "adaptive", "mean_and_softmax", "maximum"],
    )
    def test_ways_to_pool_everything_agree(self, head: Callable[[Any, Tensor], Tensor]) -> None:
        field = receptive_field(nn.Sequential(conv(3), Net(head)), (1, 8, 8))
        assert (field.size, field.is_global, field.shape) == ((8, 8), True, (1, 1))

    def test_flattening_alone_changes_nothing(self) -> None:
        field = receptive_field(nn.Sequential(conv(3), nn.Flatten(), nn.LogSoftmax(-1)), (1, 8, 8))
        assert field.size == (3, 3)

    def test_flattening_and_a_linear_layer_is_global(self) -> None:
        field = receptive_field(nn.Sequential(conv(3), nn.Flatten(), nn.Linear(36, 10)), (1, 8, 8))
        assert (field.size, field.is_global) == ((8, 8), True)

    def test_a_strided_stem_leaves_rows_that_even_a_linear_layer_never_reads(self) -> None:
        field = receptive_field(nn.Sequential(conv(3, 4), nn.Flatten(), nn.Linear(36, 10)), (1, 24, 24))
        assert field.used == (18, 18)
        assert field.region((0, 0))[0] == [row for row in range(24) if row % 4 != 3]

    def test_axes_are_kept_apart(self) -> None:
        field = receptive_field(
            nn.Sequential(conv((5, 1), (2, 1), (2, 0)), conv((1, 3), 1, (0, 1), (1, 2))), (1, 9, 14)
        )
        assert (field.size, field.stride, field.padding) == ((5, 5), (2, 1), (2, 1))
        assert field.used == (5, 3)

    def test_layers_are_the_rows_of_the_published_table(self) -> None:
        rows = receptive_field(nn.Sequential(conv(3), nn.MaxPool2d(2), conv(3, padding=1)), (1, 28, 28)).layers
        assert [row.name for row in rows] == ["0", "1", "2"]
        assert [row.operation for row in rows] == ["conv2d", "max_pool2d", "conv2d"]
        columns = [
            (r.n_in, r.kernel, r.padding, r.stride, r.n_out, r.jump_in, r.jump_out, r.rf_in, r.rf_out) for r in rows
        ]
        assert [[entry[0] for entry in column] for column in columns] == [
            [28, 3, 0, 1, 26, 1, 1, 1, 3],
            [26, 2, 0, 2, 13, 1, 2, 3, 4],
            [13, 3, 1, 1, 13, 2, 2, 4, 8],
        ]

    def test_one_axis_and_three_axes_work_alike(self) -> None:
        assert receptive_field(nn.Sequential(nn.Conv1d(2, 2, 3), nn.MaxPool1d(2)), (2, 20)).size == (4,)
        assert receptive_field(nn.Conv3d(1, 1, (3, 5, 7)), (1, 9, 9, 9)).size == (3, 5, 7)


class TestHoles:
    @pytest.mark.parametrize(
        ("layers", "size", "used"),
        [
            pytest.param([conv(3, dilation=2), conv(3, dilation=4)], 13, 7, id="dilated_holes"),
            pytest.param([conv(2, 3), conv(3)], 8, 6, id="stride_greater_than_kernel"),
            pytest.param([conv(1, 2), conv(3)], 5, 3, id="subsampling"),
            pytest.param([nn.MaxPool2d(2, 1, dilation=3)], 4, 2, id="dilated_pool"),
        ],
    )
    def test_extent_and_used_pixels_differ(self, layers: list[nn.Module], size: int, used: int) -> None:
        field = receptive_field(nn.Sequential(*layers))
        assert (field.size, field.used) == ((size, size), (used, used))
        assert field.holes == size**2 - used**2

    def test_parallel_1x7_and_7x1_read_a_cross(self) -> None:
        cross = Net(lambda m, x: m.a(x) + m.b(x), a=conv((1, 7), padding=(0, 3)), b=conv((7, 1), padding=(3, 0)))
        field = receptive_field(cross)
        assert (field.size, field.used, field.holes) == ((7, 7), (7, 7), 49 - 13)
        assert field.aligned

    def test_a_solid_field_has_none(self) -> None:
        assert receptive_field(conv(5)).holes == 0


class TestBranches:
    def test_a_merge_is_the_union_and_not_the_larger(self) -> None:
        crossed = Net(lambda m, x: m.a(x)[:, :, :-1, :-1] + m.a(x)[:, :, 1:, 1:], a=conv(3))
        field = receptive_field(crossed)
        assert (field.size, field.holes, field.aligned) == ((4, 4), 2, False)

    def test_disjoint_branches(self) -> None:
        field = receptive_field(Net(lambda _, x: x[..., :-10] + x[..., 10:]))
        assert (field.size, field.used, field.holes) == ((1, 11), (1, 2), 9)

    def test_paths_of_different_strides_that_end_in_one_unit_may_meet(self) -> None:
        field = receptive_field(Net(lambda m, x: F.max_pool2d(x, 8) + m.a(x), a=conv(8)), (1, 8, 8))
        assert (field.size, field.shape, field.region((0, 0))[0]) == ((8, 8), (1, 1), list(range(8)))

    def test_different_jumps_raise_and_still_give_regions(self) -> None:
        net = Net(lambda m, x: F.max_pool2d(x, 2) + m.a(x), a=conv(9))
        message = (
            "^paths with strides of 1 and 2 input pixels meet at add: no single receptive field describes all units; "
            "strict=False still gives the region of each$"
        )
        with pytest.raises(JumpMismatchError, match=message):
            receptive_field(net, (1, 16, 16))
        field = receptive_field(net, (1, 16, 16), strict=False)
        assert field.stride == (None, None)
        assert field.region((0, 7)) == (list(range(9)), list(range(7, 16)))

    def test_two_units_are_enough_for_strides_to_disagree(self) -> None:
        with pytest.raises(JumpMismatchError, match="strides of 1 and 8 input pixels"):
            receptive_field(Net(lambda m, x: F.max_pool2d(x, 8) + m.a(x), a=conv(15)), (1, 16, 16))

    def test_a_part_of_the_input_in_a_tensor_of_zeros(self) -> None:
        def forward(_: Any, x: Tensor) -> Tensor:
            y = torch.zeros(1, 1, 6, 6)
            y[:, :, 2:] = x[:, :, :-2]
            return y

        field = receptive_field(Net(forward), (1, 6, 6))
        assert [field.region((i, 5)) for i in (1, 2, 5)] == [([], []), ([0], [5]), ([3], [5])]

    def test_a_dead_branch_does_not_count(self) -> None:
        def forward(m: Any, x: Tensor) -> Tensor:
            m.big(x).cumsum(2)
            small: Tensor = m.small(x)
            return small

        net = Net(forward, big=conv(9), small=conv(3))
        assert receptive_field(net).size == (3, 3)
        assert [row.name for row in receptive_field(net).layers] == ["small"]

    def test_channels_that_are_cut_off_do_not_count(self) -> None:
        net = Net(lambda m, x: torch.cat([m.a(x), x], dim=1).chunk(2, dim=1)[1], a=conv(5, padding=2))
        assert receptive_field(net).size == (1, 1)

    def test_a_module_used_twice_counts_twice(self) -> None:
        net = Net(lambda m, x: m.a(m.a(x)), a=conv(3, padding=1))
        assert receptive_field(net).size == (5, 5)
        assert [row.name for row in receptive_field(net).layers] == ["a", "a_1"]
        assert receptive_field(net, at="a").size == (3, 3)

    def test_work_in_place_is_followed(self) -> None:
        def forward(m: Any, x: Tensor) -> Tensor:
            y = m.a(x)
            y += x
            y[:, :, 1:] = m.b(x)[:, :, 1:]
            return F.relu_(y)

        net = Net(forward, a=conv(3, padding=1), b=conv(1))
        field = receptive_field(net, (1, 8, 8))
        assert (field.region((0, 4)), field.region((4, 4))) == (([0, 1], [3, 4, 5]), ([4], [4]))

    def test_the_tail_of_a_concatenation_along_rows(self) -> None:
        net = Net(lambda m, x: torch.cat([x[:, :, :4], m.a(x)[:, :, 4:]], dim=2), a=conv(3, padding=1))
        field = receptive_field(net, (1, 8, 8))
        assert field.region((3, 3)) == ([3], [3])
        assert field.region((4, 3)) == ([3, 4, 5], [2, 3, 4])


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


class TestBorders:
    def test_clipping_an_interval_is_not_enough_with_holes(self) -> None:
        assert receptive_field(conv(3, padding=2, dilation=2), (1, 5, 5)).region((0, 4)) == ([0, 2], [2, 4])

    def test_reflection_folds_and_circular_wraps(self) -> None:
        reflect = receptive_field(conv(5, padding=2, padding_mode="reflect"), (1, 8, 8))
        assert (reflect.region((0, 0))[0], reflect.padding, reflect.size) == ([0, 1, 2], (2, 2), (5, 5))
        circular = receptive_field(conv(3, padding=1, padding_mode="circular"), (1, 8, 8))
        assert (circular.region((0, 7)), circular.size) == (([0, 1, 7], [0, 6, 7]), (3, 3))
        assert not circular.shift_variant

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
        for unit in ((3, 0), (0, -4), (0,)):
            message = re.escape(f"there is no unit {unit} in a map of 3 x 3 units")
            with pytest.raises(HarnessError, match=f"^{message}$"):
                field.region(unit)


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


class TestUse:
    def test_the_model_is_not_changed(self) -> None:
        net = published()
        before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
        generator = torch.get_rng_state()
        receptive_field(net)
        assert net.training
        assert torch.equal(torch.get_rng_state(), generator)
        assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
        assert all(parameter.grad is None for parameter in net.parameters())
        assert not any(module._forward_hooks for module in net.modules())

    def test_at_names_modules_and_operations(self) -> None:
        net = nn.Sequential(nn.Sequential(conv(3), nn.ReLU()), Net(lambda m, x: x + m.a(x), a=conv(3, padding=1)))
        assert receptive_field(net, at="0").size == receptive_field(net, at="0.1").size == (3, 3)
        assert receptive_field(net, at="1.a").size == receptive_field(net, at="1.add").size == (5, 5)

    def test_at_takes_the_underscores_of_a_traced_name_too(self) -> None:
        net = nn.Sequential(nn.Sequential(conv(3), nn.ReLU()), conv(3))
        assert receptive_field(net, at="0_0").size == (3, 3)

    def test_a_layer_along_one_axis_does_nothing_along_the_other(self) -> None:
        (row,) = receptive_field(Net(lambda _, x: x.mean(2, keepdim=True))).layers
        assert (row.kernel, row.padding, row.stride[1]) == ((28, 1), (0, 0), 1)

    def test_a_rule_that_does_not_cover_a_use_says_where_and_what_to_do(self) -> None:
        @torch.library.custom_op("field_spec::odd", mutates_args=())
        def odd(x: Tensor) -> Tensor:
            return x.clone()

        odd.register_fake(torch.empty_like)

        @register(torch.ops.field_spec.odd)
        def rule(call: Call) -> Value:
            raise errors.pop()

        errors: list[Exception] = [NoRuleError("not like this"), ValueError("of this kind")]
        messages = [
            r"does not cover its use at 0: of this kind; register\(\.\.\.\) takes a rule of your own$",
            r"^not like this \(at 0\); register\(\.\.\.\) takes a rule of your own$",
        ]
        for message in messages:
            with pytest.raises(NoRuleError, match=message):
                receptive_field(nn.Sequential(Net(lambda _, x: odd(x))))

    def test_an_unknown_name_is_an_error_with_the_nearest(self) -> None:
        net = Net(lambda m, x: m.layer(x), layer=nn.Sequential(conv(3), nn.ReLU(), conv(3), nn.ReLU()))
        nearest = r"^no tensor is named 'layr'; near it: layer, layer\.[0-3], layer\.[0-3]$"
        with pytest.raises(HarnessError, match=nearest):
            receptive_field(net, at="layr")
        with pytest.raises(HarnessError, match=r"'\?'; near it: .+, .+, .+$"):  # even where nothing is like it
            receptive_field(net, at="?")

    def test_several_outputs_have_to_be_chosen_from(self) -> None:
        net = Net(lambda m, x: {"out": m.a(x), "aux": x}, a=conv(3))
        with pytest.raises(HarnessError, match=r"^the model returns 2 tensors: .* at='output.out' or 'output.aux'$"):
            receptive_field(net)
        assert receptive_field(net, at="output.out").size == (3, 3)

    @pytest.mark.parametrize("returned", [lambda _, x: torch.zeros(3), lambda _, x: None], ids=["zeros", "nothing"])
    def test_an_output_has_to_depend_on_the_input(self, returned: Callable[[Any, Tensor], Any]) -> None:
        with pytest.raises(HarnessError, match="^the model returns no tensor that depends on its input$"):
            receptive_field(Net(returned))

    def test_what_is_no_module_is_an_error(self) -> None:
        with pytest.raises(HarnessError, match=r"^the model must be a torch\.nn\.Module, not function$"):
            receptive_field(published)  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("operation", "name"),
        [
            (lambda _, x: x.cumsum(2), "cumsum"),
            (lambda _, x: torch.fft.fft2(x).abs(), "fft_fft2"),
            (lambda _, x: x.sort(dim=3)[0], "sort"),
            (lambda _, x: F.grid_sample(x, torch.zeros(1, 4, 4, 2), align_corners=False), "grid_sample"),
        ],
        ids=["cumsum", "fft2", "sort", "grid_sample"],
    )
    def test_an_operation_without_a_rule_is_named(self, operation: Callable[[Any, Tensor], Tensor], name: str) -> None:
        with pytest.raises(NoRuleError, match=rf"{name} .*register"):
            receptive_field(Net(operation))

    def test_a_use_that_no_rule_covers_names_the_function(self) -> None:
        with pytest.raises(NoRuleError, match=r"^conv2d with weights computed from the input \(at conv2d\)"):
            receptive_field(Net(lambda _, x: F.conv2d(x, x)))

    @pytest.mark.parametrize(
        ("part", "at", "message"),
        [
            (lambda both: both, "output.1", r"^at='output\.1' names an output of max_pool2d\w*, such as indices, that"),
            (lambda both: both[1], None, r"^the model returns an output of max_pool2d\w*, such as indices, that has"),
            (lambda both: both[1].float(), None, "^float at float reads an output, such as indices, that has"),
        ],
        ids=["named", "returned", "read"],
    )
    def test_indices_have_no_receptive_field(self, part: Callable[[Any], Any], at: str | None, message: str) -> None:
        with pytest.raises(NoRuleError, match=message):
            receptive_field(Net(lambda _, x: part(F.max_pool2d(x, 2, return_indices=True))), at=at)

    def test_a_rule_of_one_s_own(self) -> None:
        @torch.library.custom_op("field_spec::down", mutates_args=())
        def down(x: Tensor) -> Tensor:
            return F.pad(x, (0, 0, 2, 0))[:, :, :-2].clone()

        down.register_fake(torch.empty_like)

        @register(torch.ops.field_spec.down)
        def rule(call: Call) -> Value:
            return rearranged(call.value("x"), lambda labels: labels.roll(2, dims=2))

        field = receptive_field(nn.Sequential(conv(3), Net(lambda _, x: down(x))), (1, 12, 12))
        assert (field.size, field.padding) == ((3, 3), (2, 0))

    @pytest.mark.parametrize("size", [(0, 28, 28), (1, 28, -28), (28,), (), (1, 28.5, 28), (1, "28", 28)], ids=str)
    def test_what_is_no_size_is_an_error(self, size: tuple[Any, ...]) -> None:
        message = f"input_size must be channels and at least one axis, positive integers, not {size!r}"
        with pytest.raises(HarnessError, match=f"^{re.escape(message)}$"):
            receptive_field(conv(3), size)

    @pytest.mark.parametrize("size", [(28, 28, 28, 28, 28), (1, 2, 2)], ids=str)
    def test_a_size_that_does_not_fit_is_an_error(self, size: tuple[int, ...]) -> None:
        with pytest.raises(HarnessError, match="does not run on an input of"):
            receptive_field(conv(3), size)

    def test_a_path_that_depends_on_values_is_an_error(self) -> None:
        with pytest.raises(HarnessError, match="Net does not run"):
            receptive_field(Net(lambda _, x: x if x.sum() > 0 else -x))


class TestProperties:
    LAYERS = (conv((3, 2), (1, 2), (1, 0)), nn.MaxPool2d((2, 3), 2, 1), conv(3, dilation=(2, 1), padding=1))

    def test_units_move_by_the_stride(self) -> None:
        field = receptive_field(nn.Sequential(*self.LAYERS), (1, 40, 60))
        here, there = (field.region((5, j)) for j in (5, 6))
        assert [column + field.stride[1] for column in here[1]] == there[1]
        assert here[0][0] == 5 * field.stride[0] - field.padding[0]

    def test_transposing_the_network_transposes_the_field(self) -> None:
        def turned(pair: Any) -> Any:
            return pair[::-1] if isinstance(pair, tuple) else pair

        layers: list[nn.Module] = []
        for layer in self.LAYERS:
            names = ("kernel_size", "stride", "padding", "dilation")
            shape = [turned(getattr(layer, name)) for name in names]
            layers.append(nn.Conv2d(1, 1, *shape) if isinstance(layer, nn.Conv2d) else nn.MaxPool2d(*shape))
        field = receptive_field(nn.Sequential(*self.LAYERS), (1, 40, 60))
        other = receptive_field(nn.Sequential(*layers), (1, 60, 40))
        assert other.size == field.size[::-1]
        assert other.region((4, 7)) == field.region((7, 4))[::-1]

    def test_the_field_grows_with_depth(self) -> None:
        rows = receptive_field(published()).layers
        assert all(row.rf_in <= row.rf_out for row in rows)


class TestOracle:
    def test_reads_what_a_convolution_reads(self) -> None:
        field = gradient_field(nn.Sequential(conv(3, dilation=2), nn.ReLU()), (1, 9, 9))
        assert field.region((1, 2)) == ([1, 3, 5], [2, 4, 6])

    def test_is_not_fooled_by_saturation_cancellation_or_a_maximum(self) -> None:
        net = Net(lambda _, x: torch.sigmoid(1e9 * F.max_pool2d(x, 2)) - F.avg_pool2d(x, 2))
        assert gradient_field(net, (1, 4, 4)).region((1, 0)) == ([2, 3], [0, 1])

    def test_keeps_gates_out_unless_asked(self) -> None:
        net = Net(lambda _, x: x * torch.sigmoid(x.mean((2, 3), keepdim=True)))
        assert gradient_field(net, (1, 4, 4)).region((1, 0)) == ([1], [0])
        assert gradient_field(net, (1, 4, 4), gates=True).region((1, 0)) == ([0, 1, 2, 3], [0, 1, 2, 3])


class TestPicture:
    def test_draws_one_rectangle_for_every_layer_that_widens_the_field(self) -> None:
        net = nn.Sequential(conv(3), nn.ReLU(), conv(1), nn.MaxPool2d(2), conv(3, padding=1))
        figure = picture(net, torch.zeros(1, 12, 12))
        (axes,) = figure.axes
        legend = axes.get_legend()
        assert legend is not None
        assert [text.get_text() for text in legend.get_texts()] == ["0: 3 x 3", "3: 4 x 4", "4: 8 x 8"]
        corners = [patch.get_path().get_extents(patch.get_patch_transform()).extents for patch in axes.patches]
        assert [list(corner) for corner in corners] == [
            [4.5, 4.5, 7.5, 7.5],
            [3.5, 3.5, 7.5, 7.5],
            [1.5, 1.5, 9.5, 9.5],
        ]


class TestCommand:
    def run(self, *arguments: str) -> int:
        parser = argparse.ArgumentParser()
        field_command.add_arguments(parser)
        return field_command.run(parser.parse_args(arguments))

    def test_prints_the_table(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert self.run("torchvision.models.alexnet", "--input-size", "3", "224", "224", "--at", "features") == 0
        out = capsys.readouterr().out
        assert "features.12" in out
        assert "size 195, stride 32, padding 66 pixels" in out

    def test_prints_json(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert (
            self.run("torchvision.models.alexnet", "--input-size", "3", "224", "224", "--at", "features", "--json") == 0
        )
        found = json.loads(capsys.readouterr().out)
        assert (found["size"], found["stride"], found["is_global"]) == ([195, 195], [32, 32], False)
        assert found["layers"][0]["kernel"] == [11, 11]

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("no/step", "no step and no importable callable"),
            ("torchvision.models.resnet19", "near it: resnet1"),
            ("no_such_package.net", "cannot be imported"),
            ("torch.nn.Linear", "without arguments"),
            ("builtins.dict", "is not a torch.nn.Module"),
        ],
    )
    def test_names_what_is_wrong(self, name: str, message: str) -> None:
        with pytest.raises(HarnessError, match=message):
            self.run(name)
