"""Whether a network computes what the operations of its traced graph do, in training and in evaluation.

A graph has the operations of a forward pass and not what surrounds them: the mode that each layer is in, whether there
are gradients, the precision, and a backward pass that is none of theirs. So both run in torch, with the same weights,
images and random draws, and what they come to is compared; nothing need be built for that, and nothing is rounded
otherwise. It sees two steps: what changes in a later one, as a dropout that counts them, is not seen.
"""

from collections.abc import Callable, Iterable
from copy import deepcopy

import torch
from torch import Tensor, fx, nn

IMAGES = 4
STEPS = 2
"""A forward pass may leave a layer in another mode for the next one."""
TOLERANCE = 1e-4  # relative; autocast to bfloat16 is 4e-3 away


def disagreement(network: nn.Module, graph: fx.Graph) -> str | None:
    """What a network computes otherwise than the operations of its graph; None if nothing."""
    copies = deepcopy(network), deepcopy(network)
    with torch.random.fork_rng(devices=[]):
        own = _results(copies[0], copies[0])
        plain = _results(copies[1], fx.GraphModule(copies[1], graph))
    return next((name for name in own if not _close(own[name], plain[name])), None)


def _results(network: nn.Module, computation: nn.Module) -> dict[str, Tensor]:
    """What training and evaluation by a computation with the weights of a network come to. The network is changed."""
    forward: Callable[[Tensor], Tensor] = computation.forward  # without the log-softmax that may be put behind it
    torch.default_generator.manual_seed(0)  # not that of a GPU, which the caller does not restore
    images = torch.randn(IMAGES, 1, 28, 28)
    computation.train()
    outputs = []
    for _ in range(STEPS):
        outputs.append(forward(images))
        if outputs[-1].requires_grad:
            (outputs[-1] * torch.linspace(-1, 1, outputs[-1].numel()).view_as(outputs[-1]) ** 3).sum().backward()
    gradients = [torch.zeros_like(one) if one.grad is None else one.grad for one in network.parameters()]
    statistics = [one for one in network.buffers() if one.is_floating_point()]
    computation.eval()
    return {
        "outputs in training": _flat(outputs),
        "gradients": _flat(gradients),
        "running statistics": _flat(statistics),
        "predictions": _flat([forward(images)]),
    }


def _flat(tensors: Iterable[Tensor]) -> Tensor:
    return torch.cat([torch.empty(0), *(tensor.detach().flatten() for tensor in tensors)]).double().nan_to_num()


def _close(one: Tensor, other: Tensor) -> bool:
    return bool((one - other).norm() <= TOLERANCE * other.norm())
