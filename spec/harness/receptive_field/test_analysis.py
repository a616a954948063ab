"""The analysis on small networks with numbers counted by hand, each test named after the property of its network.

For what single units read, at borders and where they differ, see `test_field_units`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.receptive_field import JumpMismatchError, receptive_field
from spec.harness.receptive_field.field_networks import Net, conv, published


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

    @pytest.mark.parametrize("pool", [F.max_pool2d, F.avg_pool2d])
    def test_a_kernel_of_one_number_is_a_square(self, pool: Callable[..., Tensor]) -> None:
        field = receptive_field(Net(lambda _, x: pool(x, [3], [2], [1])))
        assert (field.size, field.stride, field.padding) == ((3, 3), (2, 2), (1, 1))

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

    @pytest.mark.parametrize(("before", "after"), [(1, 2), (0, 1)])
    def test_padded_channels_read_nothing_and_move_the_others(self, before: int, after: int) -> None:
        def channel(index: int) -> nn.Module:
            pad = (0, 0, 1, 0, before, after)
            return Net(lambda m, x: F.pad(torch.cat([m.a(x), x], 1), pad)[:, [index]], a=conv(3, padding=1))

        fields = [receptive_field(channel(index)) for index in range(before + 2 + after)]
        assert [field.size[0] for field in fields] == [0] * before + [3, 1] + [0] * after
        assert [fields[before + k].region((9, 5)) for k in range(2)] == [([7, 8, 9], [4, 5, 6]), ([8], [5])]

    @pytest.mark.parametrize(
        ("parts", "aligned"),
        [
            (lambda m, x: [x, m.a(x)], True),
            (lambda m, x: [x[:, :, 1:], x[:, :, :-1]], False),
            (lambda m, x: [x[:, :, 1:] + x[:, :, :-1]] * 2, False),
        ],
        ids=["around_one_centre", "beside_each_other", "of_paths_beside_each_other"],
    )
    def test_channels_are_aligned_if_each_is_and_all_have_one_centre(
        self, parts: Callable[[Any, Tensor], list[Tensor]], aligned: bool
    ) -> None:
        net = Net(lambda m, x: torch.cat(parts(m, x), 1), a=conv(3, padding=1))
        assert receptive_field(net).aligned is aligned

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


class TestProperties:
    LAYERS = (conv((3, 2), (1, 2), (1, 0)), nn.MaxPool2d((2, 3), 2, 1), conv(3, dilation=(2, 1), padding=1))

    def test_units_move_by_the_stride(self) -> None:
        field = receptive_field(nn.Sequential(*self.LAYERS), (1, 40, 60))
        one, other = (field.region((5, j)) for j in (5, 6))
        assert [column + field.stride[1] for column in one[1]] == other[1]
        assert one[0][0] == 5 * field.stride[0] - field.padding[0]

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
        assert rows[0].rf_in == (1, 1)
        assert [row.rf_out for row in rows[:-1]] == [row.rf_in for row in rows[1:]]
        assert all(row.rf_in <= row.rf_out for row in rows)
