"""What a network makes of the test images."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from harness.errors import foreign_call
from harness.recipe import Normalize
from harness.run import Errors
from harness.training.augmentation import normalized

BATCH = 500
"""Images that are looked at together: the sums of eager torch, and so its last digits, may depend on it."""


class Evaluation(NamedTuple):
    """The images that a network misses, and the mean negative log-likelihood over all of them."""

    errors: Errors
    loss: float


@torch.inference_mode()
def evaluation(model: nn.Module, images: Tensor, labels: Tensor, normalize: Normalize) -> Evaluation:
    """The evaluation of the model, in evaluation mode, on the images (N, H, W) uint8."""
    model.eval()
    with foreign_call("its forward pass"):
        log_probabilities = torch.cat([model(normalized(batch, normalize)) for batch in images.split(BATCH)])
    [result] = evaluations(log_probabilities[None], labels)
    return result


def evaluations(log_probabilities: Tensor, labels: Tensor) -> list[Evaluation]:
    """The evaluation of each of S networks by their log-probabilities (S, N, 10) of images with these labels (N,)."""
    index = labels.expand(len(log_probabilities), -1)[..., None]
    losses = -log_probabilities.gather(2, index).double().mean((1, 2))
    predicted, labels = log_probabilities.argmax(2).cpu(), labels.cpu()  # of all networks in one copy
    return [Evaluation(missed(one, labels), loss) for one, loss in zip(predicted, losses.tolist(), strict=True)]


def missed(predicted: Tensor, labels: Tensor) -> Errors:
    """Index, label and prediction of each image whose prediction (N,) is not its label (N,)."""
    (index,) = torch.nonzero(predicted != labels, as_tuple=True)
    columns = (column.tolist() for column in (index, labels[index], predicted[index]))
    return tuple(zip(*columns, strict=True))


def percent(correct: int, n: int) -> float:
    """The share of n images in percent, to four decimals: one image in 60,000 is 0.0017 points."""
    return round(100 * correct / n, 4)
