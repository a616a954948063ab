"""frontier, the fourth step."""

from harness import Recipe, StepSpec
from harness.recipe import OneCycle, RandomAffine
from models import frontier


class TestAugmentation(StepSpec):
    """Step 4: small rotations, shifts and scales.

    Target:
        Trade the over-fitting for accuracy: no training image is seen twice the same way.

    Result:
        Parameters: 6,706 · receptive field: 28
        Measured: 99.41 [99.26, 99.56] over the final 3 epochs of 3 seeds, worst 99.33; held by 1 of 3 [0.01, 0.91];
            best train 99.47, best test 99.48 (AMD EPYC, torch 2.15.0)

    Analysis:
        - The over-fitting is gone: training accuracy, counted on augmented images, ends lower than in step 3. [claim:
          does not over-fit; trains lower than frontier/step3]
        - Test accuracy does not rise by it. [claim: does not improve on frontier/step3 by 0.05] What limits the network
          now is its capacity. [claim: frontier/step6 improves on frontier/step5]
        - The goal is near, and not held. [claim: reaches 99.3; misses the goal]
    """

    model = frontier.Normalized
    follows = "frontier/step3"
    parameters = 6_706
    receptive_field = 28
    recipe = Recipe(
        lr=0.05,
        batch_size=64,
        epochs=15,
        nesterov=True,
        schedule=OneCycle(),
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
        "does not over-fit": "supported",
        "trains lower than frontier/step3": "supported",
        "does not improve on frontier/step3 by 0.05": "undecided",
        "frontier/step6 improves on frontier/step5": "undecided",
        "reaches 99.3": "undecided",
        "misses the goal": "supported",
    }
