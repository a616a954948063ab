"""The recipe of a step: everything about its training except the network, as one frozen value.

Imports no torch, so that a specification can be read without it.
"""

from harness.recipe.augmentations import Normalize, RandomAffine, RandomDistortion, RandomPerspective, RandomRotation
from harness.recipe.crops import CenterCrop, RandomCrop, RandomResizedCrop, Resize
from harness.recipe.grey_levels import ColorJitter, GaussianBlur, RandomErasing
from harness.recipe.optimizers import Adadelta, Adam, AdamW, RMSprop
from harness.recipe.recipe import Recipe, Teacher
from harness.recipe.schedules import (
    Constant,
    CosineAnnealingLR,
    ExponentialLR,
    LinearLR,
    MultiStepLR,
    OneCycle,
    OneCycleLR,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
)
from harness.recipe.sequence import RandomApply

__all__ = [
    "Adadelta",
    "Adam",
    "AdamW",
    "CenterCrop",
    "ColorJitter",
    "Constant",
    "CosineAnnealingLR",
    "ExponentialLR",
    "GaussianBlur",
    "LinearLR",
    "MultiStepLR",
    "Normalize",
    "OneCycle",
    "OneCycleLR",
    "RMSprop",
    "RandomAffine",
    "RandomApply",
    "RandomCrop",
    "RandomDistortion",
    "RandomErasing",
    "RandomPerspective",
    "RandomResizedCrop",
    "RandomRotation",
    "Recipe",
    "ReduceLROnPlateau",
    "Resize",
    "SequentialLR",
    "StepLR",
    "Teacher",
]
