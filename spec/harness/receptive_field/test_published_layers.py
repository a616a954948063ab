"""Every layer of every published step: its kind, output shape, parameters, receptive field and jump.

`published_layers.json` is transcribed from the printed summaries of the original notebooks, one row per layer in the
order of execution, without flattening and log-softmax. The jump is null where a map has one position, since that has no
neighbour; after flattening, the field is null too. A step with the layers of an earlier one has its id in place of
rows.
"""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from harness import steps
from harness.receptive_field import receptive_field
from harness.step import Step
from models.blocks import GlobalAverage

Row = list[str | list[int] | int | None]

PUBLISHED: dict[str, list[Row] | str] = json.loads(Path(__file__).with_name("published_layers.json").read_text())
KINDS: dict[type[nn.Module], str] = {
    nn.Conv2d: "conv",
    nn.ReLU: "relu",
    nn.BatchNorm2d: "batch norm",
    nn.Dropout: "dropout",
    nn.MaxPool2d: "max pool",
    GlobalAverage: "average",
    nn.Linear: "linear",
}


def published(step_id: str) -> list[Row]:
    """The published rows of a step."""
    rows = PUBLISHED[step_id]
    return published(rows) if isinstance(rows, str) else rows


def executed(step: type[Step]) -> list[Row]:
    """The rows of the network of a step: shapes from a run on one image, fields from the analysis."""
    model = step.model().eval()
    moves = {layer.name: (layer.rf_out[0], layer.jump_out[0]) for layer in receptive_field(model, (1, 28, 28)).layers}
    rows: list[Row] = []
    here = (1, 1)

    def record(name: str, module: nn.Module, output: Tensor) -> None:
        nonlocal here
        here = moves.get(name, here)
        kind = KINDS[type(module)]
        rate = f" {module.p:g}" if isinstance(module, nn.Dropout) else ""
        shape = list(output.shape[1:])
        maps, one = len(shape) == 3, shape[-1] == 1
        weights = sum(weight.numel() for weight in module.parameters())
        rows.append([kind + rate, shape, weights, here[0] if maps else None, here[1] if maps and not one else None])

    for name, module in model.named_modules():
        if type(module) in KINDS:
            module.register_forward_hook(lambda module, _, output, name=name: record(name, module, output))
    with torch.no_grad():
        model(torch.zeros(1, 1, 28, 28))
    return rows


@pytest.mark.parametrize("step_id", PUBLISHED)
def test_layers_are_the_published_ones(step_id: str) -> None:
    assert executed(steps()[step_id]) == published(step_id)


def test_every_step_of_a_published_ladder_is_listed() -> None:
    ladders = {step_id.partition("/")[0] for step_id in PUBLISHED}
    assert set(PUBLISHED) == {step_id for step_id, step in steps().items() if step.ladder in ladders}
    assert len(PUBLISHED) == 31
