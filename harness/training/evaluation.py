"""What a network makes of the test images, and whether its output is that of a classifier of digits."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from harness.errors import HarnessError, foreign
from harness.recipe import Normalize
from harness.run import Errors
from harness.step import Step
from harness.training.augmentation import normalized


class Evaluation(NamedTuple):
    """The images that a network misses, and the mean negative log-likelihood over all of them."""

    errors: Errors
    loss: float


def evaluate(model: nn.Module, images: Tensor, labels: Tensor, normalize: Normalize) -> float:
    """Accuracy in percent of the model in evaluation mode on the images (N, H, W) uint8."""
    return percent(len(labels) - len(errors(model, images, labels, normalize)), len(labels))


def errors(model: nn.Module, images: Tensor, labels: Tensor, normalize: Normalize) -> Errors:
    """The images (N, H, W) uint8 that the model misses in evaluation mode."""
    return evaluation(model, images, labels, normalize).errors


@torch.inference_mode()
def evaluation(
    model: nn.Module, images: Tensor, labels: Tensor, normalize: Normalize, batch_size: int = 500
) -> Evaluation:
    """The evaluation of the model, in evaluation mode, on the images (N, H, W) uint8."""
    model.eval()
    with foreign("its forward pass"):
        log_probabilities = torch.cat([model(normalized(batch, normalize)) for batch in images.split(batch_size)])
    [result] = evaluations(log_probabilities[None], labels)
    return result


def evaluations(log_probabilities: Tensor, labels: Tensor) -> list[Evaluation]:
    """The evaluation of each of S networks by their log-probabilities (S, N, 10) of images with these labels (N,)."""
    index = labels.expand(len(log_probabilities), -1)[..., None]
    losses = -log_probabilities.gather(2, index).double().mean((1, 2))
    predicted = log_probabilities.argmax(2)
    return [Evaluation(missed(one, labels), loss) for one, loss in zip(predicted, losses.tolist(), strict=True)]


def missed(predicted: Tensor, labels: Tensor) -> Errors:
    """Index, label and prediction of each image whose prediction (N,) is not its label (N,)."""
    (index,) = torch.nonzero(predicted != labels, as_tuple=True)
    columns = (column.tolist() for column in (index, labels[index], predicted[index]))
    return tuple(zip(*columns, strict=True))


def percent(correct: int, n: int) -> float:
    """The share of n images in percent, to four decimals: one image in 60,000 is 0.0017 points."""
    return round(100 * correct / n, 4)


def check_output(step: type[Step], model: nn.Module, device: torch.device) -> None:
    """Raise HarnessError unless the model maps N x 1 x 28 x 28 to N x 10. Puts it into evaluation mode."""
    model.eval()
    with foreign("its forward pass", step.id), torch.inference_mode():
        output = model(torch.zeros(2, 1, 28, 28, device=device))
    shape = " x ".join(map(str, output.shape)) if isinstance(output, Tensor) else f"a {type(output).__name__}"
    if shape != "2 x 10":
        raise HarnessError(f"{step.id}: the model turns 2 x 1 x 28 x 28 into {shape}, not 2 x 10")
    if not output.is_floating_point():
        raise HarnessError(f"{step.id}: the model returns {output.dtype}, not the log-probabilities of a float type")
    if not any(weight.requires_grad for weight in model.parameters()):
        raise HarnessError(f"{step.id}: the model has no parameters that could be trained")
