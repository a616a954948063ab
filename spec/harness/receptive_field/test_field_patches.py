"""Patches, blocks and windows that a model makes by hand: fields against the gradient, and which of them are global."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.receptive_field import receptive_field
from spec.harness.receptive_field.compared import agrees
from spec.harness.receptive_field.field_networks import Net, conv
from spec.harness.receptive_field.gradient_oracle import gradient_field


def blocks(_: Any, x: Tensor) -> Tensor:
    n, c, h, w = x.shape
    return x.view(n, c, h // 4, 4, w // 4, 4).mean((3, 5))


def box(padding: int) -> nn.Module:
    def forward(m: Any, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        patches: Tensor = m.patches(x)
        return patches.view(n, c, 9, h - 2 + 2 * padding, w - 2 + 2 * padding).sum(2)

    return Net(forward, patches=nn.Unfold(3, padding=padding))


def involution() -> nn.Module:
    def forward(m: Any, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        weighted: Tensor = m.patches(x).view(n, c, 9, h, w) * m.kernel(x).view(n, 1, 9, h, w)
        return weighted.sum(2)

    return Net(forward, patches=nn.Unfold(3, padding=1), kernel=nn.Conv2d(4, 9, 1))


def folded(out: int, kernel: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1, mix: bool = True) -> nn.Module:
    """Patches, a linear layer over each of them (or a gate that mixes nothing), and back into a map."""

    def forward(m: Any, x: Tensor) -> Tensor:
        columns = m.patches(x)
        columns = m.linear(columns.transpose(1, 2)).transpose(1, 2) if mix else columns * 2
        return F.fold(columns, x.shape[2:], kernel, dilation, padding, stride)

    width = out * (kernel**2 if isinstance(kernel, int) else kernel[0] * kernel[1])
    return Net(forward, patches=nn.Unfold(kernel, dilation, padding, stride), linear=nn.Linear(width, width))


class TestUnfold:
    @pytest.mark.parametrize(
        ("net", "size"),
        [
            (box(0), 3),
            (box(1), 3),
            (nn.Sequential(box(1), conv(3)), 5),
            (nn.Sequential(box(1), box(1)), 5),
            (nn.Sequential(nn.Conv2d(1, 4, 3), involution(), nn.Conv2d(4, 4, 3)), 7),
        ],
        ids=["valid", "same", "before_a_convolution", "twice", "involution"],
    )
    def test_offsets_that_are_summed_are_a_window(self, net: nn.Module, size: int) -> None:
        field = receptive_field(net, (1, 28, 28))
        assert (field.size, field.stride, field.is_global) == ((size, size), (1, 1), False)
        agrees(net, (1, 9, 8))

    @pytest.mark.parametrize("kernel", [3, (2, 3)])
    @pytest.mark.parametrize("padding", [0, 2, (0, 1)])
    @pytest.mark.parametrize("stride", [1, 2, (3, 1)])
    @pytest.mark.parametrize("dilation", [1, 2])
    def test_a_weighted_sum_of_a_patch_reads_what_a_convolution_reads(
        self, kernel: Any, padding: Any, stride: Any, dilation: Any
    ) -> None:
        like = conv(kernel, stride, padding, dilation)

        def forward(m: Any, x: Tensor) -> Tensor:
            summed: Tensor = m.linear(m.patches(x).transpose(1, 2)).transpose(1, 2)
            return summed.reshape(1, 1, *like(x).shape[2:])

        unfold = nn.Unfold(kernel, dilation, padding, stride)
        net = Net(forward, patches=unfold, linear=nn.Linear(9 if kernel == 3 else 6, 1))
        found, known = (receptive_field(model, (1, 9, 10)) for model in (net, like))
        assert (found.size, found.stride, found.padding, found.holes) == (
            known.size, known.stride, known.padding, known.holes,
        )  # fmt: skip
        assert all(found.region(unit) == known.region(unit) for unit in product(*map(range, known.shape)))

    def test_a_sum_over_the_diagonal_of_a_patch_reads_the_diagonal(self) -> None:
        net = Net(lambda m, x: m.patches(x).view(1, 9, 6, 6)[:, ::4].sum(1, keepdim=True), patches=nn.Unfold(3))
        field = receptive_field(net, (1, 8, 8))
        assert (field.size, field.used, field.holes) == ((3, 3), (3, 3), 6)


class TestFold:
    @pytest.mark.parametrize("mix", [True, False], ids=["mixed", "as_they_were"])
    @pytest.mark.parametrize(
        "numbers",
        [
            *((3, 1, 1, 1), (3, 2, 2, 1), (2, 1, 0, 2), (4, 1, 1, 2), (3, 1, 0, 2), (1, 1, 0, 2)),
            ((2, 3), 1, (0, 1), (2, 1)),
        ],
        ids=str,
    )
    def test_agrees_with_the_gradient(self, numbers: tuple[Any, Any, Any, Any], mix: bool) -> None:
        agrees(folded(1, *numbers, mix), (1, 9, 9))

    def test_overlapping_patches_read_the_patches_around_them(self) -> None:
        field = receptive_field(nn.Sequential(folded(1, 3, 1, 1), conv(3)), (1, 28, 28))
        assert (field.size, field.stride, field.padding, field.is_global) == ((7, 7), (1, 1), (2, 2), False)

    def test_patches_apart_read_themselves(self) -> None:
        field = receptive_field(folded(1, 4, stride=4), (1, 28, 28))
        assert (field.size, field.is_global) == ((4, 4), False)
        assert field.region((9, 3)) == ([8, 9, 10, 11], [0, 1, 2, 3])


class TestGlobal:
    """A field is global where every unit may depend on the whole input, which the gradient decides."""

    NETS = {
        "mean_of_blocks": (Net(blocks), 4),
        "mean_of_windows": (Net(lambda _, x: x.unfold(2, 3, 1).unfold(3, 3, 1).mean((-1, -2))), 3),
        "patch_embedding": (
            Net(
                lambda m, x: m.embed(F.unfold(x, 4, stride=4).transpose(1, 2)).transpose(1, 2).reshape(1, 4, 7, 7),
                embed=nn.Linear(16, 4),
            ),
            4,
        ),
        "patches_by_permuting": (
            Net(
                lambda m, x: m.embed(x.view(1, 7, 4, 7, 4).permute(0, 1, 3, 2, 4).flatten(3)).permute(0, 3, 1, 2),
                embed=nn.Linear(16, 4),
            ),
            4,
        ),
        "pixel_unshuffle_and_mean": (Net(lambda _, x: F.pixel_unshuffle(x, 2).mean(1, keepdim=True)), 2),
        "mean_of_all": (Net(lambda _, x: x.mean((2, 3), keepdim=True)), 28),
        "mean_of_rows_of_columns": (Net(lambda _, x: x.mean(2, keepdim=True).mean(3, keepdim=True)), 28),
        "maximum_of_blocks_of_blocks": (Net(lambda _, x: blocks(_, x).flatten(2).sum(2)[..., None, None]), 28),
    }

    @pytest.mark.parametrize("name", NETS)
    def test_only_what_reads_everything_is_global(self, name: str) -> None:
        net, size = self.NETS[name]
        field, oracle = receptive_field(net, (1, 28, 28)), gradient_field(net, (1, 28, 28))
        everything = all(bool(oracle.mask(unit).all()) for unit in product(*map(range, oracle.shape)))
        assert (field.size, field.is_global) == ((size, size), everything)
        assert field.region((0, 0)) == oracle.region((0, 0))

    def test_a_mean_of_columns_alone_is_not_global_and_reads_a_column(self) -> None:
        field = receptive_field(Net(lambda _, x: x.mean(2, keepdim=True)), (1, 8, 8))
        assert (field.size, field.is_global, field.region((0, 3))) == ((8, 1), False, (list(range(8)), [3]))

    def test_a_mean_of_a_part_of_the_image_is_not_global(self) -> None:
        assert not receptive_field(Net(lambda _, x: x[:, :, :4].mean((2, 3))), (1, 8, 8)).is_global

    def test_a_cross_of_a_row_and_a_column_is_not_global(self) -> None:
        net = Net(lambda _, x: x.mean(2, keepdim=True) + x.mean(3, keepdim=True))
        field = receptive_field(net, (1, 8, 8))
        assert (field.is_global, field.holes) == (False, 49)

    def test_means_of_strided_features_are_global_though_pixels_are_left_out(self) -> None:
        field = receptive_field(nn.Sequential(conv(3, 4), nn.Flatten(), nn.Linear(36, 10)), (1, 24, 24))
        assert field.is_global


class TestRearranged:
    @pytest.mark.parametrize(
        "forward",
        [
            lambda m, x: m.a(x.flatten(2).unflatten(2, (8, 12))),
            lambda m, x: m.a(x.view(1, 1, 4, 2, 12)[:, :, :, 1]),
            lambda m, x: m.a(F.pixel_unshuffle(x, 2).view(1, 2, 2, 4, 6).transpose(1, 2).reshape(1, 4, 4, 6)[:, :1]),
            lambda m, x: m.a(x.view(1, 1, 2, 4, 3, 4).permute(0, 2, 4, 1, 3, 5).flatten(0, 2)).view(6, 1, 2, 2),
            lambda m, x: m.along(x.flatten(2)).view(1, 1, 2, 47),
        ],
        ids=["joined_and_split", "every_second_row", "shuffled", "windows_as_samples", "along_joined_axes"],
    )
    def test_joined_and_split_axes_are_followed(self, forward: Callable[[Any, Tensor], Tensor]) -> None:
        net = Net(forward, a=conv(3), along=nn.Conv1d(1, 1, 3))
        found = receptive_field(net, (1, 8, 12), strict=False)
        places = self.places(net)
        read = {tuple(map(tuple, found.region(unit))) for unit in product(*map(range, found.shape))}
        assert places <= read

    @staticmethod
    def places(net: nn.Module) -> set[tuple[tuple[int, ...], ...]]:
        """The rows and columns that each element of the output depends on."""
        oracle = gradient_field(net, (1, 8, 12))
        found: set[tuple[tuple[int, ...], ...]] = set()
        for element in oracle.output.flatten():
            (gradient,) = torch.autograd.grad(element, oracle.image, retain_graph=True)
            rows, columns = gradient[0, 0].nonzero().unbind(1)
            found.add((tuple(rows.unique().tolist()), tuple(columns.unique().tolist())))
        return found
