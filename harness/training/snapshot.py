"""The state of a training between two epochs: tensors by name, taken as copies and put back in place.

It is all that the epochs to come depend on: what the networks hold, the momentum of the optimizer and every generator.
The schedule is a function of the number of epochs behind.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

State = dict[str, Tensor]
Generators = Mapping[str, Sequence[torch.Generator]]


def capture(live: Mapping[str, Tensor], optimizer: torch.optim.SGD, generators: Generators) -> State:
    """Copies, on the CPU and contiguous, of what is live, of the momentum and of the generators."""
    everything = {**live, **momentum(optimizer), **generator_states(generators)}
    return {
        name: value.detach().cpu().clone(memory_format=torch.contiguous_format) for name, value in everything.items()
    }


def restore(live: Mapping[str, Tensor], optimizer: torch.optim.SGD, generators: Generators, state: State) -> None:
    """Make everything as it was when `state` was taken, in place.

    Raises ValueError if the state is not of this network: another name, shape, type or kind of generator.
    """
    if any(name.startswith("momentum.") for name in state):
        for weight in weights(optimizer):
            # Laid out as the weight is, which the fused optimizer relies on. Zeros are as good as none: 0 * m + g = g.
            optimizer.state[weight]["momentum_buffer"] = torch.zeros_like(weight)
    own = {**live, **momentum(optimizer)}
    check({**own, **generator_states(generators)}, state)
    with torch.no_grad():
        for name, value in own.items():
            value.copy_(state[name])
    for name, several in generators.items():
        for generator, drawn_so_far in zip(several, state[f"generator.{name}"], strict=True):
            try:
                generator.set_state(drawn_so_far.clone())  # a row of a tensor is read from the wrong place
            except RuntimeError as error:
                raise ValueError(f"generator.{name} is no state of a generator: {error}") from error


def weights(optimizer: torch.optim.SGD) -> list[Tensor]:
    """What the optimizer changes, in its order."""
    return [weight for group in optimizer.param_groups for weight in group["params"]]


def momentum(optimizer: torch.optim.SGD) -> State:
    """The momentum of each weight that has one, by the place of the weight."""
    buffers = [optimizer.state[weight].get("momentum_buffer") for weight in weights(optimizer)]
    return {f"momentum.{place}": buffer for place, buffer in enumerate(buffers) if buffer is not None}


def generator_states(generators: Generators) -> State:
    """The states of the generators, (S, bytes) uint8 for S networks."""
    return {
        f"generator.{name}": torch.stack([generator.get_state() for generator in several])
        for name, several in generators.items()
    }


def check(own: State, state: State) -> None:
    """Raise ValueError unless both have the same names with the same shapes and types."""
    if own.keys() != state.keys():
        raise ValueError(f"it has not the same tensors: {', '.join(sorted(own.keys() ^ state.keys())[:3])}")
    for name, value in state.items():
        if value.shape != own[name].shape or value.dtype != own[name].dtype:
            raise ValueError(
                f"{name} is {tuple(value.shape)} {value.dtype}, not {tuple(own[name].shape)} {own[name].dtype}"
            )
