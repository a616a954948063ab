"""The recipe of a step: everything about its training except the network, as one frozen value.

Imports no torch, so that a specification can be read without it.
"""

from harness.recipe.augmentations import Normalize, RandomAffine, RandomDistortion
from harness.recipe.recipe import Recipe, Teacher
from harness.recipe.schedules import Constant, OneCycle, StepLR

__all__ = ["Constant", "Normalize", "OneCycle", "RandomAffine", "RandomDistortion", "Recipe", "StepLR", "Teacher"]
