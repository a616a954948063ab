"""The blocks that the networks of the ladders are made of.

A network reads from top to bottom as in its paper or notebook: input channels, output channels, kernel, and the stages
after the convolution in the order in which they are applied.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Stage = Literal["relu", "bn"] | float


class Conv(nn.Sequential):
    """A convolution and its stages: "relu", "bn", or the rate of an element-wise dropout.

    `Conv(8, 16, 3, "relu", "bn", 0.01)` is a 3x3 convolution, a ReLU, a batch normalization and a dropout of 1 %.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int,
        *stages: Stage,
        padding: int = 0,
        stride: int = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.append(
            nn.Conv2d(channels_in, channels_out, kernel, stride=stride, padding=padding, groups=groups, bias=bias)
        )
        for stage in stages:
            self.append(follow(stage, channels_out))


class Unbiased(Conv):
    """A `Conv` without a bias."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, *stages: Stage, padding: int = 0) -> None:
        super().__init__(channels_in, channels_out, kernel, *stages, padding=padding, bias=False)


class Separable(nn.Sequential):
    """A depthwise 3x3 convolution, a 1x1 convolution, and stages as in `Conv`; without biases.

    For a input and b output channels it has 9 a + a b weights, where a full 3x3 convolution has 9 a b. Howard et al.,
    arXiv 1704.04861, also normalize between the two.
    """

    def __init__(self, channels_in: int, channels_out: int, *stages: Stage, padding: int = 0) -> None:
        super().__init__(
            nn.Conv2d(channels_in, channels_in, 3, padding=padding, groups=channels_in, bias=False),
            nn.Conv2d(channels_in, channels_out, 1, bias=False),
            *(follow(stage, channels_out) for stage in stages),
        )


def follow(stage: Stage, channels: int) -> nn.Module:
    """The module of one stage after a convolution with `channels` output channels."""
    if stage == "relu":
        return nn.ReLU()
    if stage == "bn":
        return nn.BatchNorm2d(channels)
    return nn.Dropout(float(stage))


class LogProbabilities(nn.Module):
    """Class maps (N, 10, 1, 1) to log-probabilities (N, 10)."""

    def forward(self, maps: Tensor) -> Tensor:
        """(N, 10, 1, 1) to (N, 10)."""
        return F.log_softmax(maps.flatten(1), dim=1)


class GlobalAverage(nn.AdaptiveAvgPool2d):
    """The mean of each channel over the whole map: (N, C, H, W) to (N, C, 1, 1)."""

    def __init__(self) -> None:
        super().__init__(1)


class WeightedAverage(nn.Module):
    """The mean of each channel over a map, with one weight per position: (N, C, size, size) to (N, C, 1, 1).

    All channels share the weights, which are 1 at first, as in `GlobalAverage`. A plain average forgets positions, and
    these matter, since digits are centred.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size, size))

    def extra_repr(self) -> str:
        """The size, for the repr of a network."""
        return f"size={len(self.weight)}"

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, size, size) to (N, C, 1, 1)."""
        return (maps * self.weight).mean((2, 3), keepdim=True)
