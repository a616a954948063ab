"""discover, the branch under 8,000 parameters, the last step."""

from harness import Recipe, StepSpec
from harness.recipe import RandomAffine, StepLR
from models import discover


class TestLearningRateSteps(StepSpec):
    """Under 8k, 4: a learning rate that falls in steps.

    Target:
        A steady 99.4, with a learning rate that falls to a tenth after every sixth epoch.

    Result:
        Parameters: 7,826 · receptive field: 28
        Published: best train 99.17, best test 99.48 (one run, best of 14 epochs on the test set)
        Measured: 99.37 [99.34, 99.40] over the final 3 epochs of 20 seeds, worst 99.24; held by 6 of 20 [0.12,
            0.54]; mean best train 99.14, mean best test 99.40 (native trainer, numerics 1, the same on every
            machine)

    Analysis:
        - The learning rate that falls to a tenth after every sixth epoch steadies the learning. [said: 1] [claim:
          steadier than discover/8k_augment; trains with schedule.step_size 6; trains with schedule.gamma 0.1]
        - Why six: the loss was seen to go up and down from the sixth or seventh epoch on, and a lower rate from there
          makes the training stable. [said: 2, 3] [claim: discover/8k_augment in most runs test loss rises by 0.003 in
          one epoch from epoch 6; test loss steadier than discover/8k_augment]
        - In the first six epochs test accuracy and loss go up and down heavily; after them, at a rate of 0.001,
          training is stable. [said: 4] [claim: in most runs falls by 0.2 in one epoch; in most runs test loss rises by
          0.003 in one epoch from epoch 2; in most runs moves by less than 0.15 over epochs 7 to 14; trains with lr
          0.01; trains with schedule.step_size 6; trains with schedule.gamma 0.1]
        - Loss and accuracy are stable and go slowly from 99.39 in epoch 7 to 99.48 at the end. [said: 5] [claim: on
          average rises after epoch 7; in most runs test loss moves by less than 0.003 over epochs 7 to 14; gives a last
          test of 99.48]
        - So a schedule steadies training, but the right epoch for the fall is hard to find and takes several runs.
          [said: 6] [claim: steadier than discover/8k_augment] [judgement: how hard it is to find, no run says]
        - The target is achieved: 99.4 is held for half of the epochs, which shows that the network converges very well.
          [said: 7] [claim: in every run holds the goal; in most runs holds 99.4 from epoch 8; on average improves no
          more at the end]

    Notes:
        - In the log the last five test accuracies lie between 99.44 and 99.48, with a standard deviation of 0.017
          points, where the step before had 0.042. [log: test between 99.44 and 99.48 in epochs 10 to 14; deviation of
          test 0.017 over the last 5 epochs; discover/8k_augment deviation of test 0.042 over the last 5 epochs] [claim:
          in most runs moves by less than 0.05 over epochs 10 to 14]
        - From epoch 2 to 6 the log has test accuracies of 98.74, 99.24, 98.85, 99.28 and 99.08. [log: test 98.74,
          99.24, 98.85, 99.28, 99.08 in epochs 2 to 6]
        - In the log epochs 8 to 14 all have 99.43 or more. [log: test at 99.43 or above in epochs 8, 9, 10, 11, 12, 13,
          14 only]
        - The rate is 0.001 in epochs 7 to 12; in the last two it is 0.0001. [claim: trains with lr 0.01; trains with
          schedule.step_size 6; trains with schedule.gamma 0.1]
        - More than its target changes: the dropout is gone, though the text reads as if it were kept and the notebook
          itself lists it; code, summary and graph have none. [claim: has no dropout; discover/8k_augment drops 5 % in 5
          places] And in the second convolution batch normalization stands before the ReLU, in the others after it.
          [claim: has 1 conv3x3 then bn then relu; has 4 conv3x3 then relu then bn]
        - So the effect of the schedule cannot be told apart: by the logs the best training accuracy rises by 0.44
          points, from 98.73 to 99.17, which is to be expected without dropout. [log: discover/8k_augment best train
          98.73 in epoch 14; best train 99.17 in epoch 13] [judgement: 0.44 is the difference] [claim: changes dropout
          and schedule since discover/8k_augment; trains higher than discover/8k_augment]
        - The achievements that the notebook lists have a best training accuracy of 99.165, which the text rounds up and
          its diagram down. [judgement: about how a figure is rounded]
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
    goal = True
    claims = {
        "steadier than discover/8k_augment": "supported",
        "trains with schedule.step_size 6": "supported",
        "trains with schedule.gamma 0.1": "supported",
        "discover/8k_augment in most runs test loss rises by 0.003 in one epoch from epoch 6": "undecided",
        "test loss steadier than discover/8k_augment": "supported",
        "in most runs falls by 0.2 in one epoch": "refuted",
        "in most runs test loss rises by 0.003 in one epoch from epoch 2": "refuted",
        "in most runs moves by less than 0.15 over epochs 7 to 14": "supported",
        "trains with lr 0.01": "supported",
        "on average rises after epoch 7": "supported",
        "in most runs test loss moves by less than 0.003 over epochs 7 to 14": "supported",
        "gives a last test of 99.48": "undecided",
        "in every run holds the goal": "refuted",
        "in most runs holds 99.4 from epoch 8": "refuted",
        "on average improves no more at the end": "supported",
        "in most runs moves by less than 0.05 over epochs 10 to 14": "refuted",
        "has no dropout": "supported",
        "discover/8k_augment drops 5 % in 5 places": "supported",
        "has 1 conv3x3 then bn then relu": "supported",
        "has 4 conv3x3 then relu then bn": "supported",
        "changes dropout and schedule since discover/8k_augment": "supported",
        "trains higher than discover/8k_augment": "supported",
    }
