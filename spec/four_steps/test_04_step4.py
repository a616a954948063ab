"""four_steps, the fourth step."""

from harness import Recipe, StepSpec
from harness.recipe import Normalize, RandomAffine, StepLR
from models import four_steps


class TestRotationScheduleBatch(StepSpec):
    """Step 4: rotation, a learning rate that falls in steps, small batches.

    Target:
        Rotate training images, since some are slightly rotated; converge better with a learning rate that falls every
        five epochs; and take smaller batches, for more updates.

    Result:
        Parameters: 9,904 · receptive field: 30
        Published: best train 99.08, best test 99.44 (one run, best of 15 epochs on the test set)
        Measured: 99.40 [99.38, 99.42] over the final 3 epochs of 20 seeds, worst 99.29; held by 6 of 20 [0.12,
            0.54]; mean best train 99.05, mean best test 99.43 (native trainer, numerics 1, the same on every
            machine)

    Analysis:
        - A very good network. [said: 1] [judgement: praise]
        - It reaches the target accuracy, with as few parameters as required. [said: 2] [claim: in most runs reaches
          99.4; has fewer than 10,000 parameters]
        - Augmentation and the falling learning rate have made it more robust. [said: 3] [judgement: not tested here; it
          would take rotated or noisy test images]
        - The test accuracy varies less. [said: 4] [claim: steadier than four_steps/step3]

    Notes:
        - By the objective of this ladder the target is 99.4 in the last few epochs, so that to reach it is to hold it.
          [claim: in every run holds the goal; in most runs holds 99.4 from epoch 11]
        - In the log epochs 11 to 15 have 99.42 to 99.44, the last its best. [log: test between 99.42 and 99.44 in
          epochs 11 to 15; best test 99.44 in epoch 15] [claim: gives a last test of 99.44] Epochs 9 and 10 of the log
          are below 99.4, with 99.37 and 99.38. [log: test 99.37, 99.38 in epochs 9 to 10] [claim: in most runs does not
          hold 99.4 from epoch 9]
        - By the logs the last five epochs have a standard deviation of 0.007 points, where step 3 had 0.188. [log:
          deviation of test 0.007 over the last 5 epochs; four_steps/step3 deviation of test 0.188 over the last 5
          epochs] At a learning rate of 0.0001 hardly any weight moves, so that this says little of robustness. [claim:
          trains with lr 0.01; trains with schedule.gamma 0.1]
        - More than its target changes: the dropout is 1 % in the code and no longer 10 %. [claim: drops 1 % in 6
          places; four_steps/step3 drops 10 % in 6 places] One copy of the text lists a dropout of 0.1; the other has
          0.01, as the notebook, but a final accuracy of 99.40 and not 99.44 in epoch 15. [judgement: about two copies
          of a text]
        - So four things change at once: rotation, learning rate, batches of 32 instead of 128, and dropout. [claim:
          changes only augmentation, schedule, batch_size and dropout since four_steps/step3] The text lists a step of
          five epochs for the learning rate. [claim: trains with schedule.step_size 5]
        - The notebook speaks of rotation by up to 7 degrees; the code has 10. [claim: trains with augmentation.degrees
          10] The fill value 1 is on a scale of 0 to 255, so that the corners are almost black. [claim: trains with
          augmentation.fill 1]
        - The global average is an adaptive pooling instead of a fixed one, which is the same function. [claim: has 1
          global-average]
    """

    model = four_steps.Step4
    follows = "four_steps/step3"
    parameters = 9_904
    receptive_field = 30
    recipe = Recipe(
        lr=0.01,
        batch_size=32,
        epochs=15,
        schedule=StepLR(5, gamma=0.1),
        augmentation=RandomAffine(degrees=10, fill=1),
        normalize=Normalize(0.1309, 0.3084),
    )
    goal = True
    claims = {
        "in most runs reaches 99.4": "supported",
        "has fewer than 10,000 parameters": "supported",
        "steadier than four_steps/step3": "supported",
        "in every run holds the goal": "refuted",
        "in most runs holds 99.4 from epoch 11": "refuted",
        "gives a last test of 99.44": "undecided",
        "in most runs does not hold 99.4 from epoch 9": "supported",
        "trains with lr 0.01": "supported",
        "trains with schedule.gamma 0.1": "supported",
        "drops 1 % in 6 places": "supported",
        "four_steps/step3 drops 10 % in 6 places": "supported",
        "changes only augmentation, schedule, batch_size and dropout since four_steps/step3": "supported",
        "trains with schedule.step_size 5": "supported",
        "trains with augmentation.degrees 10": "supported",
        "trains with augmentation.fill 1": "supported",
        "has 1 global-average": "supported",
    }
