"""frontier, the first step."""

from harness import Recipe, StepSpec
from models import frontier


class TestPlain(StepSpec):
    """Step 1: a plain trunk.

    Target:
        Something small that sees the whole digit and trains in minutes on a CPU: 3x3 convolutions and ReLU, one
        max-pool, a 1x1 convolution to ten class maps, and their average.

    Result:
        Parameters: 6,642 · receptive field: 28
        Measured: 98.62 [95.76, 100.00] over the final 3 epochs of 2 seeds, worst 98.28; held by 0 of 2; best train
            99.04, best test 98.93 (AMD EPYC, torch 2.15.0)

    Analysis:
        - It works, with fewer than 8,000 parameters, and misses the goal by a wide margin. [claim: reaches 98; has
          fewer than 8,000 parameters; misses the goal]
        - The second convolution, at full size, takes the largest share of the arithmetic; each of those that follow the
          pool is cheaper. [claim: multiplies most in convolution 2]
    """

    model = frontier.Plain
    parameters = 6_642
    receptive_field = 28
    recipe = Recipe(lr=0.05, batch_size=64, epochs=15, nesterov=True)
    claims = {
        "reaches 98": "undecided",
        "has fewer than 8,000 parameters": "supported",
        "misses the goal": "undecided",
        "multiplies most in convolution 2": "supported",
    }
