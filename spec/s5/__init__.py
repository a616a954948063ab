"""Ten codes from 6.4 million parameters to 99.5 %: the worked example of a course on the design of networks.

Set up, find a skeleton, make it light, normalize, regularize, average globally, add capacity, pool in the right place,
augment, and schedule the learning rate (lesson 5 of EVA4, 2020). Its target is 99.4 % within 20 epochs, with fewer than
20,000 parameters, which its last code keeps; code 5 trains for 25 epochs. Only then it sets its students a new target,
which `five_steps` answers: 99.4 %, fewer than 10,000 parameters, 15 epochs, at least five steps.

What ran is read from the notebooks EVA4S5F1 to F10 as students saved them without running a cell: F1 to F7 and F9 in
sumankanukollu/EVA_4, F8 in Gaju27/eva4 at cb4c03f, F10 in karthikeyanmurugesan/EVA4 at b32b550. F1 to F4 and F10 have
second copies with the same log.

What was published is one run a code with the seed 1 and the best of its epochs, chosen on the test set; training
accuracy is counted while the weights change. All train with batches of 128 at a constant rate of 0.01. For codes 1, 3,
6 and 8 a figure in the text is not the one in the log: the line "Published" gives the text's, the Notes the log's. A
receptive field above 28 reaches beyond the image.
"""

from harness.ladder import AtMost, Exactly, Rules

RULES = Rules(steps=Exactly(10), parameters=AtMost(19_999), epochs=AtMost(20))
