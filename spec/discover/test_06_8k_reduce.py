"""discover, the branch under 8,000 parameters, the first step."""

from harness import Recipe, StepSpec
from models import discover


class TestFewerParameters(StepSpec):
    """Under 8k, 1: fewer parameters.

    Target:
        The skeleton with fewer than 8,000 parameters.

    Result:
        Parameters: 7,826 · receptive field: 28
        Published: best train 99.51, best test 99.22 (one run, best of 14 epochs on the test set)

    Analysis:
        - The size is right: 7,826 parameters.
        - It still learns, to 99.51 in training.
        - It over-fits: 99.51 in training against 99.20 in test at the end. Dropout and augmentation are to follow.
        - More than its target changes: no convolution is padded any more, batch normalization comes after the ReLU and
          on one layer more, and 1x1 convolutions with biases take the place of the fully connected layers.
        - It reads as a step from the common skeleton of 9,902 parameters. The notebooks descend from another, of 9,714.
        - This is the network of the first published table of receptive fields, with 28 pixels.
        - The last 3x3 convolution is bare and nothing stands between the two 1x1 convolutions after the global average,
          so that all after the last normalization is one linear map.
    """

    model = discover.Under8k
    follows = "discover/skeleton"
    parameters = 7_826
    receptive_field = 28
    recipe = Recipe(lr=0.01, batch_size=64, epochs=14)
