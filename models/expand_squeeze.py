"""The network of `spec/expand_squeeze`: channels grow, a 1x1 convolution squeezes them, and they grow again."""

from torch import nn

from models.blocks import GlobalAverage, LogProbabilities, Stage, Unbiased


class ExpandSqueeze(nn.Sequential):
    """Five 3x3 convolutions around a squeeze and a max-pool, then two 1x1 convolutions after the global average.

    No stages follow the 1x1 convolutions, so that the last two together are one linear map.
    """

    def __init__(self, dropout: float) -> None:
        stages: tuple[Stage, ...] = ("relu", "bn", dropout)
        super().__init__(
            Unbiased(1, 8, 3, *stages),  # 28 -> 26
            Unbiased(8, 14, 3, *stages),  # 24
            Unbiased(14, 10, 1),
            nn.MaxPool2d(2),  # 12
            Unbiased(10, 14, 3, *stages),
            Unbiased(14, 16, 3, *stages),
            Unbiased(16, 20, 3, *stages),  # 6
            GlobalAverage(),
            Unbiased(20, 16, 1),
            Unbiased(16, 10, 1),
            LogProbabilities(),
        )


class File1(ExpandSqueeze):
    """With dropout layers, at a rate of zero."""

    def __init__(self) -> None:
        super().__init__(dropout=0.0)


class File2(ExpandSqueeze):
    """With 5 % of dropout."""

    def __init__(self) -> None:
        super().__init__(dropout=0.05)
