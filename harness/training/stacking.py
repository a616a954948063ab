"""Whether networks of a step can be trained as one stack: two of them are, and each is alone, and must agree.

A stack runs the forward pass of one network for all of them, under `torch.vmap`, and a recorded graph not even that.
Right are therefore networks that differ in weights and buffers only, and a forward that changes nothing but these
buffers, in place.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from harness.data.synthetic import synthetic
from harness.device import out_of_memory
from harness.errors import ForeignError, described
from harness.recipe import Recipe
from harness.step import Step
from harness.training.augmentation import normalized
from harness.training.ensemble import EnsembleTrainer
from harness.training.network import classifier
from harness.training.trainer import SingleTrainer

Shapes = Mapping[str, torch.Size]

_SEEDS = (0, 1)
_STEPS = 2  # of training, so that the second begins with what the first has changed
_IMAGES = 32  # in a batch: enough to compare, and few for a wide network
_TOLERANCE = 1e-2
"""Of the size of all predictions, or of a buffer: a forward may ask for bfloat16, and a GPU computes in tf32."""


def refusal(step: type[Step], device: torch.device) -> str | None:
    """Why networks of a step cannot be trained as one stack, found out by training two; None if they can.

    On the CPU, and on the device if it is a GPU that is here. Raises HarnessError if they cannot be trained at all, and
    what torch raises where the device has no memory for them.
    """
    if device.type == "cuda" and device.index is None and torch.cuda.is_available():
        device = torch.device("cuda", torch.cuda.current_device())  # as which the data on it names it
    return _refusal(step, device)  # type: ignore[arg-type]  # a class is hashable


@lru_cache(maxsize=256)  # it takes seconds, and whoever makes a trainer on a GPU asks
def _refusal(step: type[Step], device: torch.device) -> str | None:
    cpu, gpu = torch.device("cpu"), device.type == "cuda" and torch.cuda.is_available()
    with torch.random.fork_rng(devices=[device] if gpu else []):
        models = []
        for seed in _SEEDS:
            torch.default_generator.manual_seed(seed)
            models.append(step.network())
        # Before the first forward, which may leave tensors behind for others to look at.
        tensors = [_attributes(model, Tensor) for model in models]
        if (why := _difference(models[0], *tensors)) is not None:
            return why
        try:
            models = [classifier(step, model, cpu) for model in models]
        except ForeignError as error:
            if gpu:
                return error.what  # it may be one that works on a GPU only
            raise
        shapes = {name: value.shape for name, value in tensors[0].items()}
        why = _disagreement(step, models, cpu, shapes)
        return _disagreement(step, models, device, shapes) if why is None and gpu else why


def _difference(model: nn.Module, own: dict[str, Any], others: dict[str, Any]) -> str | None:
    """What a stack would not know of its networks, or of their tensors that are no buffers."""
    for module in model.modules():
        if type(module).train is not nn.Module.train:
            return f"{type(module).__name__} has a train() of its own, which does not know of a stack"
    for name in _changed(own, others):
        return f"its networks differ in {name}, a tensor that is no buffer; register it as one"
    return None


def _disagreement(step: type[Step], models: Sequence[nn.Module], device: torch.device, shapes: Shapes) -> str | None:
    """What goes wrong in a stack of these networks, or otherwise than alone; `shapes` is that of `_side_effect`."""
    # By plain descent: Adam makes whole steps of gradients that are zero but for rounding, as before a normalization.
    rate = min(0.01, step.recipe.lr)
    recipe = Recipe(lr=rate, batch_size=_IMAGES, epochs=1, normalize=step.recipe.normalize)
    data = synthetic(_STEPS * _IMAGES).to(device)
    copies = [[deepcopy(model).to(device) for model in models] for _ in range(2)]
    each = [SingleTrainer(model, recipe, data, seed) for model, seed in zip(copies[0], _SEEDS, strict=True)]
    try:
        stack = EnsembleTrainer(copies[1], recipe, data, _SEEDS)
        stack.train_epoch()
        for trainer in each:
            if (why := _side_effect(trainer, shapes)) is not None:
                return why
        images = normalized(data.test_images, recipe.normalize)
        return None if _agree(stack, each, images) else "it computes something else in a stack than alone"
    except Exception as error:  # whatever torch says to being stacked
        if out_of_memory(error):
            raise
        return error.what if isinstance(error, ForeignError) else described(error)


def _side_effect(trainer: SingleTrainer, shapes: Shapes) -> str | None:
    """Train an epoch; what forward did in it that a stack or a recorded graph does not do for each network.

    `shapes` are those of the tensors that the constructor made beside weights and buffers. Where forward leaves one of
    another shape, or the size of a batch, that is for others to look at; so what one step leaves is compared with what
    the next one does.
    """
    model, buffers = trainer.model, dict(trainer.model.named_buffers())
    states: list[dict[str, Any]] = []

    def note(launched: int, of: int) -> None:
        tensors = {name: value.detach().clone() for name, value in _attributes(model, Tensor).items()}
        own = {name: value for name, value in tensors.items() if value.shape == shapes.get(name)}
        states.append(own | _attributes(model, int, float, str))

    trainer.on_steps = note
    trainer.train_epoch()
    for name, buffer in model.named_buffers():
        if buffers.get(name) is not buffer:
            return f"its forward assigns the buffer {name} instead of changing it in place, as copy_ does"
    for name in _changed(states[0], states[-1]):
        return f"its forward changes {name}, which is no buffer"
    return None


def _attributes(model: nn.Module, *kinds: type) -> dict[str, Any]:
    """The attributes of these types of all layers, by path; no weights or buffers, and not the mode."""
    return {
        f"{path}.{name}" if path else name: value
        for path, layer in model.named_modules()
        for name, value in vars(layer).items()
        if isinstance(value, kinds) and name != "training"
    }


def _changed(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """The names whose values differ; those that are new are what a forward leaves for others to look at."""
    return [name for name, value in before.items() if not _same(value, after.get(name))]


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor):
        return isinstance(other, Tensor) and one.shape == other.shape and bool(torch.equal(one, other))
    return bool(one == other or (one != one and other != other))


@torch.inference_mode()
def _agree(stack: EnsembleTrainer, each: Sequence[SingleTrainer], images: Tensor) -> bool:
    """Whether the networks of a stack predict what those predict that were trained alone, and have their buffers."""
    stack.network.eval()
    predicted = stack.forward(stack.weights, stack.buffers, images)
    for number, trainer in enumerate(each):
        own = {**dict(trainer.model.named_buffers()), "": trainer.model.eval()(images)}
        for name, value in own.items():
            stacked = (stack.buffers[name] if name else predicted)[number]
            one, other = _numbers(stacked), _numbers(value)
            if not (one - other).norm() <= _TOLERANCE * other.norm():
                return False
    return True


def _numbers(value: Tensor) -> Tensor:
    """A tensor in double precision, without what is not finite, such as the mask of an attention."""
    return (torch.view_as_real(value) if value.is_complex() else value).double().nan_to_num(0.0, 0.0, 0.0)
