"""Initial weights: those of torch on a CPU with fused multiply-adds, and the same on every other."""

import math
import os
import subprocess
import sys

import pytest
import torch
from torch import nn

from harness import steps
from harness.training.native.initial import initialized

CAPABILITIES = ("default", "avx2")
DIGEST = """
import hashlib
from torch import nn
from harness import steps
from harness.training.native.initial import initialized

class Normal(nn.Linear):
    def reset_parameters(self):
        nn.init.normal_(self.weight, 1, 2), nn.init.uniform_(self.bias, a=-3)

for build in (steps()["five_steps/step5"].model, steps()["frontier/step12"].model, lambda: Normal(40, 30)):
    values = initialized(build, 7).state_dict().values()
    print(hashlib.sha256(b"".join(value.numpy().tobytes() for value in values)).hexdigest())
"""


def test_they_are_those_of_torch_where_it_has_fused_multiply_adds() -> None:
    if torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"):
        pytest.skip("this CPU has no fused multiply-adds, or torch does not use them")
    for step_id in ("discover/skeleton", "five_steps/step5", "frontier/step12"):
        build = steps()[step_id].model
        torch.manual_seed(3)
        expected = build().state_dict()
        ours = initialized(build, 3).state_dict()
        assert all(torch.equal(value, ours[name]) for name, value in expected.items())


@pytest.mark.end_to_end
@pytest.mark.skipif(sys.platform != "linux", reason="torch is told here to use fewer instructions, which x86 has")
def test_they_do_not_depend_on_the_instructions_that_torch_uses() -> None:
    digests = set()
    for capability in CAPABILITIES:
        environment = {**os.environ, "ATEN_CPU_CAPABILITY": capability}
        done = subprocess.run(
            [sys.executable, "-c", DIGEST], env=environment, capture_output=True, text=True, check=True
        )
        digests.add(done.stdout)
    assert len(digests) == 1
    assert len(set(digests.pop().split())) == 3


def test_the_generator_goes_on_as_after_torchs_own_draws() -> None:
    torch.manual_seed(5)
    nn.Linear(7, 9)
    expected = torch.rand(3)
    initialized(lambda: nn.Linear(7, 9), 5)
    assert torch.equal(torch.rand(3), expected)


class _Normal(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(200, 500))
        nn.init.normal_(self.weight, mean=1, std=2)


def test_normal_weights_have_their_mean_deviation_and_tails() -> None:
    drawn = (initialized(_Normal, 0).state_dict()["weight"].double().flatten() - 1) / 2
    n = len(drawn)
    assert abs(drawn.mean()) < 5 / math.sqrt(n)
    assert abs(drawn.var() - 1) < 5 * math.sqrt(2 / n)
    for bound in (0.5, 1.0, 2.0, 3.0):
        share = math.erfc(bound / math.sqrt(2))
        assert abs((drawn.abs() > bound).double().mean() - share) < 5 * math.sqrt(share * (1 - share) / n)
    assert abs((drawn[:-1] * drawn[1:]).mean()) < 5 / math.sqrt(n)  # neighbours


def test_other_draws_and_other_types_are_left_to_torch() -> None:
    class Other(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.wide = nn.Parameter(torch.empty(3, dtype=torch.float64).uniform_(2, 4))
            self.coins = nn.Parameter(torch.empty(5).bernoulli_(0.5))

    torch.manual_seed(1)
    expected = Other().state_dict()
    ours = initialized(Other, 1).state_dict()
    assert all(torch.equal(value, ours[name]) for name, value in expected.items())
