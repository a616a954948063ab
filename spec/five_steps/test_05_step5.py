"""five_steps, the fifth step."""

from harness import Recipe, StepSpec
from harness.recipe import RandomAffine, StepLR
from models import five_steps


class TestDropoutAndRotation(StepSpec):
    """Step 5: a little dropout and small rotations.

    Target:
        Hold 99.4 by regularizing: dropout in every block, and training images turned by a few degrees.

    Result:
        Parameters: 9,142 · receptive field: 28
        Published: best train 99.11, best test 99.46 (one run, best of 15 epochs on the test set)
        Measured: 99.38 [99.33, 99.43] over the final 3 epochs of 5 seeds, worst 99.32; held by 1 of 5 [0.01, 0.72];
            best train 99.22, best test 99.47 (AMD EPYC, torch 2.15.0)

    Analysis:
        - 99.46 is reached after ten epochs. [claim: reaches 99.46 by epoch 11]
        - It is said to fluctuate less than step 4. [claim: steadier than five_steps/step4]
        - 99.4 is said to be reached and kept. [claim: holds the goal]
        - Dropout and augmentation are said to have made it robust. [judgement: nothing here measures robustness]

    Notes:
        - The published epochs 10 and 11 reach 99.46. [claim: reaches 99.46 by epoch 11]
        - It under-fits on purpose: training accuracy, counted with dropout and rotation on, stays below that of step 4
          and below the test accuracy. [claim: under-fits; trains lower than five_steps/step4]
        - The standard deviation of the last five published epochs is 0.027 against 0.031 in step 4, of one run each: no
          evidence either way. [judgement: about one published run of each]
        - 99.4 is not kept in the published epoch 13, which has 99.38. [judgement: about the one published run]
        - Two things change at once, dropout and rotation, so that neither can be credited with the result. [claim:
          changes only dropout and augmentation since five_steps/step4]
        - Text and code differ: a rotation by 7 degrees is a uniform one within 6; its fill of 1 is a grey level of 255,
          nearly black, and not white. [claim: trains with augmentation.degrees 6; trains with augmentation.fill 1] The
          dropout of 1 % is element by element and acts on the class maps as well. [claim: drops 1 % in 7 places; has 1
          conv1x1 then relu then bn then dropout]
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
        "reaches 99.46 by epoch 11": "refuted",
        "steadier than five_steps/step4": "undecided",
        "holds the goal": "refuted",
        "under-fits": "supported",
        "trains lower than five_steps/step4": "supported",
        "changes only dropout and augmentation since five_steps/step4": "supported",
        "trains with augmentation.degrees 6": "supported",
        "trains with augmentation.fill 1": "supported",
        "drops 1 % in 7 places": "supported",
        "has 1 conv1x1 then relu then bn then dropout": "supported",
    }
