"""s5, the first code."""

from harness import Recipe, StepSpec
from models import s5


class TestSetup(StepSpec):
    """Code 1: the set-up.

    Target:
        Everything but the network: transforms, data loaders, code that runs, loops that train and test.

    Result:
        Parameters: 6,379,786 · receptive field: 40
        Published: best train 99.99, best test 99.24 (one run, best of 20 epochs on the test set)
        Measured: 99.25 over the final 3 epochs of 1 seed, worst 99.22; held by 0 of 1 [0.00, 0.97]; mean best train
            100.00, mean best test 99.32 (native trainer, numerics 1, the same on every machine)

    Analysis:
        - It is extremely heavy for such a problem. [said: 1] [claim: has 6,379,786 parameters]
        - It over-fits, but the next code changes the network. [said: 2] [claim: on average over-fits] [next: s5/code2]

    Notes:
        - The text gives its size as 6.3 million, cut off and not rounded. [claim: has 6,379,786 parameters] Of these
          parameters 4.7 million are in the sixth convolution. [claim: has 4,719,616 parameters in one layer]
        - The log ends at 99.98 in training and 99.21 in test, a gap of 0.77 points. [log: train 99.98 in epoch 20; test
          99.21 in epoch 20; gap of 0.77 in epoch 20]
        - Text and log differ: the best test accuracy of the log is 99.27, in epoch 19, and not 99.24. [log: best test
          99.27 in epoch 19; best train 99.99 in epoch 19] [claim: gives a best test of 99.27] [judgement: 99.24 is a
          figure of the text]
        - There is no idea in it yet: seven 3x3 convolutions with biases, ReLU after all but the last, and neither
          normalization, dropout, 1x1 convolution nor global pooling; the last convolution closes a 3x3 map. [claim: has
          7 conv3x3; has 7 biases; has 6 relu; has no bn; has no dropout; has no conv1x1; has no global-average; ends in
          relu then conv3x3]
        - The receptive field of 40 pixels is larger than the image, as the first four convolutions are padded. [claim:
          has a receptive field of 40; pads 4 convolutions]
    """

    model = s5.Code1
    parameters = 6_379_786
    receptive_field = 40
    recipe = Recipe(lr=0.01, batch_size=128, epochs=20)
    claims = {
        "has 6,379,786 parameters": "supported",
        "on average over-fits": "undecided",
        "has 4,719,616 parameters in one layer": "supported",
        "gives a best test of 99.27": "undecided",
        "has 7 conv3x3": "supported",
        "has 7 biases": "supported",
        "has 6 relu": "supported",
        "has no bn": "supported",
        "has no dropout": "supported",
        "has no conv1x1": "supported",
        "has no global-average": "supported",
        "ends in relu then conv3x3": "supported",
        "has a receptive field of 40": "supported",
        "pads 4 convolutions": "supported",
    }
