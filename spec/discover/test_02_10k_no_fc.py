"""discover, the branch under 10,000 parameters, the first step."""

from harness import Recipe, StepSpec
from models import discover


class TestNoFullyConnected(StepSpec):
    """Under 10k, 1: no fully connected layers.

    Target:
        The same network without its fully connected layers.

    Result:
        Parameters: 9,060 · receptive field: 32
        Published: best train 99.45, best test 99.33 (one run, best of 14 epochs on the test set)

    Analysis:
        - The test accuracy is said to rise by about 0.15 points. By the published figures it rises by 0.33, from 99.00
          to 99.33.
        - It stays below 99.4. Dropout is to come next.
        - More than its target changes: the learning rate is 0.1 and no longer 0.01, the last 3x3 convolution gains
          batch normalization and ReLU, and a 1x1 convolution to the ten class maps goes in before the global average.
          The gain cannot be credited to the removal.
    """

    model = discover.Under10k
    follows = "discover/skeleton"
    parameters = 9_060
    receptive_field = 32
    recipe = Recipe(lr=0.1, batch_size=64, epochs=14)
