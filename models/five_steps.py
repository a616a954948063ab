"""The networks of `spec/five_steps`: 28x28 digits to ten log-probabilities, no padding anywhere."""

from torch import nn

from models.blocks import Conv, GlobalAverage, LogProbabilities, Stage


class Step1(nn.Sequential):
    """Seven 3x3 convolutions of 16 channels; the last one closes the 3x3 map, without global pooling."""

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
    """Fewer kernels, a 1x1 convolution to the class maps and global average pooling.

    `stages` is what follows every convolution, the one of the class maps included.
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
