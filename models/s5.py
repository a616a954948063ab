"""The networks of `spec/s5`: 28x28 digits to ten log-probabilities, without biases from the second one on."""

from torch import nn

from models.blocks import Conv, GlobalAverage, LogProbabilities, Stage, Unbiased


class Code1(nn.Sequential):
    """Seven 3x3 convolutions that double their channels up to 1,024, and two max-pools."""

    def __init__(self) -> None:
        super().__init__(
            Conv(1, 32, 3, "relu", padding=1),  # 28
            Conv(32, 64, 3, "relu", padding=1),
            nn.MaxPool2d(2),  # 14
            Conv(64, 128, 3, "relu", padding=1),
            Conv(128, 256, 3, "relu", padding=1),
            nn.MaxPool2d(2),  # 7
            Conv(256, 512, 3, "relu"),  # 5
            Conv(512, 1024, 3, "relu"),  # 3
            Conv(1024, 10, 3),  # 1
            LogProbabilities(),
        )


class Trunk(nn.Sequential):
    """Three 3x3 convolutions to a, b and c channels, a max-pool, a 1x1 convolution back to a, and two more up to c.

    `stages` follow every convolution, and a dropout of rate `dropout` the two with c channels.
    """

    def __init__(self, a: int, b: int, c: int, *stages: Stage, dropout: float | None = None) -> None:
        dropped = stages if dropout is None else (*stages, dropout)
        super().__init__(
            Unbiased(1, a, 3, *stages),  # 28 -> 26
            Unbiased(a, b, 3, *stages),
            Unbiased(b, c, 3, *dropped),  # 22
            nn.MaxPool2d(2),  # 11
            Unbiased(c, a, 1, *stages),
            Unbiased(a, b, 3, *stages),
            Unbiased(b, c, 3, *dropped),  # 7
        )


class LargeKernel(nn.Sequential):
    """The trunk, a 1x1 convolution to the class maps, and a 7x7 convolution over all of them."""

    def __init__(self, a: int, b: int, c: int, *stages: Stage, dropout: float | None = None) -> None:
        super().__init__(
            Trunk(a, b, c, *stages, dropout=dropout),
            Unbiased(c, 10, 1, *stages),
            Unbiased(10, 10, 7),  # 7 -> 1
            LogProbabilities(),
        )


class Code2(LargeKernel):
    """The skeleton with 32, 64 and 128 channels."""

    def __init__(self) -> None:
        super().__init__(32, 64, 128, "relu")


class Code3(LargeKernel):
    """The skeleton with 10, 10 and 20 channels."""

    def __init__(self) -> None:
        super().__init__(10, 10, 20, "relu")


class Code4(LargeKernel):
    """The light skeleton with batch normalization before each ReLU."""

    def __init__(self) -> None:
        super().__init__(10, 10, 20, "bn", "relu")


class Code5(LargeKernel):
    """The light skeleton with batch normalization, and 25 % of dropout in two places."""

    def __init__(self) -> None:
        super().__init__(10, 10, 20, "bn", "relu", dropout=0.25)


class Code6(nn.Sequential):
    """The global average of the class maps in place of the 7x7 convolution."""

    def __init__(self) -> None:
        super().__init__(
            Trunk(10, 10, 20, "bn", "relu", dropout=0.25),
            Unbiased(20, 10, 1, "bn", "relu"),
            GlobalAverage(),
            LogProbabilities(),
        )


class Code7(nn.Sequential):
    """A 3x3 convolution with 32 channels before the class maps, which have no stages."""

    def __init__(self) -> None:
        super().__init__(
            Trunk(10, 10, 20, "bn", "relu", dropout=0.25),
            Unbiased(20, 32, 3, "bn", "relu"),  # 7 -> 5
            Unbiased(32, 10, 1),
            GlobalAverage(),
            LogProbabilities(),
        )


class Code8(nn.Sequential):
    """The max-pool after two 3x3 convolutions, which see 5 pixels; more dropout, and a 1x1 after the average."""

    def __init__(self) -> None:
        stages: tuple[Stage, ...] = ("relu", "bn", 0.1)
        super().__init__(
            Unbiased(1, 16, 3, *stages),  # 28 -> 26
            Unbiased(16, 32, 3, *stages),  # 24
            Unbiased(32, 10, 1),
            nn.MaxPool2d(2),  # 12
            Unbiased(10, 16, 3, *stages),
            Unbiased(16, 16, 3, *stages),
            Unbiased(16, 16, 3, *stages),  # 6
            Unbiased(16, 16, 3, *stages, padding=1),
            GlobalAverage(),
            Unbiased(16, 10, 1),
            LogProbabilities(),
        )
