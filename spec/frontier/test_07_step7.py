"""frontier, the seventh step."""

from harness import Recipe, StepSpec
from harness.recipe import OneCycle, RandomAffine
from models import frontier


class TestSeparable(StepSpec):
    """Step 7: separable convolutions.

    Target:
        Fewer than half the parameters: depthwise-separable convolutions instead of full 3x3 ones, which are one 3x3
        filter per channel and then a 1x1 convolution, in six layers instead of five.

    Result:
        Parameters: 2,994 · receptive field: 34
        Measured: 99.33 [99.29, 99.36] over the final 3 epochs of 10 seeds, worst 99.25; held by 1 of 10 [0.00,
            0.45]; mean best train 99.30, mean best test 99.36 (native trainer, numerics 1, the same on every
            machine)

    Analysis:
        - It has 2,994 parameters, of which the 1x1 convolutions take two thirds. [claim: has 2,994 parameters; has
          fewer than 3,000 parameters]
        - It costs accuracy, in training and in test. [claim: worsens on frontier/step6; trains lower than
          frontier/step6]
        - More than its target changes: the sixth layer has a batch normalization of its own, and global average pooling
          now comes before the 1x1 classifier. [claim: has 6 bn; ends in relu then global-average then conv1x1] As the
          classifier is linear, the result is the same and it is cheaper. [judgement: a mean of linear maps is the map
          of the mean]
    """

    model = frontier.Slim
    follows = "frontier/step6"
    parameters = 2_994
    receptive_field = 34

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
        "has 2,994 parameters": "supported",
        "has fewer than 3,000 parameters": "supported",
        "worsens on frontier/step6": "supported",
        "trains lower than frontier/step6": "supported",
        "has 6 bn": "supported",
        "ends in relu then global-average then conv1x1": "supported",
    }
