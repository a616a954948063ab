"""The receptive-field tables of the published texts, row by row.

They hold convolutions and pools only. Where the global average leaves one position, the texts differ in the stride and
the jump that they give it, and neither means anything, so that those two are not compared.
"""

import pytest
from torch import nn

from harness.receptive_field import Layer, receptive_field
from models import discover, expand_squeeze

# Operation, features in, kernel, padding, stride, features out, jump in, jump out, field in, field out.
Row = tuple[str, int, int, int, int, int, int, int, int, int]

DISCOVER_1: list[Row] = [
    ("Conv2d", 28, 3, 0, 1, 26, 1, 1, 1, 3),
    ("Conv2d", 26, 3, 0, 1, 24, 1, 1, 3, 5),
    ("MaxPool", 24, 2, 0, 2, 12, 1, 2, 5, 6),
    ("Conv2d", 12, 3, 0, 1, 10, 2, 2, 6, 10),
    ("Conv2d", 10, 3, 0, 1, 8, 2, 2, 10, 14),
    ("Conv2d", 8, 3, 0, 1, 6, 2, 2, 14, 18),
    ("Conv2d", 6, 3, 0, 1, 4, 2, 2, 18, 22),
    ("GAP", 4, 4, 0, 1, 1, 2, 2, 22, 28),
]
DISCOVER_2: list[Row] = [
    ("Conv2d", 28, 3, 1, 1, 28, 1, 1, 1, 3),
    ("Conv2d", 28, 3, 1, 1, 28, 1, 1, 3, 5),
    ("MaxPool", 28, 2, 0, 2, 14, 1, 2, 5, 6),
    ("Conv2d", 14, 3, 0, 1, 12, 2, 2, 6, 10),
    ("Conv2d", 12, 3, 0, 1, 10, 2, 2, 10, 14),
    ("Conv2d", 10, 3, 0, 1, 8, 2, 2, 14, 18),
    ("Conv2d", 8, 3, 0, 1, 6, 2, 2, 18, 22),
    ("Conv2d", 6, 3, 0, 1, 4, 2, 2, 22, 26),
    ("GAP", 4, 4, 0, 1, 1, 2, 2, 26, 32),
]
# Layer, side and channels in, side and channels out, field.
EXPAND_SQUEEZE: list[tuple[str, tuple[int, int], tuple[int, int], int]] = [
    ("Conv2D(3x3)", (28, 1), (26, 8), 3),
    ("Conv2D(3x3)", (26, 8), (24, 14), 5),
    ("Conv2D(1x1)", (24, 14), (24, 10), 5),
    ("Max Pool(2x2)", (24, 10), (12, 10), 6),
    ("Conv2D(3x3)", (12, 10), (10, 14), 10),
    ("Conv2D(3x3)", (10, 14), (8, 16), 14),
    ("Conv2D(3x3)", (8, 16), (6, 20), 18),
    ("GAP", (6, 20), (1, 20), 28),
    ("FC", (1, 20), (1, 16), 28),
    ("FC", (1, 16), (1, 10), 28),
]
NAMES = {"conv2d": "Conv2d", "max_pool2d": "MaxPool", "adaptive_avg_pool2d": "GAP"}


class SecondTable(nn.Sequential):
    """The second table as a network; it belongs to none of the nine steps and says nothing of channels."""

    def __init__(self) -> None:
        padded = [nn.Conv2d(1, 1, 3, padding=1) for _ in range(2)]
        bare = [nn.Conv2d(1, 1, 3) for _ in range(5)]
        super().__init__(*padded, nn.MaxPool2d(2), *bare, nn.AdaptiveAvgPool2d(1))


def columns(layer: Layer) -> Row:
    """A layer in the columns of the two tables, down; across is the same."""
    down, across = (
        (
            NAMES[layer.operation],
            layer.n_in[axis],
            layer.kernel[axis],
            layer.padding[axis],
            layer.stride[axis],
            layer.n_out[axis],
            layer.jump_in[axis],
            layer.jump_out[axis],
            layer.rf_in[axis],
            layer.rf_out[axis],
        )
        for axis in (0, 1)
    )
    assert down == across
    return down


def meaningful(row: Row) -> list[object]:
    """The row; without stride and jump out where one position comes out."""
    return [value for column, value in enumerate(row) if row[5] > 1 or column not in (4, 7)]


@pytest.mark.parametrize(
    ("network", "table"),
    [(discover.Under8k, DISCOVER_1), (discover.Under8kFinal, DISCOVER_1), (SecondTable, DISCOVER_2)],
)
def test_discover(network: type[nn.Module], table: list[Row]) -> None:
    layers = receptive_field(network(), (1, 28, 28)).layers[: len(table)]  # the tables end at the global average
    assert [meaningful(columns(layer)) for layer in layers] == [meaningful(row) for row in table]


def test_expand_squeeze() -> None:
    model = expand_squeeze.File1()
    rows = []
    channels = 1
    for layer in receptive_field(model, (1, 28, 28)).layers:
        module, before, side = model.get_submodule(layer.name), channels, layer.kernel[0]
        if isinstance(module, nn.Conv2d):
            name = f"Conv2D({side}x{side})" if layer.n_in[0] > 1 else "FC"
            channels = module.out_channels
        else:
            name = f"Max Pool({side}x{side})" if layer.n_out[0] > 1 else "GAP"
        rows.append((name, (layer.n_in[0], before), (layer.n_out[0], channels), layer.rf_out[0]))
    assert rows == EXPAND_SQUEEZE
