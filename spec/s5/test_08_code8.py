"""s5, the eighth code."""

from harness import Recipe, StepSpec
from models import s5


class TestPoolingPlace(StepSpec):
    """Code 8: the max-pool in its place.

    Target:
        Three repairs: a 1x1 convolution after the global average for capacity at the end, the max-pool where the
        receptive field is 5, and dropout in every layer.

    Result:
        Parameters: 13,808 · receptive field: 32
        Published: best train 99.39, best test 99.41 (one run, best of 20 epochs on the test set)
        Measured: 99.38 [99.35, 99.42] over the final 3 epochs of 10 seeds, worst 99.22; held by 3 of 10 [0.07,
            0.65]; mean best train 99.30, mean best test 99.45 (native trainer, numerics 1, the same on every
            machine)

    Analysis:
        - It works. [said: 1] [claim: in most runs reaches 99.4]
        - But 99.4 is not seen as often as one would like. [said: 2] [claim: in most runs misses the goal]
        - It can be improved further. [said: 3] [claim: s5/code9 improves on s5/code8]
        - It does not over-fit at all. [said: 4] [claim: on average does not over-fit]
        - Image samples suggest to add slight rotations. [said: 5] [next: s5/code9] [claim: s5/code9 changes only
          augmentation since s5/code8]

    Notes:
        - In the log 99.4 is seen in one epoch of twenty, the ninth, with 99.41. [log: test at 99.4 or above in epoch 9
          only; best test 99.41 in epoch 9] [claim: gives a best test of 99.41]
        - The log ends at 99.31 in training, with dropout on, and 99.36 in test. [log: train 99.31 in epoch 20; test
          99.36 in epoch 20]
        - Text and log differ: the best training accuracy of the log is 99.31, in epochs 19 and 20; the 99.39 of the
          text is the test accuracy of epoch 19. [log: best train 99.31 in epochs 19 and 20; test 99.39 in epoch 19]
          [claim: gives a best train of 99.31]
        - More than its target changes: batch normalization moves behind the ReLU, the dropout is 10 % and no longer 25
          %, nearly every width is another, and a padded convolution on the 6x6 maps takes the receptive field to 32
          pixels. [claim: has 6 relu then bn; drops 10 % in 6 places; s5/code7 drops 25 % in 2 places; has a receptive
          field of 32; pads 1 convolutions]
        - Both 1x1 convolutions have no normalization or activation after them, and are in new places: one before the
          max-pool, one after the average. [claim: has 1 conv1x1 then max-pool; ends in global-average then conv1x1]
        - The notebook also makes a dropout that it never uses; it is left out here. [judgement: about a line of a
          notebook that does nothing]
    """

    model = s5.Code8
    follows = "s5/code7"
    parameters = 13_808
    receptive_field = 32
    recipe = Recipe(lr=0.01, batch_size=128, epochs=20)
    claims = {
        "in most runs reaches 99.4": "undecided",
        "in most runs misses the goal": "undecided",
        "s5/code9 improves on s5/code8": "undecided",
        "on average does not over-fit": "refuted",
        "s5/code9 changes only augmentation since s5/code8": "supported",
        "gives a best test of 99.41": "undecided",
        "gives a best train of 99.31": "undecided",
        "has 6 relu then bn": "supported",
        "drops 10 % in 6 places": "supported",
        "s5/code7 drops 25 % in 2 places": "supported",
        "has a receptive field of 32": "supported",
        "pads 1 convolutions": "supported",
        "has 1 conv1x1 then max-pool": "supported",
        "ends in global-average then conv1x1": "supported",
    }
