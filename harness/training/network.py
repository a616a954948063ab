"""The network of a step as it is trained: checked, in a memory layout that suits it, ending in log-probabilities.

A network may return log-probabilities or logits; a log-softmax follows the latter, as a hook, so that names of weights,
copies and functional calls are as they were. Which of both is seen in its output. Whatever is drawn here leaves torch's
global generator alone.
"""

import warnings
from copy import deepcopy
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from harness.device import forked, layout
from harness.errors import HarnessError, foreign_call
from harness.step import Step

Output = Literal["log-probabilities", "logits"]

_CLOSE = 1e-3
_IMAGES = 7  # fewer than classes, so that a norm over the batch is none over classes


def prepared(step: type[Step], model: nn.Module, device: torch.device) -> nn.Module:
    """The network on a device, ready to train in batches of the recipe; HarnessError as `check_output`."""
    return classifier(step, arranged(model, device, step.recipe.batch_size), device)


def classifier(step: type[Step], model: nn.Module, device: torch.device) -> nn.Module:
    """The network, which from now on returns log-probabilities; HarnessError as `check_output`."""
    if check_output(step.id, model, device) == "logits":
        model.register_forward_hook(_log_softmax)
    return model


def returns_logits(model: nn.Module) -> bool:
    """Whether a log-softmax was put behind the forward of this network."""
    return _log_softmax in model._forward_hooks.values()


def _log_softmax(model: nn.Module, arguments: Any, logits: Tensor) -> Tensor:
    return F.log_softmax(logits, dim=1)


def arranged(model: nn.Module, device: torch.device, batch_size: int = 2) -> nn.Module:
    """The network on a device, in the layout of `harness.device.layout` if it works in that, else contiguous.

    One that takes a `view` of a map works in the second only.
    """
    model = model.to(device)
    preferred = layout(device)
    if preferred != torch.contiguous_format and not _works(model, batch_size, preferred):
        preferred = torch.contiguous_format if _works(model, batch_size, torch.contiguous_format) else preferred
    return model.to(memory_format=preferred)


def _works(model: nn.Module, batch_size: int, order: torch.memory_format) -> bool:
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad(), warnings.catch_warnings(), foreign_call("it"):
            warnings.simplefilter("ignore")  # they come again
            tried = deepcopy(model).to(memory_format=order)
            for training in (True, False) if model.training else (False,):
                tried.train(training)(torch.zeros(batch_size, 1, 28, 28))
    except HarnessError:  # whatever the forward of somebody's network raises, it will raise again
        return False
    return True


def check_output(name: str, model: nn.Module, device: torch.device) -> Output:
    """What the model makes of N x 1 x 28 x 28 images: N x 10 log-probabilities or logits.

    Puts it into evaluation mode. Raises HarnessError, whose message begins with the name, if it returns anything else:
    another shape, probabilities, or what is normalized over anything but the classes; and if there is nothing to train.
    """
    model.eval()
    with forked(device), torch.no_grad():
        with foreign_call("its forward pass", name):
            output = model(torch.zeros(2, 1, 28, 28, device=device))
        shape = " x ".join(map(str, output.shape)) if isinstance(output, Tensor) else f"a {type(output).__name__}"
        if shape != "2 x 10":
            raise HarnessError(f"{name}: the model turns 2 x 1 x 28 x 28 into {shape}, not 2 x 10")
        if not output.is_floating_point():
            raise HarnessError(f"{name}: the model returns {output.dtype}, not floating-point numbers")
        if not any(weight.requires_grad for weight in model.parameters()):
            raise HarnessError(f"{name}: the model has no parameters to train")
        with foreign_call("its forward pass", name):
            outputs = _generic_outputs(model, device)
    wrong = _fault(outputs)
    if wrong:
        raise HarnessError(f"{name}: the model returns {wrong}; return logits, or log_softmax of them with dim=1")
    return "log-probabilities" if _normalized(outputs, 1) else "logits"


def _generic_outputs(model: nn.Module, device: torch.device) -> Tensor:
    """The outputs (N, 10) for random images, with weights near those of the model.

    A last layer of zeros makes logits look like something else, and no change of weights does so with a softmax. Where
    all outputs are the same, the weights are far from those of the model: it may be that a ReLU lets nothing pass.
    """
    generator = torch.Generator().manual_seed(0)

    def normal(like: Tensor) -> Tensor:
        return torch.randn(like.shape, generator=generator).to(like)

    images = normal(torch.empty(_IMAGES, 1, 28, 28, device=device))
    own: Tensor = model(images)
    for scale in (0.01, 1.0):
        floats = {name: weight for name, weight in model.named_parameters() if weight.is_floating_point()}
        near = {name: weight + scale * normal(weight) for name, weight in floats.items()}
        outputs: Tensor = functional_call(model, near, (images,))
        if outputs.isnan().any():
            return own
        if not _constant(outputs):
            break
    return outputs


def _constant(outputs: Tensor) -> bool:
    return bool((outputs - outputs[0, 0]).abs().max() < 1e-6)


def _normalized(outputs: Tensor, over: int | tuple[int, ...]) -> bool:
    """Whether these are log-probabilities over one dimension or both."""
    return bool(outputs.logsumexp(over).abs().max() < _CLOSE)


def _fault(outputs: Tensor) -> str | None:
    """What is wrong with outputs that are neither log-probabilities nor logits; None for those that are."""
    if _normalized(outputs, 1):
        return None
    for over, name in ((1, ""), (0, " over the batch"), ((0, 1), " over batch and classes together")):
        if _normalized(outputs, over):
            return f"log-probabilities{name} and not over the classes"
        if outputs.min() >= 0 and (outputs.sum(over) - 1).abs().max() < _CLOSE:
            return f"probabilities{name}"
    if _constant(outputs):
        return f"{outputs[0, 0].item():g} for every class of every image, as a softmax over a dimension of one does"
    return None
