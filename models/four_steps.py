"""The networks of `spec/four_steps`: 28x28 digits to ten log-probabilities, without biases."""

from torch import nn

from models.blocks import GlobalAverage, LogProbabilities, Stage, Unbiased


class Step1(nn.Sequential):
    """Five 3x3 convolutions around a max-pool, and a 7x7 convolution with four fifths of the parameters."""

    def __init__(self) -> None:
        super().__init__(
            Unbiased(1, 32, 3, "relu"),  # 28 -> 26
            Unbiased(32, 64, 3, "relu"),
            Unbiased(64, 128, 3, "relu"),  # 22
            nn.MaxPool2d(2),  # 11
            Unbiased(128, 32, 1, "relu"),
            Unbiased(32, 64, 3, "relu"),
            Unbiased(64, 128, 3, "relu"),  # 7
            Unbiased(128, 128, 7, "relu"),  # 1
            Unbiased(128, 10, 1),
            LogProbabilities(),
        )


class Light(nn.Sequential):
    """A max-pool after two convolutions already, and the global average before the last 1x1 convolution.

    `stages` follow every convolution except the last.
    """

    def __init__(self, *stages: Stage) -> None:
        super().__init__(
            Unbiased(1, 16, 3, *stages, padding=1),  # 28
            Unbiased(16, 24, 3, *stages),  # 26
            nn.MaxPool2d(2),  # 13
            Unbiased(24, 8, 1, *stages),
            Unbiased(8, 16, 3, *stages),
            Unbiased(16, 16, 3, *stages),
            Unbiased(16, 16, 3, *stages),  # 7
            GlobalAverage(),
            Unbiased(16, 10, 1),
            LogProbabilities(),
        )


class Step2(Light):
    """The light network with ReLU alone."""

    def __init__(self) -> None:
        super().__init__("relu")


class Step3(Light):
    """The light network with batch normalization before each ReLU and 10 % of dropout after it."""

    def __init__(self) -> None:
        super().__init__("bn", "relu", 0.1)


class Step4(Light):
    """The light network with batch normalization before each ReLU and 1 % of dropout after it."""

    def __init__(self) -> None:
        super().__init__("bn", "relu", 0.01)
