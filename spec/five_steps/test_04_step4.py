"""five_steps, the fourth step."""

from harness import Recipe, StepSpec
from harness.recipe import StepLR
from models import five_steps


class TestLearningRateSteps(StepSpec):
    """Step 4: a learning rate that falls in steps.

    Target:
        A steadier accuracy, with a learning rate that falls every five epochs, since the accuracy of step 3 went down
        after its fifth epoch.

    Result:
        Parameters: 9,142 · receptive field: 28
        Published: best train 99.41, best test 99.45 (one run, best of 15 epochs on the test set)
        Measured: 99.35 [99.33, 99.37] over the final 3 epochs of 10 seeds, worst 99.28; held by 1 of 10 [0.00,
            0.45]; mean best train 99.40, mean best test 99.39 (native trainer, numerics 1, the same on every
            machine)

    Analysis:
        - A great network. [said: 1] [judgement: praise]
        - It crosses 99.4. [said: 2] [claim: in most runs reaches 99.4]
        - Even with a learning rate that falls, it is not as steady as desired. [said: 3] [claim: in most runs moves by
          0.1 over epochs 6 to 15]
        - The test accuracy drops soon after it crosses 99.4. [said: 4] [claim: in most runs falls below 99.4 after
          reaching it]
        - It can be pushed further. [said: 5] [claim: five_steps/step5 improves on five_steps/step4]

    Notes:
        - The reason given for the schedule is not in the log of step 3, where the test accuracy rises after epoch 5,
          from 99.05 to 99.33 in epoch 9. [log: five_steps/step3 test 99.05 in epoch 5; five_steps/step3 test 99.33 in
          epoch 9] [claim: five_steps/step3 on average falls after epoch 5]
        - The log reaches 99.45 in epoch 9 and drops to 99.42, 99.37 and 99.35 in the next three. [log: best test 99.45
          in epoch 9; test 99.42, 99.37, 99.35 in epochs 10 to 12]
        - 99.4 is not held over the last five epochs of the log, which run from 99.35 to 99.44, though the last three
          happen to be at 99.40 or above. [log: test between 99.35 and 99.44 in epochs 11 to 15] [claim: in some runs
          misses the goal]
        - The text names the step of five epochs but no factor; the code has 0.15. [claim: trains with
          schedule.step_size 5; trains with schedule.gamma 0.15]
    """

    model = five_steps.Step3
    follows = "five_steps/step3"
    parameters = 9_142
    receptive_field = 28
    recipe = Recipe(lr=0.01, batch_size=64, epochs=15, schedule=StepLR(5, gamma=0.15))
    claims = {
        "in most runs reaches 99.4": "undecided",
        "in most runs moves by 0.1 over epochs 6 to 15": "undecided",
        "in most runs falls below 99.4 after reaching it": "undecided",
        "five_steps/step5 improves on five_steps/step4": "undecided",
        "five_steps/step3 on average falls after epoch 5": "refuted",
        "in some runs misses the goal": "supported",
        "trains with schedule.step_size 5": "supported",
        "trains with schedule.gamma 0.15": "supported",
    }
