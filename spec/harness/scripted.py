"""A stand-in for training: runs that come out as a test says, without a step of gradient descent."""

from collections.abc import Callable, Iterable

from harness.step import StepSpec
from harness.train import Epoch, History, OnEpoch


def scripted(*accuracies: float) -> Callable[..., list[History]]:
    """A function in place of `harness.train.train`: seed k has the k-th test accuracy in every epoch, in no time."""

    def train(
        step: type[StepSpec],
        seeds: Iterable[int],
        device: object,
        *,
        epochs: int | None = None,
        data: object = None,
        on_epoch: OnEpoch,
    ) -> list[History]:
        histories = []
        for seed in seeds:
            run = [Epoch(n, 98.5, accuracies[seed], 0.05, 2.0) for n in range(1, (epochs or step.recipe.epochs) + 1)]
            for epoch in run:
                on_epoch(step, seed, epoch)
            histories.append(History(step, seed, tuple(run)))
        return histories

    return train
