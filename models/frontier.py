"""The networks of `spec/frontier`: convolutions around one max-pool, and a global average."""

from torch import nn

from models.blocks import Conv, GlobalAverage, LogProbabilities, Separable, Stage, WeightedAverage


class Trunk(nn.Sequential):
    """Five 3x3 convolutions without padding around one max-pool, then a 1x1 convolution and the global average.

    `widths` are the channels of the five, and `stages` follow each of them. A convolution that is normalized has no
    bias, since the normalization would subtract it.
    """

    def __init__(self, widths: tuple[int, int, int, int, int], *stages: Stage) -> None:
        bias = "bn" not in stages
        a, b, c, d, e = widths
        super().__init__(
            Conv(1, a, 3, *stages, bias=bias),  # 28 -> 26
            Conv(a, b, 3, *stages, bias=bias),  # 24
            nn.MaxPool2d(2),  # 12
            Conv(b, c, 3, *stages, bias=bias),
            Conv(c, d, 3, *stages, bias=bias),
            Conv(d, e, 3, *stages, bias=bias),  # 6
            Conv(e, 10, 1),
            GlobalAverage(),
            LogProbabilities(),
        )


class Plain(Trunk):
    """Eight channels before the max-pool and sixteen after it, with ReLU alone."""

    def __init__(self) -> None:
        super().__init__((8, 8, 16, 16, 16), "relu")


class Normalized(Trunk):
    """The plain network with batch normalization before each ReLU."""

    def __init__(self) -> None:
        super().__init__((8, 8, 16, 16, 16), "bn", "relu")


class Funnel(Trunk):
    """Channels that grow with every convolution."""

    def __init__(self) -> None:
        super().__init__((8, 10, 14, 16, 18), "bn", "relu")


class Broad(Trunk):
    """The funnel with one channel more before the max-pool, and up to two more after it."""

    def __init__(self) -> None:
        super().__init__((9, 11, 15, 18, 20), "bn", "relu")


class Wide(Trunk):
    """The funnel with two to three times the channels."""

    def __init__(self) -> None:
        super().__init__((16, 24, 32, 40, 48), "bn", "relu")


class Slim(nn.Sequential):
    """Six 3x3 convolutions, separable except for the first, two of them padded; averaged before the 1x1 to the classes.

    `channels` are those of the last 3x3 convolution, and `average` reduces each of its 8 x 8 maps to one number.
    """

    def __init__(self, channels: int = 28, average: nn.Module | None = None) -> None:
        super().__init__(
            Conv(1, 6, 3, "bn", "relu", bias=False),  # 28 -> 26
            Separable(6, 12, "bn", "relu"),  # 24
            Separable(12, 16, "bn", "relu", padding=1),
            nn.MaxPool2d(2),  # 12
            Separable(16, 20, "bn", "relu", padding=1),
            Separable(20, 24, "bn", "relu"),  # 10
            Separable(24, channels, "bn", "relu"),  # 8
            average or GlobalAverage(),
            Conv(channels, 10, 1),
            LogProbabilities(),
        )


class Placed(Slim):
    """The slim network with one weight per position in the average, paid for by two channels fewer before it."""

    def __init__(self) -> None:
        super().__init__(26, WeightedAverage(8))
