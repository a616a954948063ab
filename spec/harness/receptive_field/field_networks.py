"""Networks for tests of the receptive field: of one function, of one convolution, and one of the published kind."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn


class Net(nn.Module):
    """A network from a function of its input; modules are given by name."""

    def __init__(self, function: Callable[[Any, Tensor], Any], **modules: nn.Module) -> None:
        super().__init__()
        self.function = function
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, x: Tensor) -> Any:
        return self.function(self, x)


def conv(kernel: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1, **more: Any) -> nn.Conv2d:
    return nn.Conv2d(1, 1, kernel, stride, padding, dilation, **more)


def published() -> nn.Sequential:
    """Four convolutions, a pool, two more, a classifier of 1 x 1 and global average pooling."""
    block = [nn.Conv2d(1, 4, 3), nn.ReLU(), nn.BatchNorm2d(4), nn.Dropout(0.1)]
    for _ in range(3):
        block += [nn.Conv2d(4, 4, 3), nn.ReLU(), nn.BatchNorm2d(4), nn.Dropout(0.1)]
    tail = [nn.MaxPool2d(2), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 10, 1)]
    return nn.Sequential(*block, *tail, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LogSoftmax(-1))
