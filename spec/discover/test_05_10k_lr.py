"""discover, the branch under 10,000 parameters, the last step."""

from harness import Recipe, StepSpec
from harness.recipe import RandomAffine, StepLR
from models import discover


class TestLearningRateSteps(StepSpec):
    """Under 10k, 4: a learning rate that falls in steps.

    Target:
        A steady 99.4, with a learning rate that falls to a tenth after every sixth epoch.

    Result:
        Parameters: 9,060 · receptive field: 32
        Published: best train 99.12, best test 99.47 (one run, best of 14 epochs on the test set)
        Measured: 99.37 [99.34, 99.40] over the final 3 epochs of 20 seeds, worst 99.24; held by 5 of 20 [0.09,
            0.49]; mean best train 99.17, mean best test 99.40 (native trainer, numerics 1, the same on every
            machine)

    Analysis:
        - The learning rate that falls to a tenth after every sixth epoch steadies the learning. [said: 1] [claim:
          steadier than discover/10k_augment; trains with schedule.step_size 6; trains with schedule.gamma 0.1]
        - Why six: the loss was seen to go up and down from the sixth or seventh epoch on, and a lower rate from there
          makes the training stable. [said: 2, 3] [claim: discover/10k_augment in most runs test loss rises by 0.003 in
          one epoch from epoch 6; test loss steadier than discover/10k_augment]

    Notes:
        - The achievements that the notebook lists say that 99.4 is held, from epoch 9 to 14. [claim: in every run holds
          the goal; in most runs holds 99.4 from epoch 9] The log has 99.42 or more in these epochs, and 99.39 in epoch
          7, the first after the fall. [log: test between 99.42 and 99.47 in epochs 9 to 14; test 99.39 in epoch 7]
        - In the log the last five test accuracies lie between 99.43 and 99.47, with a standard deviation of 0.015
          points, where the step before had 0.128. [log: test between 99.43 and 99.47 in epochs 10 to 14; deviation of
          test 0.015 over the last 5 epochs; discover/10k_augment deviation of test 0.128 over the last 5 epochs]
          [claim: in most runs moves by less than 0.05 over epochs 10 to 14]
        - In the log of the step before, the test loss goes 0.0283, 0.0258, 0.0296, 0.0250 from epoch 6 to 9. [log:
          discover/10k_augment test loss 0.0283, 0.0258, 0.0296, 0.0250 in epochs 6 to 9]
        - The rate is 0.1 for epochs 1 to 6, 0.01 for 7 to 12, 0.001 for 13 and 14. [claim: trains with lr 0.1; trains
          with schedule.step_size 6; trains with schedule.gamma 0.1]
    """

    model = discover.Under10kDropout
    follows = "discover/10k_augment"
    parameters = 9_060
    receptive_field = 32
    recipe = Recipe(
        lr=0.1,
        batch_size=64,
        epochs=14,
        schedule=StepLR(6, gamma=0.1),
        augmentation=RandomAffine(degrees=7, on="tensor", fill=0.0),
    )
    goal = True
    claims = {
        "steadier than discover/10k_augment": "supported",
        "trains with schedule.step_size 6": "supported",
        "trains with schedule.gamma 0.1": "supported",
        "discover/10k_augment in most runs test loss rises by 0.003 in one epoch from epoch 6": "supported",
        "test loss steadier than discover/10k_augment": "supported",
        "in every run holds the goal": "refuted",
        "in most runs holds 99.4 from epoch 9": "refuted",
        "in most runs moves by less than 0.05 over epochs 10 to 14": "refuted",
        "trains with lr 0.1": "supported",
    }
