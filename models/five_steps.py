"""The networks of `spec/five_steps`: 28x28 digits to ten log-probabilities, without padding."""

from torch import nn

from models.blocks import Conv, GlobalAverage, LogProbabilities, Stage


class Step1(nn.Sequential):
    """Seven 3x3 convolutions with 16 channels, and one more for the classes in place of global pooling."""

    def __init__(self) -> None:
        super().__init__(
            Conv(1, 16, 3, "relu"),  # 28 -> 26
            Conv(16, 16, 3, "relu"),
            Conv(16, 16, 3, "relu"),  # 22
            nn.MaxPool2d(2),  # 11
            Conv(16, 16, 3, "relu"),
            Conv(16, 16, 3, "relu"),
            Conv(16, 16, 3, "relu"),
            Conv(16, 16, 3, "relu"),  # 3
            Conv(16, 10, 3),  # 1
            LogProbabilities(),
        )


class Narrow(nn.Sequential):
    """Fewer channels, a 1x1 convolution to the class maps and their global average.

    `stages` follow every convolution, including that of the class maps.
    """

    def __init__(self, *stages: Stage) -> None:
        super().__init__(
            Conv(1, 8, 3, *stages),  # 28 -> 26
            Conv(8, 8, 3, *stages),
            Conv(8, 16, 3, *stages),
            Conv(16, 16, 3, *stages),  # 20
            nn.MaxPool2d(2),  # 10
            Conv(16, 16, 3, *stages),
            Conv(16, 16, 3, *stages),  # 6
            Conv(16, 10, 1, *stages),
            GlobalAverage(),
            LogProbabilities(),
        )


class Step2(Narrow):
    """The narrow network with ReLU alone."""

    def __init__(self) -> None:
        super().__init__("relu")


class Step3(Narrow):
    """The narrow network with batch normalization after each ReLU."""

    def __init__(self) -> None:
        super().__init__("relu", "bn")


class Step5(Narrow):
    """The narrow network with batch normalization and 1 % of dropout after each ReLU."""

    def __init__(self) -> None:
        super().__init__("relu", "bn", 0.01)
