"""The networks of `spec/discover`: a skeleton that ends in two linear layers, and two branches without these."""

from torch import nn

from models.blocks import Conv, GlobalAverage, LogProbabilities, Stage, Unbiased


class Trunk(nn.Sequential):
    """Two padded 3x3 convolutions, a max-pool, and two more without padding: 28x28 to 20 maps of 10x10."""

    def __init__(self, *stages: Stage) -> None:
        super().__init__(
            Unbiased(1, 4, 3, *stages, padding=1),  # 28
            Unbiased(4, 8, 3, *stages, padding=1),
            nn.MaxPool2d(2),  # 14
            Unbiased(8, 16, 3, *stages),
            Unbiased(16, 20, 3, *stages),  # 10
        )


class Skeleton(nn.Sequential):
    """The trunk, a bare 3x3 convolution and two linear layers; all after the last ReLU is one linear map."""

    def __init__(self) -> None:
        super().__init__(
            Trunk("bn", "relu"),
            Unbiased(20, 24, 3),  # 8
            GlobalAverage(),
            nn.Flatten(),
            nn.Linear(24, 32),
            nn.Linear(32, 10),
            LogProbabilities(),
        )


class Convolutional(nn.Sequential):
    """A 1x1 convolution to the class maps and their global average in place of the linear layers."""

    def __init__(self, *stages: Stage) -> None:
        super().__init__(
            Trunk(*stages),
            Unbiased(20, 24, 3, *stages),  # 8
            Unbiased(24, 10, 1),
            GlobalAverage(),
            LogProbabilities(),
        )


class Under10k(Convolutional):
    """Batch normalization before each ReLU."""

    def __init__(self) -> None:
        super().__init__("bn", "relu")


class Under10kDropout(Convolutional):
    """Batch normalization before each ReLU and 4.3 % of dropout after it."""

    def __init__(self) -> None:
        super().__init__("bn", "relu", 0.043)


class Reduced(nn.Sequential):
    """Six 3x3 convolutions without padding around a max-pool, the global average, two 1x1 convolutions with biases.

    `stages` follow each of the first five convolutions; `second`, if given, follows the second instead.
    """

    def __init__(self, *stages: Stage, second: tuple[Stage, ...] | None = None) -> None:
        super().__init__(
            Unbiased(1, 8, 3, *stages),  # 28 -> 26
            Unbiased(8, 8, 3, *(second or stages)),  # 24
            nn.MaxPool2d(2),  # 12
            Unbiased(8, 12, 3, *stages),
            Unbiased(12, 12, 3, *stages),
            Unbiased(12, 16, 3, *stages),  # 6
            Unbiased(16, 16, 3),  # 4
            GlobalAverage(),
            Conv(16, 32, 1),
            Conv(32, 10, 1),
            LogProbabilities(),
        )


class Under8k(Reduced):
    """Batch normalization after each ReLU."""

    def __init__(self) -> None:
        super().__init__("relu", "bn")


class Under8kDropout(Reduced):
    """Batch normalization after each ReLU, then 5 % of dropout."""

    def __init__(self) -> None:
        super().__init__("relu", "bn", 0.05)


class Under8kFinal(Reduced):
    """Batch normalization after each ReLU, except for the second convolution, where it comes before; no dropout."""

    def __init__(self) -> None:
        super().__init__("relu", "bn", second=("bn", "relu"))
