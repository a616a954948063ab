"""A skeleton and two branches from it to 99.4 %: one with under 10,000 parameters, one with under 8,000.

A published group exercise (EVA6-Group-15/discover-architecture at commit 3807ba7, June 2021). The goal is 99.4 %, held,
within 15 epochs, of which it allows itself 14, and under 10,000 parameters, better under 8,000. Both branches go the
same way: first the network, then dropout, rotation and a learning rate that falls.

The text says that the goal is reached in six iterations; a branch has five, with the skeleton, and both together nine.
Six is the number of notebooks for the second branch. They begin with a skeleton of its own of 9,714 parameters, from
which that branch really descends, and end with a network of 7,946 parameters, which is the second of the two published
tables of receptive fields and no step of the text.

Both tables list the global average with a stride of 1 and leave the jump at 2 after it; with one position left, neither
says anything.

Everything is read from the notebooks, except for the loss, which is taken to be the mean negative log-likelihood. What
was published is one run a step with the seed 1, and the best of 14 epochs chosen on the test set; training accuracy is
counted while the weights change.
"""

from harness.ladder import AtMost, Exactly, Rules

RULES = Rules(
    steps=Exactly(6),
    parameters=AtMost(9_999),
    epochs=AtMost(14),
    branches={"discover/8k_lr": AtMost(7_999)},
    broken=frozenset({"steps"}),
)
