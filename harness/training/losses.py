"""What a training step makes small: the loss of the labels or, with a teacher, mostly that of its predictions."""

import hashlib
from typing import Literal, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.device import layout
from harness.errors import HarnessError
from harness.ladder import find
from harness.recipe import Recipe, Teacher
from harness.training import weights


class Loss(Protocol):
    """The loss of N images, from what a network says of them and what they are."""

    def __call__(
        self, images: Tensor, log_probabilities: Tensor, labels: Tensor, reduction: Literal["mean", "none"] = "mean"
    ) -> Tensor:
        """The mean or each of the losses: images (N, 1, H, W), log-probabilities (N, 10), labels (N,)."""


def loss_of(recipe: Recipe, device: torch.device) -> Loss:
    """The loss of a recipe; HarnessError if it names a teacher who is not there or is another."""
    return of_labels if recipe.teacher is None else OfTeacher(recipe.teacher, device)


def of_labels(
    images: Tensor, log_probabilities: Tensor, labels: Tensor, reduction: Literal["mean", "none"] = "mean"
) -> Tensor:
    """The negative log-likelihood of the labels."""
    return F.nll_loss(log_probabilities, labels, reduction=reduction)


class OfTeacher:
    """The same for a part, and for the other part how far the softened predictions are from the teacher's.

    `(1 - share) NLL + share T^2 KL(teacher || student)`, both at temperature T (Hinton, Vinyals and Dean, arXiv
    1503.02531, section 2); T^2 keeps the gradients as large as they are at a temperature of 1.
    """

    def __init__(self, teacher: Teacher, device: torch.device) -> None:
        self.teacher = teacher
        self.network = trained(teacher).to(device).to(memory_format=layout(device))

    def __call__(
        self, images: Tensor, log_probabilities: Tensor, labels: Tensor, reduction: Literal["mean", "none"] = "mean"
    ) -> Tensor:
        """See `Loss`."""
        share, temperature = self.teacher.share, self.teacher.temperature
        with torch.no_grad():
            wanted = F.log_softmax(self.network(images) / temperature, dim=1)
        said = F.log_softmax(log_probabilities / temperature, dim=1)
        apart = temperature**2 * F.kl_div(said, wanted, reduction="none", log_target=True).sum(1)
        losses = (1 - share) * F.nll_loss(log_probabilities, labels, reduction="none") + share * apart
        return losses.mean() if reduction == "mean" else losses


def trained(teacher: Teacher) -> nn.Module:
    """The network of a teacher, ready to predict; HarnessError if its weights are not there or are others."""
    step = find(teacher.step)
    network = weights.read(step).network  # which says what to do where there are none
    found = hashlib.sha256(weights.path_of(step).read_bytes()).hexdigest()[:16]
    if found != teacher.weights:
        raise HarnessError(
            f"a recipe is taught by {teacher.step} with the weights {teacher.weights}, and {weights.path_of(step)} "
            f"is {found}; restore it with git, or name the new weights in the recipe and train again"
        )
    return network
