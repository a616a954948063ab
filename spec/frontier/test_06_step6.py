"""frontier, the sixth step."""

from harness import Recipe, StepSpec
from harness.recipe import OneCycle, RandomAffine
from models import frontier


class TestFunnel(StepSpec):
    """Step 6: a funnel.

    Target:
        Hold the goal for every seed: spend the parameters where they are used, with channels that grow with every
        convolution (8, 10, 14, 16, 18) and not once (8, 8, 16, 16, 16).

    Result:
        Parameters: 6,982 · receptive field: 28
        Measured: 99.46 [99.44, 99.48] over the final 3 epochs of 20 seeds, worst 99.36; held by 17 of 20 [0.62,
            0.97]; mean best train 99.47, mean best test 99.49 (native trainer, numerics 1, the same on every
            machine)

    Analysis:
        - Most runs hold the goal, in each of the final epochs, with fewer than 8,000 parameters. [claim: in most runs
          holds the goal; has fewer than 8,000 parameters]
        - That every seed would, as the first five did, was hoped. [claim: in every run holds the goal] So was that it
          would be better than step 5, which has 276 parameters fewer. [claim: improves on frontier/step5]
        - The widths were chosen on held-out training images, among wider and narrower ones, and not on the test set.
          [judgement: how they were chosen is written down in selection.md]
    """

    model = frontier.Funnel
    follows = "frontier/step5"
    parameters = 6_982
    receptive_field = 28
    goal = True
    recipe = Recipe(
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
    )
    claims = {
        "in most runs holds the goal": "supported",
        "has fewer than 8,000 parameters": "supported",
        "in every run holds the goal": "refuted",
        "improves on frontier/step5": "undecided",
    }
