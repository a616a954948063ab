"""The loss of a recipe: from the labels alone, or from the labels and the predictions of a teacher."""

import functools
from typing import Literal, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.discovery import find
from harness.errors import HarnessError
from harness.recipe import Recipe, Teacher
from harness.training import weights
from harness.training.network import arranged


class Loss(Protocol):
    """Computes the loss of N images."""

    def __call__(
        self, images: Tensor, log_probabilities: Tensor, labels: Tensor, reduction: Literal["mean", "none"] = "mean"
    ) -> Tensor:
        """The mean loss, or the N losses, of images, log-probabilities (N, 10) and labels (N,).

        Images are (N, 1, H, W), or (S, B, 1, H, W) with S * B = N.
        """


def loss_of(recipe: Recipe, device: torch.device) -> Loss:
    """The loss of a recipe; HarnessError if its teacher has no weights, or not those that the recipe names."""
    if recipe.teacher is not None:
        return DistillationLoss(recipe.teacher, device, recipe.label_smoothing)
    return functools.partial(_label_loss, smoothing=recipe.label_smoothing)


def _label_loss(
    images: Tensor,
    log_probabilities: Tensor,
    labels: Tensor,
    reduction: Literal["mean", "none"] = "mean",
    smoothing: float = 0.0,
) -> Tensor:
    if smoothing == 0:
        return F.nll_loss(log_probabilities, labels, reduction=reduction)
    # The logarithm of the softmax of log-probabilities is these themselves.
    return F.cross_entropy(log_probabilities, labels, reduction=reduction, label_smoothing=smoothing)


class DistillationLoss:
    """`(1 - share) NLL + share T^2 KL(teacher || student)`, the divergence between predictions at temperature T.

    Hinton, Vinyals and Dean, arXiv 1503.02531, section 2. The factor T^2 makes the size of the gradients independent of
    the temperature.
    """

    def __init__(self, teacher: Teacher, device: torch.device, smoothing: float = 0.0) -> None:
        self.teacher, self.smoothing = teacher, smoothing
        self.network = arranged(teacher_network(teacher), device)

    def __call__(
        self, images: Tensor, log_probabilities: Tensor, labels: Tensor, reduction: Literal["mean", "none"] = "mean"
    ) -> Tensor:
        """The mean loss, or the N losses."""
        share, temperature = self.teacher.share, self.teacher.temperature
        with torch.no_grad():
            target = F.log_softmax(self.network(images.flatten(0, -4)) / temperature, dim=1)
        predicted = F.log_softmax(log_probabilities / temperature, dim=1)
        divergence = temperature**2 * F.kl_div(predicted, target, reduction="none", log_target=True).sum(1)
        of_labels = _label_loss(images, log_probabilities, labels, "none", self.smoothing)
        losses = (1 - share) * of_labels + share * divergence
        return losses.mean() if reduction == "mean" else losses


def check_teacher(recipe: Recipe) -> None:
    """Raise HarnessError if the teacher of a recipe, who is shown its images, was trained on others."""
    if recipe.teacher is None:
        return
    learnt = find(recipe.teacher.step).recipe.normalize
    if learnt != recipe.normalize:
        raise HarnessError(
            f"a recipe with {recipe.normalize} is taught by {recipe.teacher.step}, which was trained with {learnt}; "
            "give the recipe the normalize of its teacher"
        )


def teacher_network(teacher: Teacher) -> nn.Module:
    """The trained network of a teacher; HarnessError if it has no weights, or not those that are named."""
    step = find(teacher.step)
    trained = weights.read(step)  # its error says how to make missing weights
    if trained.digest != teacher.weights:
        raise HarnessError(
            f"a recipe is taught by {teacher.step} with the weights {teacher.weights}, and {weights.path_of(step)} "
            f"is {trained.digest}; restore it with git, or name the new weights in the recipe and train again"
        )
    return trained.network
