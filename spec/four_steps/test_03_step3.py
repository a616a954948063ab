"""four_steps, the third step."""

from harness import Recipe, StepSpec
from harness.recipe import Normalize
from models import four_steps


class TestBatchNormAndDropout(StepSpec):
    """Step 3: batch normalization and dropout.

    Target:
        Raise the accuracy with batch normalization after every convolution but the last, and apply dropout if it then
        over-fits.

    Result:
        Parameters: 9,904 · receptive field: 30
        Published: best train 98.75, best test 99.24 (one run, best of 15 epochs on the test set)
        Measured: 99.13 [98.91, 99.35] over the final 3 epochs of 3 seeds, worst 99.02; held by 0 of 3 [0.00, 0.71];
            best train 98.76, best test 99.28 (AMD EPYC, torch 2.15.0)

    Analysis:
        - A good network, 0.71 points above step 2 in test, but 99.4 is not reached. [claim: improves on
          four_steps/step2 by 0.71; stays below 99.4]
        - A little dropout is said to be there against over-fitting and for stability. [claim: does not over-fit;
          steadier than four_steps/step2]
        - The accuracy can still be raised. [claim: four_steps/step4 improves on four_steps/step3]
        - But not with capacity: 9,904 of 10,000 parameters are used, and other means have to do it. [claim: has 9,904
          parameters]
        - Smaller batches and augmentation are to come next. [claim: four_steps/step4 changes batch_size and
          augmentation since four_steps/step3]

    Notes:
        - The dropout is 10 %, element by element and in all six blocks, and the published run shows the reverse of
          over-fitting: 98.75 in training, counted with dropout on, against 99.24 in test. [claim: drops 10 % in 6
          places; under-fits] Stable it is not: the last five test accuracies lie between 98.84 and 99.24. [claim: moves
          by 0.3 over epochs 11 to 15]
        - Whether it over-fits after batch normalization, the condition for dropout, is not shown: no run without
          dropout is published, so that the two cannot be told apart. [claim: changes bn and dropout since
          four_steps/step2]
        - Normalization stands before the ReLU; its 192 parameters are two for each of 96 channels. [claim: has 6 bn
          then relu; has 192 parameters more than four_steps/step2]
    """

    model = four_steps.Step3
    follows = "four_steps/step2"
    parameters = 9_904
    receptive_field = 30
    recipe = Recipe(lr=0.01, batch_size=128, epochs=15, normalize=Normalize(0.1309, 0.3084))
    claims = {
        "improves on four_steps/step2 by 0.71": "undecided",
        "stays below 99.4": "undecided",
        "does not over-fit": "supported",
        "steadier than four_steps/step2": "undecided",
        "four_steps/step4 improves on four_steps/step3": "supported",
        "has 9,904 parameters": "supported",
        "four_steps/step4 changes batch_size and augmentation since four_steps/step3": "supported",
        "drops 10 % in 6 places": "supported",
        "under-fits": "supported",
        "moves by 0.3 over epochs 11 to 15": "undecided",
        "changes bn and dropout since four_steps/step2": "supported",
        "has 6 bn then relu": "supported",
        "has 192 parameters more than four_steps/step2": "supported",
    }
