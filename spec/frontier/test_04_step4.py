"""frontier, the fourth step."""

from harness import Recipe, StepSpec
from harness.recipe import OneCycle, RandomAffine
from models import frontier


class TestAugmentation(StepSpec):
    """Step 4: small rotations, shifts and scales.

    Target:
        Trade the over-fitting for accuracy with small rotations, shifts and scales: no training image is seen twice the
        same way.

    Result:
        Parameters: 6,706 · receptive field: 28
        Measured: 99.48 [99.45, 99.50] over the final 3 epochs of 10 seeds, worst 99.37; held by 8 of 10 [0.44,
            0.97]; mean best train 99.47, mean best test 99.50 (native trainer, numerics 1, the same on every
            machine)

    Analysis:
        - There is less over-fitting than in step 3. [claim: over-fits less than frontier/step3; trains lower than
          frontier/step3]
        - The test accuracy rises a little. [claim: improves on frontier/step3] That what limits the network now is its
          capacity was thought, and the runs of step 6 do not decide it. [claim: frontier/step6 improves on
          frontier/step5]
        - The goal is near, and not every run holds it. [claim: in most runs comes close to 99.4; in some runs misses
          the goal]
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
        "over-fits less than frontier/step3": "supported",
        "trains lower than frontier/step3": "supported",
        "improves on frontier/step3": "supported",
        "frontier/step6 improves on frontier/step5": "undecided",
        "in most runs comes close to 99.4": "supported",
        "in some runs misses the goal": "supported",
    }
