"""What cannot be followed is refused, a model is where it would be with data, and its parts have names."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.errors import HarnessError
from harness.receptive_field import NoRuleError, receptive_field
from spec.harness.receptive_field.field_networks import JARGON, Net, conv
from spec.harness.receptive_field.gradient_oracle import changes, lines


def filled(x: Tensor) -> Tensor:
    """A tensor that had numbers before something that depends on the input was written into it."""
    return torch.zeros(x.shape, dtype=x.dtype).copy_(x.flip(2))


def array_filled(_: Any, x: Tensor) -> Tensor:
    array = np.zeros(tuple(x.shape))
    torch.from_numpy(array).copy_(x.flip(2))
    return x + torch.tensor(array)


@pytest.mark.parametrize(
    ("forward", "called"),
    [
        (lambda _, x: x if filled(x).tolist()[0][0][0][0] < 0.5 else x.flip(2), "tolist"),
        (lambda _, x: x + torch.from_numpy(filled(x).numpy()), "numpy"),
        (lambda _, x: x + torch.from_numpy(np.asarray(filled(x))), "array"),
        (lambda _, x: x + torch.utils.dlpack.from_dlpack(filled(x)), "dlpack"),
        (lambda _, x: x * torch.tensor([filled(x)[0, 0, 0, 0]]), "tensor"),
        (lambda _, x: x * x.new_tensor([filled(x)[0, 0, 0, 0]]), "new_tensor"),
        (lambda _, x: x * len(f"{x.sum():.3f}"), "format"),
        (array_filled, "NumPy"),
    ],
    ids=["list", "numpy", "asarray", "dlpack", "tensor", "new_tensor", "format", "array"],
)
def test_the_values_of_a_constant_that_came_to_depend_on_the_input_are_refused(
    forward: Callable[[Any, Tensor], Tensor], called: str
) -> None:
    net = Net(forward)
    net(torch.rand(1, 1, 5, 4).double())
    with pytest.raises(NoRuleError, match=called) as caught:
        receptive_field(net, (1, 5, 4))
    assert not JARGON.search(str(caught.value))


def scaled_unless_refused(_: Any, x: Tensor) -> Tensor:
    with suppress(Exception):
        x = x / float(x.max())
    return x


def darkened_unless_refused(_: Any, x: Tensor) -> Tensor:
    try:
        return x if x.max() > 0 else x.flip(2)
    except Exception:
        return x


def turned_unless_refused(_: Any, x: Tensor) -> Tensor:
    try:
        return torch.from_numpy(x.numpy()[:, :, ::-1].copy())
    except TypeError:
        return x


def added_unless_refused(_: Any, x: Tensor) -> Tensor:
    with suppress(Exception):
        added_at_once(_, x)
        return x.flip(2)
    return x


@pytest.mark.parametrize(
    ("forward", "called"),
    [
        (scaled_unless_refused, "float"),
        (darkened_unless_refused, "bool"),
        (turned_unless_refused, "numpy"),
        (added_unless_refused, "foreach_add"),
    ],
    ids=lambda part: getattr(part, "__name__", part),
)
def test_a_refusal_that_the_model_catches_counts(forward: Callable[[Any, Tensor], Tensor], called: str) -> None:
    with pytest.raises(NoRuleError, match=called):
        receptive_field(Net(forward))


def test_an_error_that_the_model_meets_with_data_too_is_its_own() -> None:
    def forward(m: Any, x: Tensor) -> Tensor:
        try:
            result: Tensor = m.colours(x)
        except RuntimeError:
            result = m.grey(x)
        return result

    assert receptive_field(Net(forward, colours=nn.Conv2d(3, 1, 5), grey=conv(3))).size == (3, 3)


def written_to_elsewhere(_: Any, x: Tensor) -> Tensor:
    y, z = x.clone(), x.clone()
    y.to("cpu")[:, :, 0] = x[:, :, 3]
    z.to("cpu", copy=True)[:, :, 1] = x[:, :, 3]
    y.to(x.device, x.dtype).cpu()[:, :, 2] = x[:, :, 4]
    z.to(torch.zeros(1, dtype=x.dtype))[:, :, 4] = x[:, :, 0]
    return y * z


def asked_for_its_place(m: Any, x: Tensor) -> Tensor:
    generator = torch.Generator(device=x.device).manual_seed(1)
    noise = torch.rand(4, generator=generator, device=m.weight.device)
    with torch.autocast(x.device.type, enabled=False):
        return x * noise if x.is_cpu and not x.is_cuda and not x.is_meta and x.device == noise.device else x.flip(2)


@pytest.mark.parametrize("forward", [written_to_elsewhere, asked_for_its_place], ids=lambda f: f.__name__)
def test_a_model_is_where_it_would_be_with_data(forward: Callable[[Any, Tensor], Tensor]) -> None:
    net = Net(forward)
    net.weight = nn.Parameter(torch.ones(1).double())
    field, changed = receptive_field(net, (1, 5, 4), strict=False), changes(net, (1, 5, 4))
    for unit in product(*map(range, field.shape)):
        assert field.region(unit) == lines(changed[0, 0, *unit]), unit


def replaced(_: Any, x: Tensor) -> Tensor:
    y = torch.zeros(x.shape)
    y.data = x
    return y


def added_at_once(_: Any, x: Tensor) -> Tensor:
    y = x.clone()
    torch._foreach_add_([y], [x.flip(2)])
    return y


@pytest.mark.parametrize(
    ("net", "called"),
    [
        (nn.CrossMapLRN2d(2), "resize_as"),
        (Net(lambda _, x: torch.add(x, x.flip(2), out=torch.empty(0))), "add"),
        (Net(lambda _, x: x.quantile(0.5, 2)), "quantile"),
        (Net(added_at_once), "foreach_add"),
        (Net(replaced), "set"),
        (Net(lambda _, x: x.take_along_dim(torch.zeros(1, 1, 1, 4).long(), 2)), "take_along_dim"),
        (Net(lambda _, x: torch.sparse.mm(torch.eye(4).to_sparse(), x[0, 0])), "sparse"),
        (Net(lambda _, x: F.conv2d(x + 0j, torch.ones(1, 3, 3, 3) + 0j)), "conv2d"),
    ],
    ids=["resized", "out", "numbers", "lists", "data", "indices", "sparse", "complex"],
)
def test_a_model_that_runs_is_not_said_not_to_run(net: nn.Module, called: str) -> None:
    net(torch.zeros(1, 3, 4, 4))
    with pytest.raises(NoRuleError, match=called) as caught:
        receptive_field(net, (3, 4, 4))
    assert not JARGON.search(str(caught.value))
    assert "does not run" not in str(caught.value)


class TestNames:
    def test_a_module_of_several_tensors_is_addressed_by_their_names(self) -> None:
        both = Net(lambda m, x: (m.a(x), {"b": x}), a=conv(5))
        net = Net(lambda m, x: m.both(m.both(x)[0])[0], both=both)
        message = re.escape("both returns 2 tensors; say at which of them: 'both.0' or 'both.1.b'")
        with pytest.raises(HarnessError, match=f"^{message}$"):
            receptive_field(net, at="both")
        sizes = [receptive_field(net, at=at).size for at in ("both.0", "both.1.b", "both_1.0", "both_1.1.b")]
        assert sizes == [(5, 5), (1, 1), (9, 9), (5, 5)]

    def test_a_part_never_takes_the_name_of_a_module(self) -> None:
        class Twin(nn.Sequential):
            def forward(self, x: Tensor) -> Any:
                return self[1](self[0](x)), x

        net = Net(lambda m, x: m.twin(x)[0], twin=Twin(conv(3), conv(3)))
        assert [receptive_field(net, at=at).size for at in ("twin.0", "twin.1", "twin.0_1", "twin.1_1")] == [
            (3, 3), (5, 5), (5, 5), (1, 1),
        ]  # fmt: skip
