"""The networks of searches, in one line each, and the average with weights for places."""

import re

import pytest
import torch

from models.blocks import GlobalAverage, WeightedAverage
from models.sketch import Sketch


@pytest.mark.parametrize(
    ("line", "parameters"),
    [
        ("c8", 72 + 16 + 90),  # 3 * 3 * 8, scale and shift, the map to ten classes
        ("c8 s16", 72 + 16 + (72 + 128 + 32) + 170),
        ("c8/2 | s8v*2", 72 + 16 + (72 + 64 + 2 * 16) + 90),
        ("c8 p8+*2", 72 + 16 + (64 + 2 * 16) + 90),
        ("c8v | c8v w", 72 + 16 + 576 + 16 + 11 * 11 + 90),  # 28 -> 26 -> 13 -> 11
        ("c8/2 | w", 72 + 16 + 7 * 7 + 90),
    ],
)
def test_a_sketch_has_the_parameters_that_one_counts(line: str, parameters: int) -> None:
    network = Sketch(line)
    assert sum(weight.numel() for weight in network.parameters()) == parameters
    assert network(torch.zeros(2, 1, 28, 28)).shape == (2, 10)


def test_a_weighted_average_begins_as_a_plain_one_and_can_weight_one_position() -> None:
    maps = torch.randn(3, 5, 7, 7, generator=torch.Generator().manual_seed(0))
    average = WeightedAverage(7)
    torch.testing.assert_close(average(maps), GlobalAverage()(maps))
    with torch.no_grad():
        average.weight.zero_()[2, 3] = 49.0
    torch.testing.assert_close(average(maps)[:, :, 0, 0], maps[:, :, 2, 3])


@pytest.mark.parametrize("word", ["q8", "c", "c8/3", "s16*2", "w c8"])
def test_a_word_that_is_none_is_named(word: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"'{word.split()[0]}' in 'c8 {word}'")):
        Sketch(f"c8 {word}")
