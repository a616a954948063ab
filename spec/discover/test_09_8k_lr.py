"""discover, the branch under 8,000 parameters, the last step."""

from harness import Recipe, StepSpec
from harness.recipe import RandomAffine, StepLR
from models import discover


class TestLearningRateSteps(StepSpec):
    """Under 8k, 4: a learning rate that falls in steps.

    Target:
        A steady 99.4 with a learning rate that falls to a tenth after every sixth epoch.

    Result:
        Parameters: 7,826 · receptive field: 28
        Published: best train 99.17, best test 99.48 (one run, best of 14 epochs on the test set)
        Measured: 99.39 [99.29, 99.49] over the final 3 epochs of 5 seeds, worst 99.28; held by 2 of 5 [0.05, 0.85];
            best train 99.19, best test 99.49 (AMD EPYC, torch 2.15.0)

    Analysis:
        - The falling rate steadies training. [claim: steadier than discover/8k_augment]
        - Why six epochs: the loss was seen to bounce from the sixth or seventh epoch on. [judgement: the test loss is
          not recorded]
        - In the first six epochs the test accuracy jumps; with the rate at 0.001 it goes from 99.39 in epoch 7 to 99.48
          in epoch 14. [claim: falls by 0.2 in one epoch; gives a last test of 99.48]
        - A falling rate steadies training, but the epoch of the fall has to be found by hand, in many runs. [claim:
          steadier than discover/8k_augment]
        - 99.4 is held for half of the epochs. [claim: holds the goal; holds 99.4 from epoch 8]
        - The best training accuracy is 99.165. [claim: gives a best train of 99.165]

    Notes:
        - In the log the last five test accuracies lie between 99.44 and 99.48, with a standard deviation of 0.015
          points, where the step before had 0.038. [claim: steadier than discover/8k_augment; moves by less than 0.05
          over epochs 10 to 14]
        - From epoch 2 to 6 the log has test accuracies of 98.74, 99.24, 98.85, 99.28 and 99.08. [claim: falls by 0.2 in
          one epoch]
        - In the log epochs 8 to 14 are all at 99.43 or more. [claim: holds 99.4 from epoch 8]
        - The rate is 0.001 in epochs 7 to 12; in the last two it is 0.0001. [claim: trains with lr 0.01; trains with
          schedule.step_size 6; trains with schedule.gamma 0.1]
        - More than its target changes: the dropout is gone, though the text reads as if it were kept and the notebook
          itself lists it; code, summary and graph have none. [claim: has no dropout; discover/8k_augment drops 5 % in 5
          places] And in the second convolution batch normalization stands before the ReLU, in the others after it.
          [claim: has 1 conv3x3 then bn then relu; has 4 conv3x3 then relu then bn]
        - So what the falling rate gave cannot be told apart: that training accuracy rises, by 0.44 points at best, is
          to be expected without dropout. [claim: changes dropout and schedule since discover/8k_augment; trains higher
          than discover/8k_augment]
        - The best training accuracy of 99.165 is rounded up in the text and down to 99.16 in its diagram. [judgement:
          about figures in a text]
    """

    model = discover.Under8kFinal
    follows = "discover/8k_augment"
    parameters = 7_826
    receptive_field = 28
    recipe = Recipe(
        lr=0.01,
        batch_size=64,
        epochs=14,
        schedule=StepLR(6, gamma=0.1),
        augmentation=RandomAffine(degrees=15, fill=1),
    )
    claims = {
        "steadier than discover/8k_augment": "supported",
        "falls by 0.2 in one epoch": "undecided",
        "gives a last test of 99.48": "supported",
        "holds the goal": "refuted",
        "holds 99.4 from epoch 8": "undecided",
        "gives a best train of 99.165": "supported",
        "moves by less than 0.05 over epochs 10 to 14": "undecided",
        "trains with lr 0.01": "supported",
        "trains with schedule.step_size 6": "supported",
        "trains with schedule.gamma 0.1": "supported",
        "has no dropout": "supported",
        "discover/8k_augment drops 5 % in 5 places": "supported",
        "has 1 conv3x3 then bn then relu": "supported",
        "has 4 conv3x3 then relu then bn": "supported",
        "changes dropout and schedule since discover/8k_augment": "supported",
        "trains higher than discover/8k_augment": "supported",
    }
