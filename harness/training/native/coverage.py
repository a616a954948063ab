"""Which steps the kernels train, by what trainer, and what that says of itself."""

from typing import Any

import torch

from harness.data import MNIST
from harness.errors import HarnessError
from harness.run import NATIVE
from harness.step import Step
from harness.training.native import initial, library
from harness.training.native.operations import NotCoveredError
from harness.training.native.plan import plan_of
from harness.training.native.self_check import fault, wrong_predictions
from harness.training.native.trainer import NativeTrainer, refusal_of
from harness.training.network import classifier
from harness.training.trainer import with_validation_split

NUMERICS = 1
"""The number of the arithmetic: runs of one seed that have it in common are equal to the last bit."""
WIDEST, FEWEST_USES = 100_000, 16
"""Of more parameters each must be used as often in an image: those of linear maps are used once, and oneDNN, which
takes all images of a batch together, is faster there; measured in docs/speed.md."""


def refusal(step: type[Step]) -> str | None:
    """Why the kernels do not train a step on this machine, or train it more slowly; None if they do."""
    if refused := refusal_of(step.recipe):
        return refused
    network = classifier(step, step.network(), torch.device("cpu"))
    try:
        plan = plan_of(network)
        parameters = sum(parameter.numel() for parameter in plan.parameters)
        if parameters > max(WIDEST, plan.multiplications / FEWEST_USES):
            return f"oneDNN is faster, since of {parameters:,} parameters most are used in few places of an image"
        library.settings_of(step.recipe, seed=0)
        if refused := initial.refusal_of(step.network):
            return refused
        return fault() or wrong_predictions(network, step.recipe)
    except NotCoveredError as error:
        return str(error)


def made() -> dict[str, Any]:
    """What the provenance of a native run says of it, beside the step and the machine."""
    built = library.built()
    return {
        "trainer": NATIVE,
        "numerics": NUMERICS,
        "compiler": built.compiler,
        "flags": built.flags,
    }


def native_trainer(step: type[Step], seed: int, data: MNIST) -> NativeTrainer:
    """The trainer of one seed, before its first epoch. Seeds torch's global generator.

    Raises HarnessError if the kernels do not train the step, or if they are not right on this machine.
    """
    if why := fault():
        raise HarnessError(f"{step.id} is not trained by the native kernels: {why}")
    try:
        model = classifier(step, initial.initialized(step.network, seed), torch.device("cpu"))
        return NativeTrainer(model, step.recipe, with_validation_split(step.recipe, data), seed)
    except NotCoveredError as error:
        raise HarnessError(f"{step.id} is not trained by the native kernels: {error}; use --trainer eager") from error
