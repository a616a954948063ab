"""The kernel that draws masks on a GPU, without one: interpreted it draws what numpy does, and it compiles."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from harness.training.philox import by_torch, fastest
from spec.harness.training.graph_stand_in import Cuda
from spec.harness.training.graph_stand_in import cuda as cuda
from spec.harness.training.native import philox

triton = pytest.importorskip("triton", reason="torch came without Triton")

INTERPRETED = """
import os
os.environ["TRITON_INTERPRET"] = "1"
import json, sys
import torch
from harness.training import philox_triton
from harness.training.philox import fastest
from harness.training.philox_triton import by_triton
philox_triton._MOST = int(sys.argv[2])
assert fastest(torch.device("cpu")) is by_triton
for shape, seeds, step, purpose, least in json.loads(sys.argv[1]):
    print(by_triton(shape, torch.tensor(seeds), torch.tensor(step), purpose, least).int().flatten().tolist())
"""
RATE, SEEDS = 0.3, [3, 2**40 + 5]
SHAPES = [[5, 2, 7, 3, 3], [4, 2, 13], [2, 2], [3, 2, 16, 10, 10]]


@pytest.mark.thorough
@pytest.mark.parametrize("most", [2**31 - 1024, 500, 1])
def test_the_kernel_draws_what_numpy_does_in_as_many_launches_as_it_takes(most: int) -> None:
    """In a process of its own, in which Triton interprets and does not compile."""
    cases = [[shape, SEEDS, 1000 + number, 3, round(RATE * 2**32)] for number, shape in enumerate(SHAPES)]
    words = [sys.executable, "-W", "ignore", "-c", INTERPRETED, str(cases), str(most)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    for line, (number, (images, _, *rest)) in zip(done.stdout.splitlines(), enumerate(SHAPES), strict=True):
        each = [philox.kept(RATE, (images, *rest), seed=seed, step=1000 + number, unit=2) for seed in SEEDS]
        drawn = torch.tensor([bool(int(digit)) for digit in line.strip("[]").split(", ")])
        assert torch.equal(drawn, torch.stack(each, dim=1).flatten())


def test_operations_of_torch_stand_in_where_triton_does_not_work_or_draws_something_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from harness.training import philox_triton

    assert fastest.__wrapped__(torch.device("cpu")) is by_torch  # for which Triton has no driver
    monkeypatch.setattr(philox_triton, "by_triton", lambda *words: ~by_torch(*words))
    assert fastest.__wrapped__(torch.device("cpu")) is by_torch


def test_the_kernel_is_launched_on_the_gpu_that_has_the_seeds(monkeypatch: pytest.MonkeyPatch, cuda: Cuda) -> None:
    from harness.training import philox_triton

    launch = {(1,): lambda *_, **__: cuda.calls.append("launch")}
    monkeypatch.setattr(philox_triton, "kernel", launch)
    with FakeTensorMode():
        seeds = torch.empty(2, dtype=torch.int64, device="cuda:1")
        kept = philox_triton.by_triton([3, 2, 7], seeds, torch.empty((), dtype=torch.int64, device="cuda:1"), 1, 2**31)
    assert (kept.shape, kept.device) == ((3, 2, 7), torch.device("cuda:1"))
    assert cuda.calls == ["on cuda:1", "launch", "off cuda:1"]


def test_no_launch_has_more_words_than_its_numbers_count(monkeypatch: pytest.MonkeyPatch, cuda: Cuda) -> None:
    from harness.training import philox_triton

    words: list[int] = []

    class Launches:
        def __getitem__(self, grid: tuple[int]) -> Callable[..., None]:
            return lambda *_, block: words.append(4 * block * grid[0])

    monkeypatch.setattr(philox_triton, "kernel", Launches())
    with FakeTensorMode():
        seeds, step = (torch.empty(shape, dtype=torch.int64, device="cuda:1") for shape in (43, ()))
        philox_triton.by_triton([1024, 43, 64, 28, 28], seeds, step, 1, 2**31)
    assert len(words) == 2
    assert max(words) < 2**31
    assert sum(words) >= 1024 * 43 * 64 * 28 * 28


@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore:TRITON_DEFAULT_FP_FUSION")
@pytest.mark.parametrize("networks", ["i32", "constexpr"], ids=["many networks", "one, of which Triton makes a case"])
@pytest.mark.parametrize("least", ["i32", "i64"], ids=["a rate below 0.5", "another rate"])
def test_it_compiles_for_every_gpu_and_draws_four_places_at_a_time(
    networks: str, least: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from harness.training.philox_triton import kernel

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    types = dict.fromkeys(("first", "networks", "places", "counters"), "i32")
    signature = {"out": "*u8", "seeds": "*i64", "now": "*i64", "purpose": "i32", "least": least, **types}
    signature |= {"networks": networks, "block": "constexpr"}
    constants = {"block": 256, **({"networks": 1} if networks == "constexpr" else {})}
    for capability in (75, 80, 90):
        source = ASTSource(kernel, signature, constants)
        code = triton.compile(source, target=GPUTarget("cuda", capability, 32)).asm["ptx"]
        # 256 counters by 128 threads, each of 10 rounds with two products, of which the last needs no low words
        assert 2 * 2 * 8 <= code.count("mul.hi.u32") <= 2 * 2 * 10
        assert code.count("st.global") == 8
