"""five_steps, the fourth step."""

from harness import Recipe, StepSpec
from harness.recipe import StepLR
from models import five_steps


class TestLearningRateSteps(StepSpec):
    """Step 4: a learning rate that falls in steps.

    Target:
        Steady the accuracy with a learning rate that falls every five epochs.

    Result:
        Parameters: 9,142 · receptive field: 28
        Published: best train 99.41, best test 99.45 (one run, best of 15 epochs on the test set)
        Measured: 99.38 [99.30, 99.46] over the final 3 epochs of 5 seeds, worst 99.24; held by 2 of 5 [0.05, 0.85];
            best train 99.45, best test 99.48 (AMD EPYC, torch 2.15.0)

    Analysis:
        - The reason given is that the accuracy of step 3 went down after its fifth epoch. [claim: five_steps/step3
          falls after epoch 5] So the rate falls every five epochs. [claim: trains with schedule.step_size 5]
        - The goal is reached, and the accuracy drops soon after. [claim: reaches 99.4; ends 0.05 below its best]
        - 99.4 is not held. [claim: misses the goal] It can be pushed further. [claim: still improves at the end]

    Notes:
        - The log of step 3 differs from the reason given: 99.18 and 99.05 in epochs 4 and 5, and then a rise through
          99.10 and 99.13 to 99.30 and 99.33. [claim: five_steps/step3 rises after epoch 5]
        - The published accuracy reaches 99.45 in epoch 9 and drops to 99.42, 99.37 and 99.35 in the next three. [claim:
          reaches 99.4; ends 0.05 below its best]
        - 99.4 is not held over the last five published epochs, which run from 99.35 to 99.44, though the last three
          happen to be at 99.40 or above. [claim: misses the goal]
        - The published text names the step of five epochs but not the factor; the code has 0.15. [claim: trains with
          schedule.step_size 5; trains with schedule.gamma 0.15]
    """

    model = five_steps.Step3
    follows = "five_steps/step3"
    parameters = 9_142
    receptive_field = 28
    recipe = Recipe(lr=0.01, batch_size=64, epochs=15, schedule=StepLR(5, gamma=0.15))
    claims = {
        "five_steps/step3 falls after epoch 5": "refuted",
        "trains with schedule.step_size 5": "supported",
        "reaches 99.4": "undecided",
        "ends 0.05 below its best": "undecided",
        "misses the goal": "supported",
        "still improves at the end": "refuted",
        "five_steps/step3 rises after epoch 5": "supported",
        "trains with schedule.gamma 0.15": "supported",
    }
