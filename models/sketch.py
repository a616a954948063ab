"""Networks written on one line, so that a search can try many and its log can name them.

`Sketch("c8 s16 | s16*3")` is a convolution to 8 channels, a separable one to 16, a 2x2 max-pool, and a separable
convolution to 16 channels applied three times. The words, with `N` output channels:

- `cN`: a 3x3 convolution; `sN`: a depthwise 3x3 convolution and a 1x1 convolution (Howard et al., arXiv 1704.04861,
  without the normalization between the two); `mN`: the same with a normalization and an activation between the two;
  `pN`: a 1x1 convolution.
- After it, `v` removes the padding, `/2` makes the stride 2, `+` adds the input to the output, and `*T` applies the
  filters T times, each time with a normalization of its own; this keeps the number of channels.
- `|` is a 2x2 max-pool.

Every convolution is normalized and activated. At the end there is a global average, or with `w` as the last word an
average with one weight per position, and a linear map to the ten classes.
"""

import re
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from models.blocks import GlobalAverage, LogProbabilities, WeightedAverage

WORD = re.compile(r"(?P<kind>[csmp])(?P<channels>\d+)(?P<valid>v?)(?P<stride>(/2)?)(?P<add>\+?)(\*(?P<times>\d+))?")


class Sketch(nn.Sequential):
    """The network of a line. Raises ValueError for a word that is not in the vocabulary of this module."""

    def __init__(self, line: str, activation: type[nn.Module] = nn.ReLU) -> None:
        channels, layers = 1, list[nn.Module]()
        words = line.split()
        weighted = words[-1:] == ["w"]
        for word in words[: -1 if weighted else None]:
            if word == "|":
                layers.append(nn.MaxPool2d(2))
                continue
            match = WORD.fullmatch(word)
            if match is None or (match["times"] and int(match["channels"]) != channels):
                raise ValueError(f"{word!r} in {line!r} is no word of a sketch; see the documentation of models.sketch")
            out = int(match["channels"])
            filters = list(
                convolutions(match["kind"], channels, out, 0 if match["valid"] else 1, 2 if match["stride"] else 1)
            )
            if match["kind"] == "m":
                filters[1:1] = [nn.BatchNorm2d(channels), activation()]
            layers.append(
                Repeated(nn.Sequential(*filters), out, int(match["times"] or 1), bool(match["add"]), activation)
            )
            channels = out
        average = WeightedAverage(side(layers)) if weighted else GlobalAverage()
        super().__init__(*layers, average, nn.Conv2d(channels, 10, 1), LogProbabilities())


def side(layers: list[nn.Module]) -> int:
    """The side of the maps that the layers compute from a 28 x 28 digit."""
    with torch.no_grad():
        maps: Tensor = nn.Sequential(*layers).eval()(torch.zeros(1, 1, 28, 28))
    for layer in layers:
        layer.train()
    return maps.shape[-1]


def convolutions(kind: str, channels: int, out: int, padding: int, stride: int) -> Iterator[nn.Module]:
    """The convolutions of one word, without biases, since a normalization follows."""
    if kind == "c":
        yield nn.Conv2d(channels, out, 3, padding=padding, stride=stride, bias=False)
        return
    if kind in "sm":
        yield nn.Conv2d(channels, channels, 3, padding=padding, stride=stride, groups=channels, bias=False)
    yield nn.Conv2d(channels, out, 1, bias=False)


class Repeated(nn.Module):
    """The same filters applied several times, with a normalization and an activation of its own after each time."""

    def __init__(self, filters: nn.Module, channels: int, times: int, add: bool, activation: type[nn.Module]) -> None:
        super().__init__()
        self.filters, self.add = filters, add
        self.after = nn.ModuleList(nn.Sequential(nn.BatchNorm2d(channels), activation()) for _ in range(times))

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) to (N, channels, H', W')."""
        for after in self.after:
            there = after(self.filters(maps))
            maps = maps + there if self.add and maps.shape == there.shape else there
        return maps
