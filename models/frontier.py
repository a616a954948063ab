"""The networks of `spec/frontier`: convolutions around one max-pool, and ten averaged class maps."""

from torch import nn

from models.blocks import Conv, GlobalAverage, LogProbabilities, Separable, Stage, WeightedAverage


class Trunk(nn.Sequential):
    """Five 3x3 convolutions without padding, around one max-pool, then a 1x1 convolution and the global average.

    `widths` are the channels of the five; `stages` is what follows each of them. A convolution that is normalized has
    no bias, since the normalization would take it out again.
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
    """Eight channels before the pool and sixteen after it, with ReLU alone."""

    def __init__(self) -> None:
        super().__init__((8, 8, 16, 16, 16), "relu")


class Normalized(Trunk):
    """The same with batch normalization before each ReLU."""

    def __init__(self) -> None:
        super().__init__((8, 8, 16, 16, 16), "bn", "relu")


class Funnel(Trunk):
    """Channels that grow with every convolution."""

    def __init__(self) -> None:
        super().__init__((8, 10, 14, 16, 18), "bn", "relu")


class Wide(Trunk):
    """The funnel with two to three times the channels."""

    def __init__(self) -> None:
        super().__init__((16, 24, 32, 40, 48), "bn", "relu")


class Slim(nn.Sequential):
    """Six convolutions, separable but for the first, two of them padded; averaged before the classes are told.

    `channels` are those of the last convolution, `average` is what makes one number of each of their maps of 8 x 8.
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
    """The same with an average that knows where things are; two channels fewer at the end pay for its weights."""

    def __init__(self) -> None:
        super().__init__(26, WeightedAverage(8))
