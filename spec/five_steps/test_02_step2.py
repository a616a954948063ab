"""five_steps, the second step."""

from harness import Recipe, StepSpec
from models import five_steps


class TestFewerParameters(StepSpec):
    """Step 2: fewer kernels, a 1x1 convolution and global average pooling.

    Target:
        Under 10,000 parameters: 8 and 16 kernels for 16, a 1x1 convolution to ten class maps, and global average
        pooling for the large last kernel. Smaller batches.

    Result:
        Parameters: 8,962 · receptive field: 28
        Published: best train 98.92, best test 98.94 (one run, best of 15 epochs on the test set)
        Measured: 80.99 [31.58, 100.00] over the final 3 epochs of 5 seeds, worst 9.80; held by 0 of 5 [0.00, 0.52];
            best train 98.98, best test 99.16 (AMD EPYC, torch 2.15.0)

    Analysis:
        - The size is right: 8,962 parameters. [claim: has 8,962 parameters]
        - Accuracy is said to rise steadily and hardly to fluctuate. [claim: never falls by 0.2 in one epoch]
        - It stays below 99.4. [claim: stays below 99.4] It can be pushed further. [claim: still improves at the end]

    Notes:
        - The log differs from the steady rise of the text: the first epoch ends at chance (10.35 in test), the test
          accuracy falls over epochs 5 to 7 (97.77, 97.68, 97.50) and again in epoch 14 (98.94 to 98.40). [claim: stays
          below 15 until epoch 1; falls by 0.2 in one epoch]
        - More than its target changes: the max-pool moves from after the third convolution to after the fourth, and the
          batch goes from 128 to 64. [claim: pools after 4 convolutions; five_steps/step1 pools after 3 convolutions;
          changes batch_size since five_steps/step1]
        - The class maps pass a ReLU before they are averaged, so that no logit is below zero. [claim: ends in conv1x1
          then relu then global-average] That is the likely cause of the first epoch at chance: a class whose map is all
          zero has no gradient. [judgement: a cause that no step here isolates]
        - A run may stay at chance from the first epoch to the last, which a single run does not tell: one of ours does.
          [claim: some runs stay below 15]
    """

    model = five_steps.Step2
    follows = "five_steps/step1"
    parameters = 8_962
    receptive_field = 28
    recipe = Recipe(lr=0.01, batch_size=64, epochs=15)
    claims = {
        "has 8,962 parameters": "supported",
        "never falls by 0.2 in one epoch": "undecided",
        "stays below 99.4": "undecided",
        "still improves at the end": "undecided",
        "stays below 15 until epoch 1": "undecided",
        "falls by 0.2 in one epoch": "undecided",
        "pools after 4 convolutions": "supported",
        "five_steps/step1 pools after 3 convolutions": "supported",
        "changes batch_size since five_steps/step1": "supported",
        "ends in conv1x1 then relu then global-average": "supported",
        "some runs stay below 15": "supported",
    }
