"""Four steps from a million parameters to 99.4 % with 9,904, in 15 epochs.

A published exercise (anubhabPanda/TSAI-EVA5 at commit cf89e05, "Week5", notebooks Step1 to Step4, August 2020), known
in two copies of its text that differ in a dropout rate. The goal: 99.4 % or more in the last few epochs, fewer than
10,000 parameters, at most 15 epochs, in exactly four steps of which each says why its target is what it is.

Images are normalized with a mean of 0.1309 and a standard deviation of 0.3084, which are the statistics of training and
test images together, a small look at the test set; those of the training images alone are 0.1307 and 0.3081. That is
reproduced.

What was published is one run a step with the seed 1, and the best of 15 epochs chosen on the test set; training
accuracy is counted while the weights change. Text and logs agree on every figure under "Published".
"""

from harness.ladder import AtMost, Exactly, Rules

RULES = Rules(steps=Exactly(4), parameters=AtMost(9_999), epochs=AtMost(15))
