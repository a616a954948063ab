"""expand_squeeze, the second file."""

from harness import Recipe, StepSpec
from harness.recipe import RandomAffine, StepLR
from models import expand_squeeze


class TestDropoutAndSchedule(StepSpec):
    """File 2: dropout and a learning rate that falls in steps.

    Target:
        Less over-fitting with 5 % of dropout, and a learning rate that starts at 0.1 and falls every four epochs, both
        numbers found by trial.

    Result:
        Parameters: 8,000 · receptive field: 28
        Published: best train 98.54, best test 99.38 (one run, best of 15 epochs on the test set)
        Measured: 99.32 [99.22, 99.42] over the final 3 epochs of 4 seeds, worst 99.25; held by 0 of 4 [0.00, 0.60];
            best train 98.55, best test 99.41 (AMD EPYC, torch 2.15.0)

    Analysis:
        - The premise is that file 1 reaches 99.4 in about 40 epochs, hence has the capacity. [claim:
          expand_squeeze/s7_file1 needs 25 more epochs for 99.4]
        - Over-fitting is reduced. [claim: over-fits less than expand_squeeze/s7_file1]
        - 99.3 is held. [claim: holds 99.3 from epoch 5]
        - The rate of 0.1 is said to have been raised to reach a high accuracy sooner. [claim: faster to 99 than
          expand_squeeze/s7_file1]
        - To lower the rate bit by bit is said to have steadied the result. [claim: steadier than
          expand_squeeze/s7_file1]
        - More training samples may help it to learn, the text ends. [judgement: a hope; no step here has more training
          images]

    Notes:
        - No log of 40 epochs of file 1 is to be found in either repository: the one run of more than 20 epochs is of a
          smaller network, and its best is 98.85. [judgement: about the log of a network that is no step here]
        - The published run has no over-fitting left: 98.45 in training against 99.33 in test at the end. [claim:
          over-fits less than expand_squeeze/s7_file1; does not over-fit]
        - Every published epoch from the fifth on has 99.32 or more. [claim: holds 99.3 from epoch 5]
        - File 1 has the same rate of 0.1. [claim: trains with the lr of expand_squeeze/s7_file1]
        - The result looks steadier: the last five epochs have a standard deviation of 0.017 points, where file 1 had
          0.056. [claim: steadier than expand_squeeze/s7_file1] To "reduce by 0.1" means to multiply by it. [claim:
          trains with schedule.gamma 0.1]
        - The hope for more training samples reads as a reason for the augmentation of file 3. [judgement: about what
          was meant]
        - More than its target changes, as the log shows and the cells do not: batches of 128 for 512, and rotations by
          up to 20 degrees, shifts by up to a tenth of the side and scales from 0.9 to 1.1, the augmentation of file 3.
          [claim: trains with batch_size 128; expand_squeeze/s7_file1 trains with batch_size 512; trains with
          augmentation.degrees 20; trains with augmentation.translate 0.1; trains with augmentation.scale (0.9, 1.1)]
        - So the fall in training accuracy is not dropout's doing. [claim: trains lower than expand_squeeze/s7_file1;
          changes dropout, batch_size and augmentation since expand_squeeze/s7_file1] An earlier log of the author's has
          dropout alone, in batches of 512 at a constant rate: 99.30 in training and 99.22 in test. [judgement: about
          the log of a recipe that is no step here]
    """

    model = expand_squeeze.File2
    follows = "expand_squeeze/s7_file1"
    parameters = 8_000
    receptive_field = 28
    recipe = Recipe(
        lr=0.1,
        batch_size=128,
        epochs=15,
        schedule=StepLR(4, gamma=0.1),
        augmentation=RandomAffine(degrees=20, translate=0.1, scale=(0.9, 1.1)),
    )
    claims = {
        "expand_squeeze/s7_file1 needs 25 more epochs for 99.4": "undecided",
        "over-fits less than expand_squeeze/s7_file1": "supported",
        "holds 99.3 from epoch 5": "undecided",
        "faster to 99 than expand_squeeze/s7_file1": "supported",
        "steadier than expand_squeeze/s7_file1": "supported",
        "does not over-fit": "supported",
        "trains with the lr of expand_squeeze/s7_file1": "supported",
        "trains with schedule.gamma 0.1": "supported",
        "trains with batch_size 128": "supported",
        "expand_squeeze/s7_file1 trains with batch_size 512": "supported",
        "trains with augmentation.degrees 20": "supported",
        "trains with augmentation.translate 0.1": "supported",
        "trains with augmentation.scale (0.9, 1.1)": "supported",
        "trains lower than expand_squeeze/s7_file1": "supported",
        "changes dropout, batch_size and augmentation since expand_squeeze/s7_file1": "supported",
    }
