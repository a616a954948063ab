"""Everything that the next epoch depends on, as tensors by name: captured as copies, restored in place.

That is the weights and buffers of the networks, the momentum of the optimizer and the state of every generator. The
learning rate is not part of it, being a function of the epoch.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

State = dict[str, Tensor]
Generators = Mapping[str, Sequence[torch.Generator]]


def capture(live: Mapping[str, Tensor], optimizer: torch.optim.SGD, generators: Generators) -> State:
    """Contiguous copies on the CPU of the live tensors, the momentum and the generators."""
    everything = {**live, **_momentum(optimizer), **_generator_states(generators)}
    return {
        name: value.detach().cpu().clone(memory_format=torch.contiguous_format) for name, value in everything.items()
    }


def restore(live: Mapping[str, Tensor], optimizer: torch.optim.SGD, generators: Generators, state: State) -> None:
    """Restore the live tensors, the momentum and the generators to a captured state, in place.

    Raises ValueError if the state is of another network: other names, shapes, types or generators.
    """
    if any(name.startswith("momentum.") for name in state):
        for weight in _weights(optimizer):
            # In the layout of the weight, as the fused optimizer expects. Zeros equal no momentum: 0 * m + g = g.
            optimizer.state[weight]["momentum_buffer"] = torch.zeros_like(weight)
    own = {**live, **_momentum(optimizer)}
    check({**own, **_generator_states(generators)}, state)
    with torch.no_grad():
        for name, value in own.items():
            value.copy_(state[name])
    for name, several in generators.items():
        for generator, generator_state in zip(several, state[f"generator.{name}"], strict=True):
            try:
                generator.set_state(generator_state.clone())  # set_state ignores the offset of a row in its tensor
            except RuntimeError as error:
                raise ValueError(f"generator.{name} is no state of a generator: {error}") from error


def _weights(optimizer: torch.optim.SGD) -> list[Tensor]:
    return [weight for group in optimizer.param_groups for weight in group["params"]]


def _momentum(optimizer: torch.optim.SGD) -> State:
    # By the index of the weight; before the first step no weight has one.
    buffers = [optimizer.state[weight].get("momentum_buffer") for weight in _weights(optimizer)]
    return {f"momentum.{index}": buffer for index, buffer in enumerate(buffers) if buffer is not None}


def _generator_states(generators: Generators) -> State:
    # (S, bytes) uint8 for the generators of S networks
    return {
        f"generator.{name}": torch.stack([generator.get_state() for generator in several])
        for name, several in generators.items()
    }


def check(own: State, state: State) -> None:
    """Raise ValueError unless a state has the tensors of this one: their names, shapes and types."""
    if own.keys() != state.keys():
        raise ValueError(f"it has not the same tensors: {', '.join(sorted(own.keys() ^ state.keys())[:3])}")
    for name, value in state.items():
        if value.shape != own[name].shape or value.dtype != own[name].dtype:
            raise ValueError(
                f"{name} is {tuple(value.shape)} {value.dtype}, not {tuple(own[name].shape)} {own[name].dtype}"
            )
