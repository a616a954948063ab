"""four_steps, the second step."""

from harness import Recipe, StepSpec
from harness.recipe import Normalize
from models import four_steps


class TestFewerParameters(StepSpec):
    """Step 2: fewer channels, global average pooling, an earlier max-pool.

    Target:
        A lighter network: fewer channels, and global average pooling instead of the large 7x7 kernel. More channels
        before the max-pool than after it, and the transition at a receptive field of 5 and no longer 7, since in images
        this small edges and gradients show at 5.

    Result:
        Parameters: 9,712 · receptive field: 30
        Published: best train 98.44, best test 98.53 (one run, best of 15 epochs on the test set)
        Measured: 98.26 [98.11, 98.41] over the final 3 epochs of 10 seeds, worst 97.30; held by 0 of 10 [0.00,
            0.31]; mean best train 98.40, mean best test 98.42 (native trainer, numerics 1, the same on every
            machine)

    Analysis:
        - A good network. [said: 1] [judgement: praise]
        - It does not over-fit. [said: 2] [claim: on average does not over-fit]
        - There is room for a higher accuracy, and it can be pushed further. [said: 3, 4] [claim: four_steps/step3
          improves on four_steps/step2]

    Notes:
        - It has a hundredth of the parameters of step 1. [claim: has 102 times fewer parameters than four_steps/step1]
          By the logs it loses 0.61 points of test accuracy at best, from 99.14 to 98.53. [log: four_steps/step1 best
          test 99.14 in epoch 15; best test 98.53 in epoch 13] [judgement: 0.61 is the difference] [claim: worsens on
          four_steps/step1]
        - The log ends at 98.44 in training and 98.14 in test. [log: train 98.44 in epoch 15; test 98.14 in epoch 15]
        - In the log the best test accuracy is that of epoch 13, and the training accuracy rises to the end. [claim: on
          average still improves at the end; on average still improves in training at the end]
        - It learns slowly at first: the log has 15.36 in training for the first epoch, near chance. [log: train 15.36
          in epoch 1] [claim: in most runs stays below 20 in training until epoch 1]
        - More than its target changes: the first convolution is padded, so that the receptive field of 30 is larger
          than the image. [claim: pads 1 convolutions; has a receptive field of 30] The earlier max-pool is of the
          target. [claim: pools at a field of 5; four_steps/step1 pools at a field of 7] The skeleton was not meant to
          change. [judgement: about what was meant]
        - The global average comes before the last 1x1 convolution, so that it averages features and not class maps.
          [claim: ends in global-average then conv1x1]
    """

    model = four_steps.Step2
    follows = "four_steps/step1"
    parameters = 9_712
    receptive_field = 30
    recipe = Recipe(lr=0.01, batch_size=128, epochs=15, normalize=Normalize(0.1309, 0.3084))
    claims = {
        "on average does not over-fit": "undecided",
        "four_steps/step3 improves on four_steps/step2": "supported",
        "has 102 times fewer parameters than four_steps/step1": "supported",
        "worsens on four_steps/step1": "undecided",
        "on average still improves at the end": "undecided",
        "on average still improves in training at the end": "supported",
        "in most runs stays below 20 in training until epoch 1": "supported",
        "pads 1 convolutions": "supported",
        "has a receptive field of 30": "supported",
        "pools at a field of 5": "supported",
        "four_steps/step1 pools at a field of 7": "supported",
        "ends in global-average then conv1x1": "supported",
    }
