"""Recurrent layers and attention: what each step and token reads, against plain derivatives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.receptive_field import NoRuleError, receptive_field
from spec.harness.receptive_field.field_networks import Net
from spec.harness.receptive_field.gradient_oracle import plain_mask, plain_region

SIZE = (1, 8, 6)
ROWS, COLUMNS = list(range(8)), list(range(6))
KINDS = (nn.RNN, nn.LSTM, nn.GRU)


def steps(m: Any, x: Tensor) -> Tensor:
    result: Tensor = m.layer(x[:, 0])[0]
    return result


def rows(kind: Any, **more: Any) -> nn.Module:
    return Net(steps, layer=kind(6, 5, batch_first=True, **more))


@pytest.mark.parametrize("kind", KINDS)
class TestRecurrent:
    @pytest.mark.parametrize("more", [{}, {"num_layers": 2}, {"bias": False}], ids=["plain", "two", "no_bias"])
    def test_a_step_over_rows_reads_the_rows_up_to_it(self, kind: Any, more: dict[str, Any]) -> None:
        net = rows(kind, **more)
        field = receptive_field(net, SIZE)
        assert (field.size, field.shape, field.is_global) == ((8, 6), (8, 1), False)
        assert field.aligned  # one path, as a kernel is
        for step in (0, 3, 7):
            assert field.region((step, 0)) == plain_region(net, SIZE, (0, step)) == (ROWS[: step + 1], COLUMNS)

    def test_the_last_step_and_the_last_state_read_everything(self, kind: Any) -> None:
        net = Net(lambda m, x: m.layer(x[:, 0])[0][:, -1], layer=kind(6, 5, batch_first=True))
        assert (receptive_field(net, SIZE).size, receptive_field(net, SIZE).is_global) == ((8, 6), True)
        state = receptive_field(rows(kind), SIZE, at="layer.1" if kind is not nn.LSTM else "layer.1.0")
        assert (state.size, state.is_global) == ((8, 6), True)

    def test_in_both_directions_a_step_reads_everything(self, kind: Any) -> None:
        net = rows(kind, bidirectional=True)
        field = receptive_field(net, SIZE)
        assert (field.size, field.is_global) == ((8, 6), True)
        assert field.region((0, 0)) == plain_region(net, SIZE, (0, 2)) == (ROWS, COLUMNS)

    def test_columns_first_and_without_a_batch(self, kind: Any) -> None:
        columns = Net(lambda m, x: m.layer(x[:, 0].permute(2, 0, 1))[0], layer=kind(8, 5))
        single = Net(lambda m, x: m.layer(x[0, 0])[0], layer=kind(6, 5))
        assert receptive_field(columns, SIZE).region((0, 2)) == plain_region(columns, SIZE, (2, 0)) == (ROWS, [0, 1, 2])
        assert receptive_field(single, SIZE).region((2, 0)) == plain_region(single, SIZE, 2) == ([0, 1, 2], COLUMNS)

    def test_over_single_pixels_the_last_step_reads_all_of_them(self, kind: Any) -> None:
        net = Net(lambda m, x: m.layer(x.flatten(1)[..., None])[0], layer=kind(1, 3, batch_first=True))
        assert receptive_field(Net(lambda m, x: m.net(x)[:, -1], net=net), SIZE).is_global
        field = receptive_field(net, SIZE)
        assert (field.size, field.aligned) == ((8, 6), True)
        assert field.region((0, 8)) == plain_region(net, SIZE, (0, 8)) == ([0, 1], COLUMNS)
        assert field.region((0, 3)) == plain_region(net, SIZE, (0, 3)) == ([0], [0, 1, 2, 3])

    def test_a_packed_sequence_is_refused_in_plain_words(self, kind: Any) -> None:
        def forward(m: Any, x: Tensor) -> Tensor:
            packed = nn.utils.rnn.pack_padded_sequence(x[:, 0], torch.tensor([8]), batch_first=True)
            result: Tensor = m.layer(packed)[0].data
            return result

        with pytest.raises(NoRuleError, match="without its values, which pack_padded_sequence in the model needs"):
            receptive_field(Net(forward, layer=kind(6, 5, batch_first=True)), SIZE)


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU])
def test_a_first_state_is_read_by_its_own_sequence(kind: Any) -> None:
    def forward(m: Any, x: Tensor) -> Tensor:
        columns = x[0].permute(2, 1, 0)  # each a sequence of pixels, the first of which makes its first state
        result: Tensor = m.layer(columns[:, 4:], columns[None, :, 0].expand(1, 6, 3).contiguous())[0]
        return result

    net = Net(forward, layer=kind(1, 3, batch_first=True))
    assert receptive_field(net, SIZE).region((1, 2)) == plain_region(net, SIZE, (2, 1)) == ([0, 4, 5], [2])


def test_a_recurrent_layer_is_a_kernel_over_all_steps_in_the_table() -> None:
    row = receptive_field(rows(nn.GRU), SIZE).layers[-1]
    assert (row.operation, row.kernel, row.padding, row.stride) == ("gru", (8, 1), (0, 0), (1, 1))
    assert (row.n_in, row.n_out, row.rf_in, row.rf_out) == ((8, 1), (8, 1), (1, 6), (8, 6))


@pytest.mark.parametrize("kind", [nn.RNNCell, nn.LSTMCell, nn.GRUCell])
def test_a_cell_in_a_loop_is_followed(kind: Any) -> None:
    def forward(m: Any, x: Tensor) -> Tensor:
        state: Any = None
        for row in x[:, 0, :3].unbind(1):
            state = m.cell(row, state)
        result: Tensor = state if isinstance(state, Tensor) else state[0]
        return result

    field = receptive_field(Net(forward, cell=kind(6, 5)), SIZE)
    assert field.region((0, 0)) == ([0, 1, 2], COLUMNS)


@pytest.mark.parametrize("chosen", [range(6, 12), [5, 6, 9], [4, 2, 8], [11]], ids=str)
def test_tokens_that_are_left_are_units_in_their_old_order(chosen: Sequence[int]) -> None:
    net = Net(lambda m, x: m.patches(x).flatten(2).mT[:, list(chosen)], patches=nn.Conv2d(1, 2, 2, 2))
    field = receptive_field(net, SIZE)  # 4 x 3 tokens
    down, across = (sorted(set(places)) for places in zip(*(divmod(token, 3) for token in chosen), strict=True))
    assert field.shape == (len(down), len(across))
    for place, token in enumerate(chosen):
        unit = down.index(token // 3), across.index(token % 3)
        assert field.region(unit) == plain_region(net, SIZE, (0, place)), token


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return (query @ key.transpose(-2, -1)).softmax(-1) @ value


class TestAttention:
    @pytest.mark.parametrize("fused", [True, False], ids=["fused", "by_hand"])
    def test_every_token_reads_everything(self, fused: bool) -> None:
        def forward(m: Any, x: Tensor) -> Tensor:
            tokens = m.stem(x).flatten(2).transpose(1, 2)
            query, key, value = m.qkv(tokens).chunk(3, -1)
            return (F.scaled_dot_product_attention if fused else attend)(query, key, value)

        net = Net(forward, stem=nn.Conv2d(1, 4, 2, 2), qkv=nn.Linear(4, 12))
        field = receptive_field(net, SIZE)
        assert (field.size, field.is_global) == ((8, 6), True)
        assert bool(plain_mask(net, SIZE, (0, 5)).all())

    @pytest.mark.parametrize("axis", [0, 1], ids=["rows", "columns"])
    def test_attention_along_one_axis_reads_along_it(self, axis: int) -> None:
        def forward(m: Any, x: Tensor) -> Tensor:
            query, key, value = m.qkv(x).chunk(3, 1)
            lines = [part.permute((0, 3, 2, 1) if axis == 0 else (0, 2, 3, 1)) for part in (query, key, value)]
            return attend(*lines).permute((0, 3, 2, 1) if axis == 0 else (0, 3, 1, 2))

        net = Net(forward, qkv=nn.Conv2d(1, 6, 1))
        field = receptive_field(net, SIZE)
        assert field.is_global is False
        assert field.size == ((8, 1), (1, 6))[axis]
        assert field.region((2, 3)) == plain_region(net, SIZE, (0, 0, 2, 3))
        both = receptive_field(nn.Sequential(net, nn.Conv2d(2, 1, 1), Net(lambda m, x: x.softmax(3 - axis))), SIZE)
        assert both.region((2, 3)) == (ROWS, COLUMNS)

    def test_attention_in_windows_reads_its_window(self) -> None:
        def forward(m: Any, x: Tensor) -> Tensor:
            windows = x.view(1, 1, 4, 2, 3, 2).permute(0, 2, 4, 3, 5, 1).reshape(12, 4, 1)
            query, key, value = m.qkv(windows).chunk(3, -1)
            result = attend(query, key, value).view(1, 4, 3, 2, 2, 2)
            return result.permute(0, 5, 1, 3, 2, 4).reshape(1, 2, 8, 6)

        net = Net(forward, qkv=nn.Linear(1, 6))
        field = receptive_field(net, SIZE)
        assert (field.size, field.is_global) == ((2, 2), False)
        assert field.region((3, 4)) == plain_region(net, SIZE, (0, 0, 3, 4)) == ([2, 3], [4, 5])

    def test_separable_attention_reads_the_same_along_both_axes(self) -> None:
        def forward(m: Any, x: Tensor) -> Tensor:
            patches = F.unfold(x, 2, stride=2).view(1, 4, 4, 16)
            score, key, value = m.qkv(patches).split([1, 4, 4], 1)
            context = (score.softmax(-1) * key).sum(-1, keepdim=True)
            mixed = m.out(value.relu() * context)
            return F.fold(mixed.view(1, 16, 16), (8, 8), 2, stride=2)

        middle = Net(forward, qkv=nn.Conv2d(4, 9, 1), out=nn.Conv2d(4, 4, 1))
        net = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), middle, nn.Conv2d(4, 4, 3))
        field = receptive_field(net, (1, 8, 8))
        assert field.size[0] == field.size[1]
        for i, j in ((0, 2), (3, 1), (5, 5)):
            assert field.region((i, j)) == field.region((j, i))[::-1]

    @pytest.mark.thorough
    def test_attention_over_4096_tokens_and_a_class_token_is_followed(self) -> None:
        def forward(m: Any, x: Tensor) -> Tensor:
            tokens = torch.cat([m.token.expand(1, -1, -1), x.flatten(2).transpose(1, 2)], 1)
            for _ in range(3):
                tokens = tokens + attend(tokens, tokens, tokens)
            return tokens[:, 0]

        net = Net(forward)
        net.token = nn.Parameter(torch.zeros(1, 1, 1))
        field = receptive_field(net, (1, 64, 64))
        assert (field.size, field.is_global) == ((64, 64), True)

    def test_a_class_token_leaves_the_tokens_of_several_heads_their_field(self) -> None:
        def forward(m: Any, x: Tensor) -> Tensor:  # heads and tokens have the place of channels and rows
            heads = m.conv(x).flatten(2).unflatten(1, (2, 2)).transpose(2, 3)
            return torch.cat([torch.zeros(1, 2, 1, 2), heads], dim=2)[:, :, 1:]

        field = receptive_field(Net(forward, conv=nn.Conv2d(1, 4, 3, padding=1)), SIZE)
        assert (field.size, field.stride, field.shape) == ((3, 3), (1, 1), (8, 6))

    def test_a_token_that_is_the_mean_of_the_others_reads_what_they_do(self) -> None:
        def forward(m: Any, x: Tensor) -> Tensor:
            tokens = m.conv(x).flatten(2).transpose(1, 2)
            return torch.cat([tokens.mean(1, keepdim=True), tokens], dim=1)

        field = receptive_field(Net(forward, conv=nn.Conv2d(1, 4, 3, padding=1)), SIZE)
        assert field.size == (8 + 2, 6 + 2)  # with the padding of the tokens at the border
