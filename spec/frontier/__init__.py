"""Our own ladder: 99.4 % held for every seed, with fewer than 8,000 parameters, in 15 epochs.

Nothing here was chosen on the test set. The widths of the last step, the rate and the augmentation were compared on
10,000 training images held out (see `spec/frontier/selection.md`), the choice was frozen, and then trained on all
60,000 images and tested once a seed.

Every step keeps the trunk of the first: two 3x3 convolutions at full size, a max-pool, three more, a 1x1 convolution to
ten class maps and their global average.
"""

from harness.ladder import Rules

RULES = Rules(steps=5, parameters=7_999, epochs=15)
