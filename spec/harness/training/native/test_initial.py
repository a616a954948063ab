"""Initial weights: those of torch on a CPU with fused multiply-adds, and the same on every other."""

import math
import os
import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from harness import steps
from harness.data.synthetic import synthetic
from harness.errors import HarnessError
from harness.training.choice import Choice, choose
from harness.training.native import coverage, library, native_trainer
from harness.training.native.initial import initialized, refusal_of
from harness.training.native.operations import NotCoveredError
from spec.harness.jobs.small import Plain

CAPABILITIES = ("default", "avx2")
DIGEST = """
import hashlib
import torch
from torch import nn
from harness import steps
from harness.training.native.initial import initialized

class Normal(nn.Linear):
    def reset_parameters(self):
        nn.init.normal_(self.weight, 1, 2), nn.init.uniform_(self.bias, a=-3)

class New(nn.Linear):
    def reset_parameters(self):
        nn.init.trunc_normal_(self.bias, std=0.1)
        drawn = torch.randn(30, 20), torch.randn_like(self.weight[:, 20:30]), torch.normal(1.0, 2.0, (30, 10))
        self.weight = nn.Parameter(torch.cat(drawn, 1))

ladders = steps()["five_steps/step5"].model, steps()["frontier/step12"].model
for build in (*ladders, lambda: Normal(40, 30), lambda: New(40, 30)):
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
    assert len(set(digests.pop().split())) == 4


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


def holding(draw: Callable[[], Tensor]) -> Callable[[], nn.Module]:
    """What builds a module with one parameter, as it is drawn."""

    def build() -> nn.Module:
        module = nn.Module()
        module.drawn = nn.Parameter(draw(), requires_grad=False)
        return module

    return build


def drawn(draw: Callable[[], Tensor], seed: int = 1) -> Tensor:
    value: Tensor = initialized(holding(draw), seed).state_dict()["drawn"]
    return value


FILLED: dict[str, tuple[Callable[[], Tensor], float, float]] = {
    "randn": (lambda: torch.randn(3, 20), 0, 1),
    "randn of a generator": (lambda: torch.randn(3, 20, generator=torch.default_generator), 0, 1),
    "randn_like": (lambda: torch.randn_like(torch.empty(3, 20)), 0, 1),
    "normal": (lambda: torch.normal(1.5, 2.0, (3, 20)), 1.5, 2),
}


@pytest.mark.parametrize("name", FILLED)
def test_new_normal_tensors_are_those_that_are_filled(name: str) -> None:
    new, mean, std = FILLED[name]
    assert torch.equal(drawn(new), drawn(lambda: torch.empty(3, 20).normal_(mean, std)))
    assert refusal_of(holding(new)) is None


LEFT: dict[str, Callable[[], Tensor]] = {
    "rand": lambda: torch.rand(3, 20),
    "rand_like": lambda: torch.rand_like(torch.empty(3, 20)),
    "rand of float64": lambda: torch.rand(3, 20, dtype=torch.float64),
    "randint": lambda: torch.randint(0, 9, (40,)),
    "randperm": lambda: torch.randperm(40),
    "random_": lambda: torch.empty(40).random_(9),
}


@pytest.mark.parametrize("name", LEFT)
def test_draws_that_no_cpu_computes_otherwise_are_left_to_torch(name: str) -> None:
    ours = drawn(LEFT[name])
    torch.manual_seed(1)
    assert torch.equal(ours, LEFT[name]())
    assert refusal_of(holding(LEFT[name])) is None


REFUSED: dict[str, Callable[[], Tensor]] = {
    "uniform_": lambda: torch.empty(3, dtype=torch.float64).uniform_(2, 4),
    "normal_": lambda: torch.randn(3, dtype=torch.float64),
    "bernoulli_": lambda: torch.empty(5).bernoulli_(0.5),
    "exponential_": lambda: torch.empty(5).exponential_(),
    "normal": lambda: torch.distributions.Normal(0.0, 1.0).sample((5,)),
    "linalg_qr": lambda: nn.init.orthogonal_(torch.empty(4, 5)),
    "_linalg_svd": lambda: torch.linalg.svd(torch.rand(4, 5))[0],
    "erfinv": lambda: torch.rand(5).erfinv(),
}


@pytest.mark.parametrize("name", REFUSED)
def test_weights_that_depend_on_the_cpu_are_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    reason = f"its constructor calls {name}, whose result depends on the CPU"
    with pytest.raises(NotCoveredError, match=f"^{reason}$"):
        drawn(REFUSED[name])
    monkeypatch.setattr(library, "load", pytest.fail)  # nothing need be built to see it
    assert refusal_of(holding(REFUSED[name])) == reason


def orthogonal() -> nn.Module:
    linear = nn.utils.skip_init(nn.Linear, 784, 10)  # on no device, where nothing is drawn
    nn.init.orthogonal_(linear.weight)
    return nn.Sequential(nn.Flatten(), linear, nn.LogSoftmax(1))


@pytest.mark.parametrize("step", steps())
def test_the_weights_of_the_ladders_do_not_depend_on_the_cpu(step: str) -> None:
    assert refusal_of(steps()[step].network) is None


def test_a_step_with_such_weights_is_trained_by_eager_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coverage, "fault", lambda: None)
    step = type("Orthogonal", (Plain,), {"model": staticmethod(orthogonal), "__module__": __name__})
    assert choose("auto", Plain, torch.device("cpu")).name == "native"
    assert choose("auto", step, torch.device("cpu")) == Choice("eager", refusal_of(orthogonal))
    with pytest.raises(HarnessError, match="linalg_qr"):
        native_trainer(step, 0, synthetic(64))
