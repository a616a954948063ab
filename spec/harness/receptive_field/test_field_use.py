"""The analysis in use: it changes nothing, `at` names any tensor, rules can be added, and errors say what to do."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.errors import HarnessError
from harness.receptive_field import NoRuleError, receptive_field, register
from harness.receptive_field.field_map import FieldMap, rearranged
from harness.receptive_field.rules.registry import Call
from spec.harness.receptive_field.field_networks import Net, conv, published


class TestUse:
    def test_the_model_is_not_changed(self) -> None:
        net = published()
        before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
        generator = torch.get_rng_state()
        receptive_field(net)
        assert net.training
        assert torch.equal(torch.get_rng_state(), generator)
        assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
        assert all(parameter.grad is None for parameter in net.parameters())
        assert not any(module._forward_hooks for module in net.modules())

    def test_at_names_modules_and_operations(self) -> None:
        net = nn.Sequential(nn.Sequential(conv(3), nn.ReLU()), Net(lambda m, x: x + m.a(x), a=conv(3, padding=1)))
        assert receptive_field(net, at="0").size == receptive_field(net, at="0.1").size == (3, 3)
        assert receptive_field(net, at="1.a").size == receptive_field(net, at="1.add").size == (5, 5)

    def test_at_takes_the_underscores_of_a_traced_name_too(self) -> None:
        net = nn.Sequential(nn.Sequential(conv(3), nn.ReLU()), conv(3))
        assert receptive_field(net, at="0_0").size == (3, 3)

    def test_a_layer_along_one_axis_does_nothing_along_the_other(self) -> None:
        (row,) = receptive_field(Net(lambda _, x: x.mean(2, keepdim=True))).layers
        assert (row.kernel, row.padding, row.stride[1]) == ((28, 1), (0, 0), 1)

    def test_a_rule_that_does_not_cover_a_use_says_where_and_what_to_do(self) -> None:
        @torch.library.custom_op("field_spec::odd", mutates_args=())
        def odd(x: Tensor) -> Tensor:
            return x.clone()

        odd.register_fake(torch.empty_like)

        @register(torch.ops.field_spec.odd)
        def rule(call: Call) -> FieldMap:
            raise errors.pop()

        errors: list[Exception] = [NoRuleError("not like this"), ValueError("of this kind")]
        messages = [
            r"does not cover its use at 0: of this kind; register\(\.\.\.\) takes a rule of your own$",
            r"^not like this \(at 0\); register\(\.\.\.\) takes a rule of your own$",
        ]
        for message in messages:
            with pytest.raises(NoRuleError, match=message):
                receptive_field(nn.Sequential(Net(lambda _, x: odd(x))))

    def test_an_unknown_name_is_an_error_with_the_nearest(self) -> None:
        net = Net(lambda m, x: m.layer(x), layer=nn.Sequential(conv(3), nn.ReLU(), conv(3), nn.ReLU()))
        nearest = r"^no tensor is named 'layr'; near it: layer, layer\.[0-3], layer\.[0-3]$"
        with pytest.raises(HarnessError, match=nearest):
            receptive_field(net, at="layr")
        with pytest.raises(HarnessError, match=r"'\?'; near it: .+, .+, .+$"):  # even if nothing is similar
            receptive_field(net, at="?")

    def test_what_is_no_name_is_an_error(self) -> None:
        net = nn.Sequential(conv(3))
        for at, kind in ((net[0], "Conv2d"), (0, "int"), (["0"], "list")):
            with pytest.raises(HarnessError, match=f"^at must be the name of a tensor, not {kind}$"):
                receptive_field(net, at=at)  # type: ignore[arg-type]

    def test_a_program_may_make_its_tensors_on_another_device(self) -> None:
        net = Net(lambda m, x: m.a(x)[:, :, torch.arange(0, 9, 2)].flatten(2).softmax(2), a=conv(3))
        expected = receptive_field(net)
        with torch.device("meta"):
            found = receptive_field(net)
        assert (found.size, found.region((0, 1))) == (expected.size, expected.region((0, 1)))

    @pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
    def test_a_program_may_want_deterministic_algorithms(self, mode: str) -> None:
        net = nn.Sequential(conv(3), nn.Upsample(scale_factor=1.5, mode=mode), conv(3))
        expected = receptive_field(net, (1, 8, 8))
        torch.use_deterministic_algorithms(True, warn_only=True)
        try:
            found = receptive_field(net, (1, 8, 8))
            kept = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
        finally:
            torch.use_deterministic_algorithms(False)
        assert kept == (True, True)
        assert (found.size, found.stride, found.padding) == (expected.size, expected.stride, expected.padding)
        assert found.region((0, 1)) == expected.region((0, 1))

    def test_several_outputs_have_to_be_chosen_from(self) -> None:
        net = Net(lambda m, x: {"out": m.a(x), "aux": x}, a=conv(3))
        with pytest.raises(HarnessError, match=r"^the model returns 2 tensors; .*: 'output.out' or 'output.aux'$"):
            receptive_field(net)
        assert receptive_field(net, at="output.out").size == (3, 3)

    @pytest.mark.parametrize("returned", [lambda _, x: torch.zeros(3), lambda _, x: None], ids=["zeros", "nothing"])
    def test_an_output_has_to_depend_on_the_input(self, returned: Callable[[Any, Tensor], Any]) -> None:
        with pytest.raises(HarnessError, match="^the model returns no tensor that depends on its input$"):
            receptive_field(Net(returned))

    def test_what_is_no_module_is_an_error(self) -> None:
        with pytest.raises(HarnessError, match=r"^the model must be a torch\.nn\.Module, not function$"):
            receptive_field(published)  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("operation", "name"),
        [
            (lambda _, x: torch.cdist(x, x), "cdist"),
            (lambda _, x: torch.fft.fft2(x).abs(), "fft_fft2"),
            (lambda _, x: x.sort(dim=3)[0], "sort"),
            (lambda _, x: F.grid_sample(x, torch.zeros(1, 4, 4, 2), align_corners=False), "grid_sample"),
        ],
        ids=["cdist", "fft2", "sort", "grid_sample"],
    )
    def test_an_operation_without_a_rule_is_named(self, operation: Callable[[Any, Tensor], Tensor], name: str) -> None:
        with pytest.raises(NoRuleError, match=rf"{name} .* harness\.receptive_field\.register\(torch\.ops\.\S+\)$"):
            receptive_field(Net(operation))

    @pytest.mark.parametrize(
        ("operation", "message"),
        [
            (lambda _, x: F.conv2d(x, x), r"conv2d with weights computed from the input \(at conv2d\)"),
            (lambda _, x: F.conv_transpose2d(x, x), r"conv_transpose2d with weights computed from the input"),
        ],
        ids=["computed_weights", "computed_weights_transposed"],
    )
    def test_a_use_that_no_rule_covers_names_the_function(
        self, operation: Callable[[Any, Tensor], Tensor], message: str
    ) -> None:
        with pytest.raises(NoRuleError, match=f"^{message}"):
            receptive_field(Net(operation))

    @pytest.mark.parametrize(
        ("part", "at", "message"),
        [
            (lambda both: both, "output.1", r"^at='output\.1' names an output of max_pool2d\w*, such as indices, that"),
            (lambda both: both[1], None, r"^the model returns an output of max_pool2d\w*, such as indices, that has"),
            (lambda both: both[1].float(), None, "^float at float reads an output, such as indices, that has"),
        ],
        ids=["named", "returned", "read"],
    )
    def test_indices_have_no_receptive_field(self, part: Callable[[Any], Any], at: str | None, message: str) -> None:
        with pytest.raises(NoRuleError, match=message):
            receptive_field(Net(lambda _, x: part(F.max_pool2d(x, 2, return_indices=True))), at=at)

    def test_a_rule_of_one_s_own(self) -> None:
        @torch.library.custom_op("field_spec::down", mutates_args=())
        def down(x: Tensor) -> Tensor:
            return F.pad(x, (0, 0, 2, 0))[:, :, :-2].clone()

        down.register_fake(torch.empty_like)

        @register(torch.ops.field_spec.down)
        def rule(call: Call) -> FieldMap:
            return rearranged(call.value("x"), lambda labels: labels.roll(2, dims=2))

        field = receptive_field(nn.Sequential(conv(3), Net(lambda _, x: down(x))), (1, 12, 12))
        assert (field.size, field.padding) == ((3, 3), (2, 0))

    @pytest.mark.parametrize(
        "size", [(0, 28, 28), (1, 28, -28), (28,), (), (1, 28.5, 28), (1, "28", 28), 28, None], ids=str
    )
    def test_what_is_no_size_is_an_error(self, size: Any) -> None:
        message = f"input_size must be channels and at least one axis, positive integers, not {size!r}"
        with pytest.raises(HarnessError, match=f"^{re.escape(message)}$"):
            receptive_field(conv(3), size)

    def test_integers_of_an_array_are_a_size_and_a_unit(self) -> None:
        field = receptive_field(conv(3), tuple(np.array([1, 5, 5])))
        assert field.region(np.array([1, 2])) == ([1, 2, 3], [2, 3, 4])  # type: ignore[arg-type]

    @pytest.mark.parametrize("size", [(28, 28, 28, 28, 28), (1, 2, 2)], ids=str)
    def test_a_size_that_does_not_fit_is_an_error(self, size: tuple[int, ...]) -> None:
        with pytest.raises(HarnessError, match="does not run on an input of"):
            receptive_field(conv(3), size)

    @pytest.mark.parametrize("size", [(1, 99_999_999, 99_999_999), (2**25 + 1, 1)], ids=str)
    def test_a_size_that_memory_has_no_room_for_is_an_error(self, size: tuple[int, ...]) -> None:
        with pytest.raises(HarnessError, match=r"numbers is too large to be followed; give at most 33,554,432$"):
            receptive_field(conv(3), size)

    def test_a_path_that_depends_on_values_is_an_error(self) -> None:
        with pytest.raises(HarnessError, match="Net does not run"):
            receptive_field(Net(lambda _, x: x if x.sum() > 0 else -x))
