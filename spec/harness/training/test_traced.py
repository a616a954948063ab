"""A training step of every kind of network in the repository can be recorded on a GPU, in few operations."""

import pytest
import torch
from torch import nn

from harness.discovery import find, steps
from harness.step import Step
from spec.harness.support.paths import ROOT
from spec.harness.training.traced import prepared, row, traced


def layers(step: type[Step]) -> list[nn.Module]:
    """The layers of its network, without memory for weights."""
    with torch.device("meta"):
        return list(step.network().modules())[1:]


def of_every_kind() -> list[type[Step]]:
    """The last step of every ladder, and of the others those with a new class of layer or type of setting."""
    every = list(steps().values())
    last = list({step.id.partition("/")[0]: step for step in every}.values())
    chosen, seen = list[type[Step]](), set[object]()
    for step in [*last, *(step for step in every if step not in last)]:
        settings = {(name, type(value)) for name, value in vars(step.recipe).items()}
        kinds = {type(layer) for layer in layers(step)} | settings
        if step in last or not kinds <= seen:
            seen |= kinds
            chosen.append(step)
    return chosen


@pytest.mark.thorough
@pytest.mark.parametrize("step", of_every_kind(), ids=lambda step: step.id)
def test_a_step_reads_nothing_on_the_host_and_draws_masks_in_the_order_of_their_elements(step: type[Step]) -> None:
    trace = traced(step, 2, "cuda")  # fails if a value is read
    assert trace.devices | prepared(step, 2, "cuda").devices == {"cuda"}
    assert all(mask.is_contiguous() for mask in trace.masks)
    dropouts = [layer for layer in layers(step) if isinstance(layer, nn.Dropout) and layer.p > 0]
    assert len(trace.masks) == len(dropouts)  # of both networks in one launch


@pytest.mark.parametrize(
    ("step", "alone", "among_16"),
    [("five_steps/step3", 95, 100), ("five_steps/step5", 115, 120), ("frontier/step6", 70, 75)],
)
def test_a_step_of_many_networks_is_hardly_more_operations_than_that_of_one(
    step: str, alone: int, among_16: int
) -> None:
    assert traced(find(step), 1, "meta").operations.total() <= alone
    assert traced(find(step), 16, "meta").operations.total() <= among_16


@pytest.mark.thorough
@pytest.mark.parametrize("step", ["five_steps/step5", "frontier/step6"])
def test_what_the_docs_count_is_what_is_counted(step: str) -> None:
    table = (ROOT / "docs" / "speed.md").read_text(encoding="utf-8").partition("And as it is:")[2]
    [printed] = [line for line in table.splitlines() if step in line]
    counted = [float(cell) for cell in row(find(step)).split("|")[2:-1]]
    assert counted == pytest.approx([float(cell) for cell in printed.split("|")[2:-1]], rel=0.05)  # by any torch
