"""Random networks: the analysis against the gradient, which shares no arithmetic with it.

A network is drawn as a tuple of descriptions, regardless of shapes; building it skips what does not fit. So a
counterexample shrinks to a few descriptions and prints in full.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from harness.receptive_field import ReceptiveField, receptive_field
from spec.harness.receptive_field.gradient_oracle import gradient_field

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")

CHANNELS = 4
LARGEST = 40

Step = tuple[Any, ...]


def pair(low: int, high: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(low, high), st.integers(low, high))


def quad(low: int, high: int) -> st.SearchStrategy[tuple[int, int, int, int]]:
    return st.tuples(*[st.integers(low, high)] * 4)


CONVOLUTION = st.tuples(
    st.just("conv"), pair(1, 4), pair(1, 3), pair(0, 5), pair(1, 3), st.sampled_from([1, 2, CHANNELS])
)
SAME = st.tuples(st.just("same"), pair(1, 4), pair(1, 2))
POOL = st.tuples(st.sampled_from(["max", "average"]), pair(1, 4), pair(1, 4), pair(0, 2), pair(1, 2), st.booleans())
TRANSPOSED = st.tuples(st.just("transposed"), pair(1, 4), pair(1, 3), pair(0, 2), pair(0, 1), pair(1, 2))
PAD = st.tuples(st.sampled_from(["zeros", "reflect", "replicate", "circular"]), quad(0, 2))
CROP = st.tuples(st.just("slice"), pair(0, 3), pair(1, 2))
RESIZE = st.tuples(st.sampled_from(["nearest", "bilinear", "corners"]), pair(2, 2))
ADAPTIVE = st.tuples(st.just("adaptive"), pair(1, 6))
PATCHES = st.tuples(st.sampled_from(["patches", "folded"]), pair(1, 3), pair(0, 2), pair(1, 3), pair(1, 2))
ONE_WORD = st.sampled_from(
    [
        *(("relu",), ("norm",), ("shuffle",), ("deshuffle",), ("flip",), ("roll",), ("half",), ("mixed",)),
        *(("blocks",), ("windows",), ("written",), ("lines",)),
    ]
)
SIMPLE = st.one_of(CONVOLUTION, SAME, POOL, TRANSPOSED, PAD, CROP, RESIZE, ADAPTIVE, PATCHES, ONE_WORD)
BRANCH = st.lists(SIMPLE, max_size=3).map(tuple)
BRANCHES = st.tuples(st.sampled_from(["add", "cat", "dead", "rows"]), BRANCH, BRANCH)
NETWORK = st.lists(st.one_of(SIMPLE, SIMPLE, BRANCHES), min_size=1, max_size=6).map(tuple)


class Network(nn.Module):
    """The network of the described steps, except for those that do not fit."""

    def __init__(self, steps: tuple[Step, ...], input_size: tuple[int, int, int]) -> None:
        super().__init__()
        self.parts = nn.ModuleDict()
        self.calls: list[Callable[[Tensor], Tensor]] = []
        example = torch.zeros(1, *input_size)
        for step in steps:
            example = self.add(step, example)

    def add(self, step: Step, example: Tensor) -> Tensor:
        """Append a step if its result is a map of a reasonable size."""
        call = branches(step) if step[0] in ("add", "cat", "dead", "rows") else single(step, example.shape[1])
        try:
            with torch.no_grad():
                output = call(example)
        except (RuntimeError, ValueError):
            return example
        if min(output.shape) < 1 or max(output.shape) > LARGEST or output.shape[1] > 64:
            return example
        if isinstance(call, nn.Module):
            self.parts[str(len(self.calls))] = call
        self.calls.append(call)
        return output

    def forward(self, x: Tensor) -> Tensor:
        for call in self.calls:
            x = call(x)
        return x


def single(step: Step, channels: int) -> Callable[[Tensor], Tensor]:
    """The operation of a description."""
    match step:
        case ("conv", kernel, stride, padding, dilation, groups):
            groups = groups if channels % groups == 0 else 1
            return nn.Conv2d(channels, CHANNELS, kernel, stride, padding, dilation, groups)
        case ("same", kernel, dilation):
            return nn.Conv2d(channels, CHANNELS, kernel, padding="same", dilation=dilation)
        case ("max", kernel, stride, padding, dilation, ceil_mode):
            return nn.MaxPool2d(kernel, stride, padding, dilation, ceil_mode=ceil_mode)
        case ("average", kernel, stride, padding, _, ceil_mode):
            return lambda x: F.avg_pool2d(x, kernel, stride, padding, ceil_mode)
        case ("transposed", kernel, stride, padding, extra, dilation):
            return nn.ConvTranspose2d(channels, CHANNELS, kernel, stride, padding, extra, 1, True, dilation)
        case ("zeros", pad):
            return nn.ZeroPad2d(pad)
        case ("reflect" | "replicate" | "circular" as mode, pad):
            return lambda x: F.pad(x, pad, mode=mode)
        case ("slice", start, step_):
            return lambda x: x[:, :, start[0] :: step_[0], start[1] :: step_[1]]
        case ("nearest", factor):
            return nn.Upsample(scale_factor=factor)
        case ("bilinear", factor):
            return lambda x: F.interpolate(x, scale_factor=factor, mode="bilinear")
        case ("corners", _):
            return lambda x: F.interpolate(
                x, (2 * x.shape[2] - 1, 2 * x.shape[3] - 1), mode="bilinear", align_corners=True
            )
        case ("adaptive", outputs):
            return nn.AdaptiveAvgPool2d(outputs)
        case ("patches", kernel, padding, stride, dilation):
            return lambda x: summed(F.unfold(x, kernel, dilation, padding, stride), x, *step[1:])
        case ("folded", kernel, padding, stride, dilation):
            return lambda x: F.fold(
                averaged(F.unfold(x, kernel, dilation, padding, stride), channels),
                x.shape[2:],
                kernel,
                dilation,
                padding,
                stride,
            )
        case ("blocks",):
            return lambda x: x.view(1, channels, x.shape[2] // 2, 2, x.shape[3] // 2, 2).mean((3, 5))
        case ("windows",):
            return lambda x: x.unfold(2, 3, 2).unfold(3, 2, 1).sum((-1, -2))
        case ("written",):
            return written
        case ("lines",):
            return lambda x: x.flatten(2).roll(1, 2).view_as(x)
        case ("relu",):
            return nn.ReLU(inplace=channels == CHANNELS)
        case ("norm",):
            return nn.BatchNorm2d(channels)
        case ("shuffle",):
            return nn.PixelShuffle(2)
        case ("deshuffle",):
            return nn.PixelUnshuffle(2)
        case ("flip",):
            return lambda x: x.flip(3)
        case ("roll",):
            return lambda x: x.roll((1, -2), (2, 3))
        case ("half",):
            return lambda x: x.chunk(2, dim=1)[0]
        case ("mixed",):
            return lambda x: x.view(1, 2, -1, *x.shape[2:]).transpose(1, 2).flatten(1, 2)
    raise AssertionError(step)


def summed(columns: Tensor, x: Tensor, kernel: Any, padding: Any, stride: Any, dilation: Any) -> Tensor:
    """The sum of each patch, put back into a map."""
    numbers = zip(x.shape[2:], kernel, padding, stride, dilation, strict=True)
    shape = [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, p, s, d in numbers]
    return columns.view(1, x.shape[1], -1, *shape).sum(2)


def averaged(columns: Tensor, channels: int) -> Tensor:
    """Every element of a patch is the mean of the patch."""
    patches = columns.reshape(1, channels, -1, columns.shape[2])
    return patches.mean(2, keepdim=True).expand_as(patches).flatten(1, 2)


def written(x: Tensor) -> Tensor:
    """The first row is written over by the last, and then the last column by a half of itself."""
    y = x.clone()
    y[:, :, 0] = x[:, :, -1]
    y[..., -1].mul_(0.5)
    return y


def branches(step: Step) -> Callable[[Tensor], Tensor]:
    """Two paths from one map, cropped to the smaller one where they meet."""
    how, *described = step
    paths: list[nn.Module] = []

    class Branches(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            if not paths:
                channels, rows, columns = x.shape[1:]
                paths.extend(Network(steps, (channels, rows, columns)) for steps in described)
                self.paths = nn.ModuleList(paths)
            # A copy for each branch, because they may work in place.
            ends: list[Tensor] = [path(x.clone()) for path in self.paths]
            one, other = ends
            assert isinstance(one, Tensor)
            if how == "dead":
                return one
            if how == "rows":
                channels, columns = (min(one.shape[d], other.shape[d]) for d in (1, 3))
                return torch.cat([one[:, :channels, :, :columns], other[:, :channels, :, :columns]], dim=2)
            rows, columns = (min(one.shape[d], other.shape[d]) for d in (2, 3))
            one, other = (path[:, :, :rows, :columns] for path in (one, other))
            if how == "cat":
                return torch.cat([one, other], dim=1)
            return torch.add(one, other[:, :1])

    return Branches()


def check(steps: tuple[Step, ...], input_size: tuple[int, int], where: tuple[int, int]) -> None:
    """Compare the region of one unit, and the extent of an interior unit if the gradient shows one."""
    network = Network(steps, (CHANNELS, *input_size))
    if not network.calls:
        return
    analysed = receptive_field(network, (CHANNELS, *input_size), strict=False)
    oracle = gradient_field(network, (CHANNELS, *input_size))
    assert oracle.output.shape[2:] == analysed.shape
    unit = tuple(w % n for w, n in zip(where, oracle.shape, strict=True))
    assert analysed.region(unit) == oracle.region(unit)
    check_interior(analysed, oracle, input_size)


def check_interior(analysed: ReceptiveField, oracle: Any, input_size: tuple[int, int]) -> None:
    """Compare size, stride, padding, used and holes at a unit that, by the gradient, is like both its neighbours.

    To the gradient, a unit looks interior even if a whole branch reads padding. The extent that the analysis claims
    must therefore also lie inside the input.
    """
    if analysed.shift_variant or None in analysed.stride:
        return
    middle = [n // 2 for n in oracle.shape]
    if any(not 0 < m < n - 1 for m, n in zip(middle, oracle.shape, strict=True)):
        return
    mask = oracle.mask(middle)
    for axis, (length, stride) in enumerate(zip(input_size, analysed.stride, strict=True)):
        first = middle[axis] * stride - analysed.padding[axis]
        if first < 0 or first + analysed.size[axis] > length:
            return
        for by in (-1, 1):
            unit = [m + by * (a == axis) for a, m in enumerate(middle)]
            moved = oracle.mask(unit)
            seen = moved.nonzero()
            if not len(seen) or seen[:, axis].min() == 0 or seen[:, axis].max() == length - 1:
                return
            if not torch.equal(seen - by * stride * torch.eye(2, dtype=torch.int64)[axis], mask.nonzero()):
                return
    region = oracle.region(middle)
    assert analysed.size == tuple(lines[-1] - lines[0] + 1 for lines in region)
    assert analysed.used == tuple(map(len, region))
    assert analysed.holes == analysed.size[0] * analysed.size[1] - int(mask.sum())
    assert analysed.padding == tuple(
        m * s - lines[0] for m, s, lines in zip(middle, analysed.stride, region, strict=True)
    )


SIZES = pair(5, 24)
UNITS = pair(0, 1000)
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


@QUICK
@given(NETWORK, SIZES, UNITS)
def test_agrees_with_the_gradient(steps: tuple[Step, ...], size: tuple[int, int], unit: tuple[int, int]) -> None:
    check(steps, size, unit)


@pytest.mark.slow
@seed(20)
@settings(QUICK, max_examples=10_000, database=None)
@given(NETWORK, SIZES, UNITS)
def test_agrees_with_the_gradient_ten_thousand_times(
    steps: tuple[Step, ...], size: tuple[int, int], unit: tuple[int, int]
) -> None:
    check(steps, size, unit)


@pytest.mark.thorough
@QUICK
@given(st.one_of(CONVOLUTION, POOL, TRANSPOSED), SIZES)
def test_the_number_of_units_is_the_layer_s_own(step: Step, size: tuple[int, int]) -> None:
    network = Network((step,), (CHANNELS, *size))
    if network.calls:
        (row,) = receptive_field(network, (CHANNELS, *size)).layers
        assert row.n_out == tuple(network(torch.zeros(1, CHANNELS, *size)).shape[2:])
