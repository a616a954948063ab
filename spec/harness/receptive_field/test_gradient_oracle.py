"""The gradient oracle, by which the analysis is tested, on networks whose pixels are listed by hand."""

import torch
import torch.nn.functional as F
from torch import nn

from spec.harness.receptive_field.field_networks import Net, conv
from spec.harness.receptive_field.gradient_oracle import changes, gradient_field, lines


class TestOracle:
    def test_reads_what_a_convolution_reads(self) -> None:
        field = gradient_field(nn.Sequential(conv(3, dilation=2), nn.ReLU()), (1, 9, 9))
        assert field.region((1, 2)) == ([1, 3, 5], [2, 4, 6])

    def test_is_not_fooled_by_saturation_cancellation_or_a_maximum(self) -> None:
        net = Net(lambda _, x: torch.sigmoid(1e9 * F.max_pool2d(x, 2)) - F.avg_pool2d(x, 2))
        assert gradient_field(net, (1, 4, 4)).region((1, 0)) == ([2, 3], [0, 1])

    def test_keeps_gates_out_unless_asked(self) -> None:
        net = Net(lambda _, x: x * torch.sigmoid(x.mean((2, 3), keepdim=True)))
        assert gradient_field(net, (1, 4, 4)).region((1, 0)) == ([1], [0])
        assert gradient_field(net, (1, 4, 4), gates=True).region((1, 0)) == ([0, 1, 2, 3], [0, 1, 2, 3])

    def test_finds_without_a_derivative_what_is_only_compared(self) -> None:
        changed = changes(Net(lambda _, x: x[:, :, 1:] > x[:, :, :1, :1]), (1, 3, 2))
        assert [lines(changed[0, 0, 1, column]) for column in range(2)] == [([0, 2], [0]), ([0, 2], [0, 1])]
