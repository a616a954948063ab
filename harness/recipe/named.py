"""Recipes by name, for networks that come without one."""

from harness.recipe.augmentations import RandomAffine
from harness.recipe.recipe import Recipe
from harness.recipe.schedules import OneCycle

NAMED = {
    "one-cycle": Recipe(
        lr=0.05,
        batch_size=64,
        epochs=15,
        nesterov=True,
        schedule=OneCycle(),
        average=0.99,
        augmentation=RandomAffine(
            degrees=6,
            translate=1 / 28,
            scale=(0.95, 1.05),
            interpolation="bilinear",
            on="tensor",
            fill=-0.4242,  # black, normalized
        ),
    ),
    "plain": Recipe(lr=0.01, batch_size=64, epochs=15),
}
"""`one-cycle` trains the funnel of `frontier`, its sixth step; `plain` is stochastic gradient descent at one rate."""
