"""Networks for tests of the receptive field: one function, one convolution, and one like the published steps."""

import re
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

JARGON = re.compile(r"(?i)\bmeta\b|functorch|functional(ize|tensor)|fake|\bdevice\b|dispatch|\n")
"""Words of what follows a network, which no message about the network says."""


class Net(nn.Module):
    """A network whose forward pass is a function of itself and its input; its modules are given by name."""

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
    """Four convolutions, a max-pool, two more, a 1x1 convolution to the classes, and their global average."""
    block = [nn.Conv2d(1, 4, 3), nn.ReLU(), nn.BatchNorm2d(4), nn.Dropout(0.1)]
    for _ in range(3):
        block += [nn.Conv2d(4, 4, 3), nn.ReLU(), nn.BatchNorm2d(4), nn.Dropout(0.1)]
    tail = [nn.MaxPool2d(2), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 10, 1)]
    return nn.Sequential(*block, *tail, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LogSoftmax(-1))
