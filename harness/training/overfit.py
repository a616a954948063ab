"""Overfitting one batch: does the recipe lower the loss of the network at all? Needs no data."""

from dataclasses import replace

import torch
from torch import nn

from harness.data.synthetic import synthetic
from harness.step import Step
from harness.training.augmentation import normalized
from harness.training.network import prepared
from harness.training.seeding import seeded
from harness.training.trainer import SingleTrainer

_DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)


def overfit_one_batch(step: type[Step]) -> tuple[float, float]:
    """The loss on one synthetic batch before and after three steps of the recipe's optimizer on it.

    Without layers of dropout and augmentation, at the learning rate of the first step.
    """
    data = synthetic(32)
    with torch.random.fork_rng(devices=[]), seeded(0):
        model = prepared(step, step.network(), torch.device("cpu"))
        trainer = SingleTrainer(model, replace(step.recipe, drop_last=False), data, seed=0)
        trainer.set_rate(0)
        model.train()
        for module in model.modules():
            if isinstance(module, _DROPOUTS):
                module.eval()
        images = normalized(data.train_images, step.recipe.normalize)
        losses = [trainer.train_step(images, data.train_labels)[0].item() for _ in range(3)]
        with torch.no_grad():
            after = trainer.objective(images, model(images), data.train_labels).item()
    return losses[0], after
