"""How many floating-point operations an epoch of a step takes."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count

from harness.discovery import find
from harness.step import Step


def operations_of_epoch(step: type[Step], train: int, test: int) -> int:
    """Floating-point operations of the convolutions and matrix products of an epoch and its test.

    A multiplication and an addition count as two. A teacher predicts every training image. Normalization, activation,
    dropout and augmentation are not counted, so that the time of these operations is a lower bound.
    """
    model = step.network().to("meta")
    images = torch.empty(2, 1, 28, 28, device="meta")
    formulas = {torch.ops.aten.convolution_backward: _backward_of_convolution}
    with FlopCounterMode(display=False, custom_mapping=formulas) as backward:
        F.nll_loss(model(images), torch.zeros(2, dtype=torch.int64, device="meta")).backward()
    operations = int(backward.get_total_flops()) * train + _operations_of_prediction(model, images) * test
    if (teacher := step.recipe.teacher) is not None:
        operations += _operations_of_prediction(find(teacher.step).network().to("meta"), images) * train
    return operations // len(images)


def _operations_of_prediction(model: nn.Module, images: Tensor) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.eval()(images)
    return int(counter.get_total_flops())


def _backward_of_convolution(
    gradient: list[int], images: list[int], weight: list[int], *others: Any, **_: object
) -> int:
    """The gradients of the images and of the weights each take as many operations as the convolution itself.

    torch's own formula counts the weights of a grouped convolution as those of a dense one.
    """
    transposed, wanted = others[4], others[7]
    return int(conv_flop_count(images, weight, gradient, transposed) * sum(wanted[:2]))
