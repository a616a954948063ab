"""Batch normalization of S networks at once: under `torch.vmap`, their S times C maps are the channels of one network.

A convolution of stacked networks leaves their maps side by side, as the next one wants them. torch's own rule copies
them out of that order and back, and multiplies by the weights in operations of their own.
"""

from typing import Any

from torch import Tensor, nn
from torch.autograd import Function
from torch.nn import functional as F


class StackedBatchNorm2d(nn.BatchNorm2d):
    """`torch.nn.BatchNorm2d` for S stacked networks; only under `torch.vmap`."""

    def forward(self, input: Tensor) -> Tensor:
        """Maps (N, C, H, W) of each network, with weights and running statistics (C,) of its own."""
        self._check_input_dim(input)
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        own = self.running_mean, self.running_var, self.weight, self.bias
        output: Tensor = _Normalize.apply(input, *own, self.training, self.momentum, self.eps)
        return output


class _Normalize(Function):
    # Has no gradient of its own: under vmap, it is that of the batch normalization below.

    @staticmethod
    def forward(*arguments: Any) -> Tensor:
        return F.batch_norm(*arguments)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        pass

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], input: Tensor, *rest: Any) -> tuple[Tensor, int]:
        networks, own, settings = info.batch_size, rest[:4], rest[4:]
        maps = side_by_side(input, in_dims[0], networks)
        output = F.batch_norm(maps.flatten(1, 2), *(one.view(-1) for one in own), *settings)
        return output.unflatten(1, (networks, -1)), 1


def side_by_side(input: Tensor, dim: int | None, networks: int) -> Tensor:
    """The inputs (N, S, ...) of S networks that lie along that dimension; None if all have the same."""
    return input.unsqueeze(1).expand(-1, networks, *input.shape[1:]) if dim is None else input.movedim(dim, 1)


def replace(model: nn.Module) -> None:
    """Make every `torch.nn.BatchNorm2d` of a network a stacked one, if it has weights and a running average."""
    for module in model.modules():
        usual = type(module) is nn.BatchNorm2d and module.affine and module.track_running_stats
        if usual and module.momentum is not None:
            module.__class__ = StackedBatchNorm2d
