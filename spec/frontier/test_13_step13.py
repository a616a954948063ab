"""frontier, the thirteenth step."""

from harness import Recipe, StepSpec
from harness.recipe import OneCycle, RandomDistortion, Teacher
from models import frontier


class TestBroad(StepSpec):
    """Step 13: a margin.

    Target:
        Lie so far above the goal that a miss is rare, with as few parameters as that takes: the lowest of the final
        epochs, less 3.3 standard deviations, at 99.40 or above. Step 6 holds the goal in most runs and not in every
        one, and has neither the teacher nor the augmentation of step 12, which does.

    Result:
        Parameters: 8,483 · receptive field: 28
        Measured: 99.55 [99.53, 99.57] over the final 3 epochs of 20 seeds, worst 99.47; held by 20 of 20 [0.83,
            1.00]; mean best train 99.24, mean best test 99.57 (native trainer, numerics 1, the same on every
            machine)

    Analysis:
        - The funnel is taught by step 10 as step 12 is, with the same augmentation, and has one or two channels more in
          every layer. [claim: changes conv3x3, bn, conv1x1, augmentation and teacher since frontier/step6; trains with
          the augmentation of frontier/step12; trains with the teacher of frontier/step12; has fewer than 10,000
          parameters]
        - It is better than the funnel. [claim: improves on frontier/step6]
        - Every run holds the goal. [claim: in every run holds the goal]
        - How broad it is was chosen on held-out training images, with a teacher that had not seen them: what step 6
          gains there had to be enough to lift its runs to the target. [judgement: how it was chosen is written down in
          selection.md]

    Notes:
        - The target is reached: the lowest of the final epochs is 99.543 on average, with a standard deviation of
          0.038, and 3.3 of these below it is 99.417. [judgement: a test works it out from the record] Of all runs
          99.9 % end above 99.378, with a confidence of 95 %. [judgement: the one-sided tolerance bound of a normal
          distribution, which the same test works out]
    """

    model = frontier.Broad
    follows = "frontier/step6"
    parameters = 8_483
    receptive_field = 28
    goal = True
    recipe = Recipe(
        lr=0.05,
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
        "changes conv3x3, bn, conv1x1, augmentation and teacher since frontier/step6": "supported",
        "trains with the augmentation of frontier/step12": "supported",
        "trains with the teacher of frontier/step12": "supported",
        "has fewer than 10,000 parameters": "supported",
        "improves on frontier/step6": "supported",
        "in every run holds the goal": "supported",
    }
