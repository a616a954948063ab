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
        Measured: 99.38 [99.35, 99.41] over the final 3 epochs of 3 seeds, worst 99.34; held by 0 of 3 [0.00, 0.71];
            best train 99.05, best test 99.41 (AMD EPYC, torch 2.15.0)

    Analysis:
        - A very good network: the goal is reached within the limit of parameters, with 99.44 in the last epoch. [claim:
          reaches 99.4; has fewer than 10,000 parameters]
        - 99.4 is held over the last few epochs. [claim: holds the goal; holds 99.4 from epoch 11]
        - Rotation and the falling rate are said to make it more robust, with less variance in test accuracy. [claim:
          steadier than four_steps/step3]

    Notes:
        - The published epochs 11 to 15 have 99.42 to 99.44. [claim: holds 99.4 from epoch 11] Epochs 9 and 10 are below
          99.4, with 99.37 and 99.38. [claim: does not hold 99.4 from epoch 9]
        - The last five epochs have a standard deviation of 0.006 points, where step 3 had 0.168; at a rate of 0.0001
          hardly any weight moves, so that this says little of robustness. [claim: steadier than four_steps/step3;
          trains with schedule.gamma 0.1]
        - More than its target changes: the dropout is 1 % in the code and no longer 10 %. [claim: drops 1 % in 6
          places; four_steps/step3 drops 10 % in 6 places] One copy of the text lists a dropout of 0.1; the other has
          0.01, as the notebook, but a final accuracy of 99.40 in epoch 15 for 99.44. [judgement: about two copies of a
          text]
        - So four things change at once: rotation, rate, batches of 32 for 128, and dropout. [claim: changes only
          augmentation, schedule, batch_size and dropout since four_steps/step3]
        - Text and code differ: the notebook speaks of rotation by up to 7 degrees, the code has 10. [claim: trains with
          augmentation.degrees 10] Its fill of 1 is a grey level of 255, nearly black. [claim: trains with
          augmentation.fill 1]
        - The global average is an adaptive pooling in place of a fixed one, which is the same function. [claim: has 1
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
    claims = {
        "reaches 99.4": "undecided",
        "has fewer than 10,000 parameters": "supported",
        "holds the goal": "refuted",
        "holds 99.4 from epoch 11": "undecided",
        "steadier than four_steps/step3": "undecided",
        "does not hold 99.4 from epoch 9": "supported",
        "trains with schedule.gamma 0.1": "supported",
        "drops 1 % in 6 places": "supported",
        "four_steps/step3 drops 10 % in 6 places": "supported",
        "changes only augmentation, schedule, batch_size and dropout since four_steps/step3": "supported",
        "trains with augmentation.degrees 10": "supported",
        "trains with augmentation.fill 1": "supported",
        "has 1 global-average": "supported",
    }
