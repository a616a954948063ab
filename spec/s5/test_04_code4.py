"""s5, the fourth code."""

from harness import Recipe, StepSpec
from models import s5


class TestBatchNorm(StepSpec):
    """Code 4: batch normalization.

    Target:
        More from the same network with batch normalization.

    Result:
        Parameters: 10,970 · receptive field: 28
        Published: best train 99.90, best test 99.30 (one run, best of 20 epochs on the test set)

    Analysis:
        - Over-fitting begins: 99.90 in training against 99.21 in test at the end, a gap of 0.69 points where code 3 had
          none.
        - It will not get to 99.4 however far it is pushed, the text says. The log agrees: at 99.90 in training little
          is left to learn from, and the last five test accuracies lie between 99.20 and 99.30.
        - It learns at once: 98.47 in test after one epoch, where code 3 had 30.76.
        - The normalization stands between convolution and ReLU, after all convolutions but the last 7x7; its 180 new
          parameters are two for each of 90 channels.
    """

    model = s5.Code4
    follows = "s5/code3"
    parameters = 10_970
    receptive_field = 28
    recipe = Recipe(lr=0.01, batch_size=128, epochs=20)
