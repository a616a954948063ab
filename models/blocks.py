"""The vocabulary of the ladders: the few blocks that their networks are spelled in.

A network reads top to bottom as in its paper or notebook: channels in, channels out, and what follows the convolution
in the order in which it is applied.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Stage = Literal["relu", "bn"] | float


class Conv(nn.Sequential):
    """A convolution and what follows it: "relu", "bn", or a number for element-wise dropout at that rate.

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
    """The same without a bias."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, *stages: Stage, padding: int = 0) -> None:
        super().__init__(channels_in, channels_out, kernel, *stages, padding=padding, bias=False)


class Separable(nn.Sequential):
    """A depthwise 3x3 convolution, a 1x1 convolution and what follows the two, as for `Conv`; without biases.

    One filter a channel, then one sum over channels an output (Howard et al., arXiv 1704.04861, who normalize between
    the two as well): 9 a + a b weights for a channels in and b out, where a whole 3x3 convolution has 9 a b.
    """

    def __init__(self, channels_in: int, channels_out: int, *stages: Stage, padding: int = 0) -> None:
        super().__init__(
            nn.Conv2d(channels_in, channels_in, 3, padding=padding, groups=channels_in, bias=False),
            nn.Conv2d(channels_in, channels_out, 1, bias=False),
            *(follow(stage, channels_out) for stage in stages),
        )


def follow(stage: Stage, channels: int) -> nn.Module:
    """The module for one stage after a convolution with that many output channels."""
    if stage == "relu":
        return nn.ReLU()
    if stage == "bn":
        return nn.BatchNorm2d(channels)
    return nn.Dropout(float(stage))


class LogProbabilities(nn.Module):
    """Class maps (N, 10, 1, 1) to log-probabilities (N, 10)."""

    def forward(self, maps: Tensor) -> Tensor:
        """Flatten and take the log-softmax over the ten classes."""
        return F.log_softmax(maps.flatten(1), dim=1)


class GlobalAverage(nn.AdaptiveAvgPool2d):
    """The mean of each channel over the whole map: (N, C, H, W) to (N, C, 1, 1)."""

    def __init__(self) -> None:
        super().__init__(1)


class WeightedAverage(nn.Module):
    """The mean of each channel over a map of known size, where every place has a weight of its own, shared by channels.

    (N, C, size, size) to (N, C, 1, 1). An average forgets where something was; digits are centred, so that it matters.
    The weights begin at 1, as `GlobalAverage` has them.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size, size))

    def extra_repr(self) -> str:
        """The size, beside the name."""
        return f"size={len(self.weight)}"

    def forward(self, maps: Tensor) -> Tensor:
        """Weigh and average."""
        return (maps * self.weight).mean((2, 3), keepdim=True)
