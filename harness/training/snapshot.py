"""Everything that the next epoch depends on, as tensors by name: captured as copies, restored in place.

That is the weights and buffers of the networks, the state of the optimizer, which of SGD is the momentum, and that of
every generator. The learning rate is not part of it, being a function of the epoch and of what else is there.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.optim import Optimizer

State = dict[str, Tensor]
Generators = Mapping[str, Sequence[torch.Generator]]


def global_generators(device: torch.device) -> dict[str, torch.Generator]:
    """Those that `torch.rand` and `F.dropout` draw from, by name: on a GPU there is one for its tensors as well."""
    generators = {"global": torch.default_generator}
    if device.type == "cuda":
        index = torch.cuda.current_device() if device.index is None else device.index
        generators["device"] = torch.cuda.default_generators[index]
    return generators


def capture(live: Mapping[str, Tensor], optimizer: Optimizer | None, generators: Generators) -> State:
    """Contiguous copies on the CPU of the live tensors and of the states of optimizer, if any, and generators."""
    everything = {**live, **_of_optimizer(optimizer), **_generator_states(generators)}
    return {
        name: value.detach().cpu().clone(memory_format=torch.contiguous_format) for name, value in everything.items()
    }


def restore(live: Mapping[str, Tensor], optimizer: Optimizer | None, generators: Generators, state: State) -> None:
    """Restore the live tensors, the optimizer and the generators to a captured state, in place.

    Raises ValueError if the state is of another network: other names, shapes, types or generators.
    """
    if optimizer is not None:
        _begin(optimizer, state)
    own = {**live, **_of_optimizer(optimizer)}
    _check({**own, **_generator_states(generators)}, state)
    for name, several in generators.items():
        for generator, generator_state in zip(several, state.get(f"generator.{name}", ()), strict=True):
            try:
                generator.set_state(generator_state.clone())  # set_state ignores the offset of a row in its tensor
            except RuntimeError as error:
                raise ValueError(f"generator.{name} is no state of a generator: {error}") from error
    with torch.no_grad():
        for name, value in own.items():
            value.copy_(state[name])


def _names(optimizer: Optimizer, index: int) -> str:
    # How the state of the weight of that index is called, with the key of torch in place of {}.
    return f"momentum.{index}" if isinstance(optimizer, torch.optim.SGD) else f"optimizer.{index}.{{}}"


def _weights(optimizer: Optimizer) -> list[Tensor]:
    return [weight for group in optimizer.param_groups for weight in group["params"]]


def _of_optimizer(optimizer: Optimizer | None) -> State:
    if optimizer is None:
        return {}
    # Before the first step no weight has any state.
    return {
        _names(optimizer, index).format(key): value
        for index, weight in enumerate(_weights(optimizer))
        for key, value in optimizer.state[weight].items()
        if value is not None
    }


def _begin(optimizer: Optimizer, state: State) -> None:
    """Give each weight the state, of zeros, that a captured one has of it.

    In the layout of the weight, as fused optimizers expect; only the number of steps is a scalar.
    """
    keys = {"momentum_buffer"} if isinstance(optimizer, torch.optim.SGD) else _KEYS
    for index, weight in enumerate(_weights(optimizer)):
        for key in keys:
            saved = state.get(_names(optimizer, index).format(key))
            if saved is not None:
                like = torch.zeros((), dtype=saved.dtype, device=weight.device) if key == "step" else weight
                optimizer.state[weight][key] = torch.zeros_like(like)


_KEYS = {"step", "acc_delta", "exp_avg", "exp_avg_sq", "max_exp_avg_sq", "square_avg", "grad_avg", "momentum_buffer"}
"""Of the states of Adadelta, Adam, AdamW and RMSprop."""


def _generator_states(generators: Generators) -> State:
    # (S, bytes) uint8 for the generators of S networks
    return {
        f"generator.{name}": torch.stack([generator.get_state() for generator in several])
        for name, several in generators.items()
        if several
    }


def _check(own: State, state: State) -> None:
    """Raise ValueError unless a state has the tensors of this one: their names, shapes and types."""
    if own.keys() != state.keys():
        raise ValueError(f"it has not the same tensors: {', '.join(sorted(own.keys() ^ state.keys())[:3])}")
    for name, value in state.items():
        if value.shape != own[name].shape or value.dtype != own[name].dtype:
            raise ValueError(
                f"{name} is {tuple(value.shape)} {value.dtype}, not {tuple(own[name].shape)} {own[name].dtype}"
            )
