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
        Measured: 99.29 [99.26, 99.32] over the final 3 epochs of 10 seeds, worst 99.18; held by 0 of 10 [0.00,
            0.31]; mean best train 98.40, mean best test 99.32 (native trainer, numerics 1, the same on every
            machine)

    Analysis:
        - Over-fitting is reduced, and 99.3 is held. [said: 1] [claim: over-fits less than expand_squeeze/s7_file1; in
          most runs holds 99.3 from epoch 11]
        - Raising the learning rate to 0.1 helped to reach a higher accuracy sooner, and lowering it step by step made
          the result stable. [said: 2] [claim: changes lr since expand_squeeze/s7_file1; faster to 99 than
          expand_squeeze/s7_file1; steadier than expand_squeeze/s7_file1]
        - More training samples can help it to learn. [said: 3] [judgement: not tested here; it would take more or fewer
          training images]

    Notes:
        - The target gives as a reason that file 1 reaches 99.4 when it is trained for about 40 epochs, and so has the
          capacity. [claim: expand_squeeze/s7_file1@epochs40 in most runs reaches 99.4] No log of 40 epochs of file 1 is
          to be found in either repository: the one run of more than 20 epochs is of a smaller network, and its best is
          98.85. [judgement: that network, with 98.85, is no step here]
        - The log has no over-fitting left: it ends at 98.45 in training, with dropout and augmentation on, and 99.33 in
          test. [log: train 98.45 in epoch 15; test 99.33 in epoch 15] [claim: on average does not over-fit]
        - In the log every epoch from the fifth on has 99.32 or more. [log: test between 99.32 and 99.38 in epochs 5 to
          15]
        - File 1 has the same learning rate of 0.1. [claim: trains with the lr of expand_squeeze/s7_file1] To "reduce by
          0.1" means to multiply by it. [claim: trains with schedule.gamma 0.1]
        - By the logs the last five epochs have a standard deviation of 0.019 points, where file 1 had 0.063. [log:
          deviation of test 0.019 over the last 5 epochs; expand_squeeze/s7_file1 deviation of test 0.063 over the last
          5 epochs]
        - The hope for more training samples reads as a reason for the augmentation of file 3. [judgement: about what
          was meant]
        - More than its target changes, which the cells do not say: batches of 128 instead of 512, and rotations by up
          to 20 degrees, shifts by up to a tenth of the side and scales from 0.9 to 1.1, the augmentation of file 3.
          [claim: trains with batch_size 128; expand_squeeze/s7_file1 trains with batch_size 512; trains with
          augmentation.degrees 20; trains with augmentation.translate 0.1; trains with augmentation.scale (0.9, 1.1)]
        - So the fall in training accuracy is not due to dropout alone. [claim: trains lower than
          expand_squeeze/s7_file1; changes dropout, batch_size and augmentation since expand_squeeze/s7_file1] An
          earlier log of the author's has dropout alone, in batches of 512 at a constant rate: 99.30 in training and
          99.22 in test. [judgement: that recipe, with 99.30 and 99.22, is no step here]
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
        "over-fits less than expand_squeeze/s7_file1": "supported",
        "in most runs holds 99.3 from epoch 11": "undecided",
        "changes lr since expand_squeeze/s7_file1": "refuted",
        "faster to 99 than expand_squeeze/s7_file1": "supported",
        "steadier than expand_squeeze/s7_file1": "supported",
        "expand_squeeze/s7_file1@epochs40 in most runs reaches 99.4": "refuted",
        "on average does not over-fit": "supported",
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
