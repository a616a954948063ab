"""discover, the step before the branches."""

from harness import Recipe, StepSpec
from models import discover


class TestSkeleton(StepSpec):
    """Skeleton: does it train at all?

    Target:
        A basic skeleton that can be seen to learn, closed by two fully connected layers.

    Result:
        Parameters: 9,902 · receptive field: 32
        Published: best train 99.14, best test 99.00 (one run, best of 14 epochs on the test set)
        Measured: 98.87 [98.79, 98.95] over the final 3 epochs of 10 seeds, worst 98.48; held by 0 of 10 [0.00,
            0.31]; mean best train 99.09, mean best test 98.98 (native trainer, numerics 1, the same on every
            machine)

    Analysis:
        - 99.00 is not even close to the goal. [said: 1] [claim: in most runs stays far below 99.4; gives a best test of
          99.00]
        - Two approaches are to raise it, with networks of different sizes. [said: 2, 3] [next: discover/10k_no_fc;
          discover/8k_reduce]
        - One keeps the network and takes out its fully connected layers. [said: 4] [next: discover/10k_no_fc] [claim:
          discover/10k_no_fc has no linear]
        - The other has fewer parameters. [said: 5] [next: discover/8k_reduce] [claim: discover/8k_reduce has fewer
          parameters than discover/skeleton]
        - Both change in the same way after that, and dropout comes first. [said: 6, 7] [next: discover/10k_dropout;
          discover/8k_dropout] [claim: discover/10k_dropout changes dropout since discover/10k_no_fc;
          discover/8k_dropout changes dropout since discover/8k_reduce]
        - Augmentation comes second. [said: 8] [next: discover/10k_augment; discover/8k_augment] [claim:
          discover/10k_augment changes augmentation since discover/10k_dropout; discover/8k_augment changes augmentation
          since discover/8k_dropout]
        - A schedule of the learning rate comes third. [said: 9] [next: discover/10k_lr; discover/8k_lr] [claim:
          discover/10k_lr changes schedule since discover/10k_augment; discover/8k_lr changes schedule since
          discover/8k_augment]

    Notes:
        - Its published results add that no epoch is at 99.4 or above. [claim: in every run misses the goal] From 99.00,
          the 0.4 points to the goal are 40 of 10,000 images. [judgement: arithmetic]
        - The fully connected layers are less than they look: the last 3x3 convolution has neither normalization nor
          ReLU, and nothing stands between the two, so that all after the fourth ReLU is one linear map. [claim: has 4
          relu; ends in conv3x3 then global-average then flatten then linear then linear]
        - The receptive field is 32 pixels and not the 28 of the first published table: the first two convolutions are
          padded, and the global average takes in an 8x8 map. [claim: has a receptive field of 32; pads 2 convolutions]
          The second table ends at 32 too, but for another network. [judgement: that table is of a network that is no
          step here]
        - Comments in the notebook give other sizes and channels than its printed summary. [judgement: about comments in
          a notebook] The summary is right. [claim: has 9,902 parameters]
    """

    model = discover.Skeleton
    parameters = 9_902
    receptive_field = 32
    recipe = Recipe(lr=0.01, batch_size=64, epochs=14)
    claims = {
        "in most runs stays far below 99.4": "supported",
        "gives a best test of 99.00": "undecided",
        "discover/10k_no_fc has no linear": "supported",
        "discover/8k_reduce has fewer parameters than discover/skeleton": "supported",
        "discover/10k_dropout changes dropout since discover/10k_no_fc": "supported",
        "discover/8k_dropout changes dropout since discover/8k_reduce": "supported",
        "discover/10k_augment changes augmentation since discover/10k_dropout": "supported",
        "discover/8k_augment changes augmentation since discover/8k_dropout": "supported",
        "discover/10k_lr changes schedule since discover/10k_augment": "supported",
        "discover/8k_lr changes schedule since discover/8k_augment": "supported",
        "in every run misses the goal": "supported",
        "has 4 relu": "supported",
        "ends in conv3x3 then global-average then flatten then linear then linear": "supported",
        "has a receptive field of 32": "supported",
        "pads 2 convolutions": "supported",
        "has 9,902 parameters": "supported",
    }
