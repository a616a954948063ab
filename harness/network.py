"""A new network, of whatever builds one, with weights of known shapes."""

import inspect
from collections.abc import Callable, Sequence
from itertools import chain

import torch
from torch import nn

from harness.errors import HarnessError, foreign_call


def new_network(build: Callable[[], nn.Module], whose: str, image: Sequence[int] = (1, 28, 28)) -> nn.Module:
    """What `build` returns. Lazy layers have taken their shapes from an image of channels x rows x columns.

    Raises HarnessError if that is no network of one batch of images, or if the code behind it fails.
    """
    with foreign_call("its constructor", whose):
        network = _unwrapped(build())
    if not isinstance(network, nn.Module):
        raise HarnessError(f"{whose}: its constructor gives {type(network).__name__}, which is no torch.nn.Module")
    _check_inputs(network, whose)
    if any(map(nn.parameter.is_lazy, chain(network.parameters(), network.buffers()))):
        mode = network.training
        with foreign_call(f"its forward pass of 2 x {' x '.join(map(str, image))}", whose), torch.no_grad():
            network.eval()(torch.zeros(2, *image))
        network.train(mode)
    return network


def _unwrapped(network: nn.Module) -> nn.Module:
    """The network inside what runs it faster and computes the same: torch.compile, or copies on several devices."""
    inside = network.module if isinstance(network, nn.DataParallel) else getattr(network, "_orig_mod", network)
    return network if inside is network else _unwrapped(inside)


def _check_inputs(network: nn.Module, whose: str) -> None:
    try:
        signature = inspect.signature(network.forward)
    except (TypeError, ValueError):
        return  # it is written in C
    try:
        signature.bind(None)
    except TypeError as error:
        names = ", ".join(signature.parameters) or "nothing"
        raise HarnessError(f"{whose}: its forward takes {names}, where a batch of images is all there is") from error
