"""expand_squeeze, the third file."""

from harness import Recipe, StepSpec
from harness.recipe import RandomAffine, StepLR
from models import expand_squeeze


class TestLaterSchedule(StepSpec):
    """File 3: a learning rate that falls later.

    Target:
        Augmentation, smaller batches, and regularization in its right place: the learning rate falls after eight epochs
        and not after four.

    Result:
        Parameters: 8,000 · receptive field: 28
        Published: best train 98.55, best test 99.42 (one run, best of 15 epochs on the test set)
        Measured: 99.36 [99.33, 99.38] over the final 3 epochs of 20 seeds, worst 99.18; held by 3 of 20 [0.03,
            0.38]; mean best train 98.59, mean best test 99.39 (native trainer, numerics 1, the same on every
            machine)

    Analysis:
        - Scaling, shifting and rotating the images makes training harder, and so the test accuracy improves. [said: 1]
          [claim: changes augmentation since expand_squeeze/s7_file2; improves on expand_squeeze/s7_file2]
        - Batches of 128 instead of 512 generalize better and bring the test accuracy to 99.4. [said: 2] [claim: changes
          batch_size since expand_squeeze/s7_file2; improves on expand_squeeze/s7_file3@batch512; in most runs reaches
          99.4]
        - 128 is the best size, below which the test accuracy falls. [said: 3] [claim: improves on
          expand_squeeze/s7_file3@batch512; expand_squeeze/s7_file3@batch64 worsens on expand_squeeze/s7_file3;
          expand_squeeze/s7_file3@batch32 worsens on expand_squeeze/s7_file3]
        - The reason is the noise of small batches: each is a noisy view of the whole, and their contrary pulls keep the
          network from over-fitting, and so from doing badly in test. [said: 4, 5, 6] [claim:
          expand_squeeze/s7_file3@batch512 over-fits more than expand_squeeze/s7_file3; improves on
          expand_squeeze/s7_file3@batch512]
        - The learning rate falls after epoch 8 and not 4. [said: 7] [claim: trains with schedule.step_size 8;
          expand_squeeze/s7_file2 trains with schedule.step_size 4]
        - That helped to reach a steady 99.4 in fewer epochs. [said: 8] [claim: faster to 99.4 than
          expand_squeeze/s7_file2]
        - In the end 99.4 is held. [said: 9] [claim: in every run holds the goal; in most runs holds 99.4 from epoch 10]

    Notes:
        - File 2 ran with the same augmentation and the same batches of 128, so that neither explains anything here.
          [claim: trains with the augmentation of expand_squeeze/s7_file2; trains with the batch_size of
          expand_squeeze/s7_file2] Compared with file 1, which has neither, the test accuracy does improve. [claim:
          trains lower than expand_squeeze/s7_file1; improves on expand_squeeze/s7_file1]
        - No run with batches smaller than 128 is published. [judgement: about what was published]
        - As run, only the later fall of the learning rate changes: by the logs file 2 never reached 99.4, and this one
          has 99.42 in epoch 10, two epochs after the fall. [log: best test 99.42 in epochs 10, 11 and 15;
          expand_squeeze/s7_file2 best test 99.38 in epoch 12] [claim: changes only schedule since
          expand_squeeze/s7_file2; expand_squeeze/s7_file2 in most runs stays below 99.4; in most runs reaches 99.4 by
          epoch 10]
        - In the log epochs 10 to 15 all have 99.40 or more. [log: test at 99.40 or above in epochs 10, 11, 12, 13, 14,
          15 only] Of its last three epochs one is at the bound and one a single image above it. [judgement: about the
          one published run]
        - The dropout stays at 5 % in the same places. [claim: drops 5 % in 5 places; expand_squeeze/s7_file2 drops 5 %
          in 5 places]
        - What batches of 512 would give, with everything else as it is, can be tried. [claim: expand_squeeze/s7_file3
          improves on expand_squeeze/s7_file3@batch512]
    """

    model = expand_squeeze.File2
    follows = "expand_squeeze/s7_file2"
    parameters = 8_000
    receptive_field = 28
    recipe = Recipe(
        lr=0.1,
        batch_size=128,
        epochs=15,
        schedule=StepLR(8, gamma=0.1),
        augmentation=RandomAffine(degrees=20, translate=0.1, scale=(0.9, 1.1)),
    )
    goal = True
    variants = {
        "batch32": {"batch_size": 32},
        "batch64": {"batch_size": 64},
        "batch512": {"batch_size": 512},
    }
    claims = {
        "changes augmentation since expand_squeeze/s7_file2": "refuted",
        "improves on expand_squeeze/s7_file2": "undecided",
        "changes batch_size since expand_squeeze/s7_file2": "refuted",
        "improves on expand_squeeze/s7_file3@batch512": "undecided",
        "in most runs reaches 99.4": "undecided",
        "expand_squeeze/s7_file3@batch64 worsens on expand_squeeze/s7_file3": "undecided",
        "expand_squeeze/s7_file3@batch32 worsens on expand_squeeze/s7_file3": "undecided",
        "expand_squeeze/s7_file3@batch512 over-fits more than expand_squeeze/s7_file3": "undecided",
        "trains with schedule.step_size 8": "supported",
        "expand_squeeze/s7_file2 trains with schedule.step_size 4": "supported",
        "faster to 99.4 than expand_squeeze/s7_file2": "supported",
        "in every run holds the goal": "refuted",
        "in most runs holds 99.4 from epoch 10": "refuted",
        "trains with the augmentation of expand_squeeze/s7_file2": "supported",
        "trains with the batch_size of expand_squeeze/s7_file2": "supported",
        "trains lower than expand_squeeze/s7_file1": "supported",
        "improves on expand_squeeze/s7_file1": "supported",
        "changes only schedule since expand_squeeze/s7_file2": "supported",
        "expand_squeeze/s7_file2 in most runs stays below 99.4": "supported",
        "in most runs reaches 99.4 by epoch 10": "refuted",
        "drops 5 % in 5 places": "supported",
        "expand_squeeze/s7_file2 drops 5 % in 5 places": "supported",
        "expand_squeeze/s7_file3 improves on expand_squeeze/s7_file3@batch512": "undecided",
    }
