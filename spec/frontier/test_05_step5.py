"""frontier, the fifth step."""

from harness import Recipe, StepSpec
from harness.recipe import OneCycle, RandomAffine
from models import frontier


class TestAveraging(StepSpec):
    """Step 5: an average of the weights.

    Target:
        Steady the network that is tested: an exponential average of weights and batch statistics over about the last
        hundred steps, which costs nothing at prediction.

    Result:
        Parameters: 6,706 · receptive field: 28
        Measured: 99.48 [99.46, 99.51] over the final 3 epochs of 10 seeds, worst 99.40; held by 10 of 10 [0.69,
            1.00]; mean best train 99.47, mean best test 99.50 (native trainer, numerics 1, the same on every
            machine)

    Analysis:
        - It does most for the epochs in the middle, while the learning rate is high: 99.1 is reached some three epochs
          before step 4 does. [claim: faster to 99.1 than frontier/step4]
        - Once the learning rate has fallen to nothing, the average and the weights are nearly the same, and so are the
          final epochs. [claim: stays within 0.05 of frontier/step4]
        - Most runs hold the goal. [claim: in most runs holds the goal]
    """

    model = frontier.Normalized
    follows = "frontier/step4"
    parameters = 6_706
    receptive_field = 28
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
        "faster to 99.1 than frontier/step4": "supported",
        "stays within 0.05 of frontier/step4": "supported",
        "in most runs holds the goal": "supported",
    }
