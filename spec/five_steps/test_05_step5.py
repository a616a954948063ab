"""five_steps, the fifth step."""

from harness import Recipe, StepSpec
from harness.recipe import RandomAffine, StepLR
from models import five_steps


class TestDropoutAndRotation(StepSpec):
    """Step 5: a little dropout and small rotations.

    Target:
        Regularize: a little dropout in every block, and training images rotated by a few degrees.

    Result:
        Parameters: 9,142 · receptive field: 28
        Published: best train 99.11, best test 99.46 (one run, best of 15 epochs on the test set)
        Measured: 99.36 [99.33, 99.38] over the final 3 epochs of 10 seeds, worst 99.29; held by 1 of 10 [0.00,
            0.45]; mean best train 99.17, mean best test 99.39 (native trainer, numerics 1, the same on every
            machine)

    Analysis:
        - A great network. [said: 1] [judgement: praise]
        - Dropout and augmentation have made it robust. [said: 2] [claim: steadier than five_steps/step4]
        - The test accuracy is now decently steady. [said: 3] [claim: in most runs moves by less than 0.1 over epochs 11
          to 15]
        - It fluctuates less than before. [said: 4] [claim: steadier than five_steps/step4]

    Notes:
        - Under its hyper-parameters the text says that 99.46 is reached after ten epochs; the log has it in epochs 10
          and 11. [log: best test 99.46 in epochs 10 and 11] [claim: gives a best test of 99.46 by epoch 10]
        - Neither text nor notebook says that 99.4 is held. [judgement: about what is not said] In the log it is not,
          with 99.38 in epoch 13. [log: test 99.38 in epoch 13] [claim: in some runs misses the goal]
        - Its running training accuracy, with dropout and rotation on, stays below its test accuracy and below that of
          step 4. [claim: on average trains below its test accuracy; trains lower than five_steps/step4]
        - The last five epochs of the log have a standard deviation of 0.030 points, and of 0.035 in step 4: one run of
          each says nothing. [log: deviation of test 0.030 over the last 5 epochs; five_steps/step4 deviation of test
          0.035 over the last 5 epochs]
        - Two things change at once, dropout and rotation, so that neither can be credited with the result. [claim:
          changes only dropout and augmentation since five_steps/step4]
        - A comment in the notebook speaks of a rotation by 7 degrees; the code draws the angle uniformly between -6 and
          6. [claim: trains with augmentation.degrees 6] The fill value 1 is on a scale of 0 to 255, so that the corners
          are almost black. [claim: trains with augmentation.fill 1] The dropout of 1 % acts on single values, and on
          the class maps as well. [claim: drops 1 % in 7 places; has 1 conv1x1 then relu then bn then dropout]
    """

    model = five_steps.Step5
    follows = "five_steps/step4"
    parameters = 9_142
    receptive_field = 28
    recipe = Recipe(
        lr=0.01,
        batch_size=64,
        epochs=15,
        schedule=StepLR(5, gamma=0.15),
        augmentation=RandomAffine(degrees=6, fill=1),
    )
    claims = {
        "steadier than five_steps/step4": "undecided",
        "in most runs moves by less than 0.1 over epochs 11 to 15": "supported",
        "gives a best test of 99.46 by epoch 10": "undecided",
        "in some runs misses the goal": "supported",
        "on average trains below its test accuracy": "supported",
        "trains lower than five_steps/step4": "supported",
        "changes only dropout and augmentation since five_steps/step4": "supported",
        "trains with augmentation.degrees 6": "supported",
        "trains with augmentation.fill 1": "supported",
        "drops 1 % in 7 places": "supported",
        "has 1 conv1x1 then relu then bn then dropout": "supported",
    }
