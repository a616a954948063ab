"""Five steps from a plain network to 99.4 %, with under 10,000 parameters and in 15 epochs.

A published exercise in designing a network one idea at a time (shan18/EVA4 at commit 51e0a79, "05 - Coding Drill
Down", notebooks 1 to 5, February 2020, torch 1.4): get the skeleton right, make it small, normalize, decay the
learning rate, regularize. The goal it sets is 99.4 % test accuracy within 15 epochs, with fewer than 10,000 parameters
and in at least 5 steps; nobody says that it is held.

What was published is one run a step with the seed 1, and the best of 15 epochs chosen on the test set; training
accuracy is counted while the weights change. One test accuracy near 99.4 % has a binomial standard error of 0.077
points, so that a difference such as 99.45 against 99.46, one image, says nothing by itself.

The initial weights of the originals cannot be had again bit for bit: the notebooks draw a network for a summary table
after seeding and train a second one.
"""

from harness.ladder import AtLeast, AtMost, Rules

RULES = Rules(steps=AtLeast(5), parameters=AtMost(9_999), epochs=AtMost(15))
