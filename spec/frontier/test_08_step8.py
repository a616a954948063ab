"""frontier, the eighth step."""

from harness import Recipe, StepSpec
from harness.recipe import OneCycle, RandomAffine
from models import frontier


class TestRate(StepSpec):
    """Step 8: four times the learning rate.

    Target:
        Get nearer to the goal with at most 3,000 parameters: with normalization, depthwise-separable convolutions train
        well at four times the learning rate, and need it to get there within fifteen epochs.

    Result:
        Parameters: 2,994 · receptive field: 34
        Measured: 99.38 [99.34, 99.42] over the final 3 epochs of 10 seeds, worst 99.27; held by 2 of 10 [0.03,
            0.56]; mean best train 99.40, mean best test 99.41 (native trainer, numerics 1, the same on every
            machine)

    Analysis:
        - That the test accuracy would rise over step 7 was hoped. [claim: improves on frontier/step7] The training
          accuracy does: it was not capacity that was missing. [claim: frontier/step7 trains lower than frontier/step8]
        - The learning rate was chosen, as the network was, on held-out training images. [judgement: how they were
          chosen is written down in selection.md]
        - It does not hold the goal: it is as good as the funnel on the images held out, and not on the test set.
          [claim: in some runs misses the goal; worsens on frontier/step6]
    """

    model = frontier.Slim
    follows = "frontier/step7"
    parameters = 2_994
    receptive_field = 34
    recipe = Recipe(
        lr=0.2,
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
        "improves on frontier/step7": "undecided",
        "frontier/step7 trains lower than frontier/step8": "supported",
        "in some runs misses the goal": "supported",
        "worsens on frontier/step6": "supported",
    }
