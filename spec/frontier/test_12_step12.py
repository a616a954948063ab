"""frontier, the twelfth step."""

from harness import Recipe, StepSpec
from harness.recipe import OneCycle, RandomDistortion, Teacher
from models import frontier


class TestDistorted(StepSpec):
    """Step 12: distortions, once there is a teacher.

    Target:
        Show the teacher more than the training images have: a stronger augmentation, with shear and smooth
        displacements. With labels alone this would hurt, since a distorted 3 may look like an 8; the teacher labels the
        image as it now looks.

    Result:
        Parameters: 2,986 · receptive field: 34
        Measured: 99.49 [99.47, 99.50] over the final 3 epochs of 20 seeds, worst 99.40; held by 20 of 20 [0.83,
            1.00]; mean best train 99.16, mean best test 99.51 (native trainer, numerics 1, the same on every
            machine)

    Analysis:
        - Only the augmentation changes. [claim: changes only augmentation since frontier/step11]
        - Its training accuracy is far lower, as it is meant to be. [claim: on average trains below its test accuracy;
          trains lower than frontier/step11]
        - That the test accuracy would rise was hoped. [claim: improves on frontier/step11]
        - The goal is held by every seed of the record, in each of the final epochs, with fewer than 3,000 parameters.
          [claim: in every run holds the goal; has fewer than 3,000 parameters]
        - The strength was chosen on held-out training images, by the loss there and not by the accuracy, which does not
          tell them apart. [judgement: how it was chosen is written down in selection.md]

    Notes:
        - Of 27 runs in eager torch, taught by another run of the teacher, 26 held: the seeds 0 to 19 on an AMD EPYC
          with AVX-512, where the mean was 99.49 and the worst 99.41, and, on one without, where a seed is another run,
          the seeds 0 to 5 with one thread, from 99.46 to 99.56. [judgement: they are in no record any more] Seed 0 with
          two threads missed there, with 99.38, 99.43 and 99.41. [judgement: it is in no record]
    """

    model = frontier.Placed
    follows = "frontier/step11"
    parameters = 2_986
    receptive_field = 34
    goal = True
    recipe = Recipe(
        lr=0.2,
        batch_size=64,
        epochs=15,
        nesterov=True,
        schedule=OneCycle(),
        average=0.99,
        augmentation=RandomDistortion(
            degrees=8,
            translate=1 / 28,
            scale=(0.92, 1.08),
            shear=0.1,
            elastic=0.5,
            interpolation="bilinear",
            on="tensor",
            fill=-0.4242,  # black, normalized
        ),
        teacher=Teacher("frontier/step10", weights="86fbace8ddd7bef4", share=0.9, temperature=4.0),
    )
    claims = {
        "changes only augmentation since frontier/step11": "supported",
        "on average trains below its test accuracy": "supported",
        "trains lower than frontier/step11": "supported",
        "improves on frontier/step11": "undecided",
        "in every run holds the goal": "supported",
        "has fewer than 3,000 parameters": "supported",
    }
