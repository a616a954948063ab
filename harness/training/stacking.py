"""Whether networks of a step can be trained as one stack."""

from copy import deepcopy
from dataclasses import replace

import torch
from torch import nn

from harness.data.synthetic import synthetic
from harness.errors import ForeignError, described
from harness.step import Step
from harness.training.ensemble import EnsembleTrainer
from harness.training.network import classifier
from harness.training.trainer import SingleTrainer

_ROUNDING = 0.01


def refusal(step: type[Step], device: torch.device) -> str | None:
    """Why networks of a step cannot be trained as one stack, found out by a training step of two; None if they can.

    On the CPU if the device is not here. Raises HarnessError if they cannot be trained at all.
    """
    device, seeds = device if torch.cuda.is_available() else torch.device("cpu"), (0, 1)
    data, recipe = synthetic(step.recipe.batch_size).to(device), replace(step.recipe, drop_last=False)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        models = [classifier(step, step.network().to(device), device) for _ in seeds]
        for module in models[0].modules():
            if type(module).train is not nn.Module.train:
                return f"{type(module).__name__} has a train() of its own, which does not know of a stack"
        each = [SingleTrainer(deepcopy(model), recipe, data, seed) for model, seed in zip(models, seeds, strict=True)]
        try:
            stack = EnsembleTrainer(models, recipe, data, seeds)
            for trainer in (stack, *each):
                trainer.train_epoch()
            found = stack.test()
        except ForeignError as error:
            return error.what
        except Exception as error:  # whatever torch says to being stacked
            return described(error)
    expected = [trainer.test()[0].loss for trainer in each]
    if any(abs(one.loss - loss) > _ROUNDING * abs(loss) for one, loss in zip(found, expected, strict=True)):
        return "it computes something else in a stack than alone"
    return None
