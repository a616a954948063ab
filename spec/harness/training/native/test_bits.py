"""The same bits for every number of threads, compiler and width of vectors, after a restart, and as committed."""

import hashlib
import json
import os
import platform
import shutil
import subprocess
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
import torch

from harness import steps
from harness.data import MNIST
from harness.recipe import Recipe
from harness.training.native import NUMERICS, build
from harness.training.native.trainer import NativeTrainer
from spec.harness.training.native import features
from spec.harness.training.native.case import Case, result
from spec.harness.training.native.compilers import needs_compiler
from spec.harness.training.native.eager import noise

pytestmark = needs_compiler

HERE = Path(__file__).parent
GOLDEN = HERE / "golden.json"
KERNELS = Path(build.__file__).with_name("kernels.cpp")
FLAGS = [flag for flag in build._FLAGS if flag not in ("-O3", "-shared", "-fPIC")]
X86 = platform.machine() in ("x86_64", "AMD64")
NATIVE = ["-march=native"] if X86 else ["-mcpu=native"]


def compiled(folder: Path, compiler: str, *flags: str) -> Path:
    """The driver as a program; skips without the compiler."""
    if shutil.which(compiler) is None:
        pytest.skip(f"there is no {compiler}")
    program = folder / "driver"
    command = [compiler, *FLAGS, *flags, f'-DKERNELS="{KERNELS}"', str(HERE / "driver.cpp"), "-o", str(program)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return program


def run(program: Path, case: Case, *, threads: int = 2, through: tuple[str, ...] = ()) -> dict[str, bytes]:
    """The result of a case."""
    given, found = program.with_name("case"), program.with_name("result")
    case.write(given)
    command = [*through, str(program), str(given), str(found), str(threads)]
    environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}  # a pool of threads is left to sleep, on purpose
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert ended.returncode == 0, ended.stderr
    assert not ended.stderr  # a sanitizer reports there what does not end the program
    return result(found)


def differing(one: dict[str, bytes], other: dict[str, bytes]) -> list[str]:
    """The arrays that differ."""
    return [name for name in one if one[name] != other[name]]


@pytest.mark.thorough
@pytest.mark.parametrize("threads", [2, 3, 4])
@pytest.mark.parametrize("batch", [37, 150])  # 3 blocks, and 10, which are more than there are chunks
def test_the_bits_are_the_same_with_any_number_of_threads(threads: int, batch: int) -> None:
    case = features.ALL
    case = Case(case.network, replace(case.recipe, batch_size=batch), case.teacher)
    assert differing(case.in_process(1), case.in_process(threads)) == []


@pytest.mark.end_to_end
def test_the_bits_are_the_same_with_narrow_vectors(tmp_path: Path) -> None:
    """On x86 as if the CPU were old: without the instruction for a fused multiply-add."""
    program = compiled(tmp_path, "c++", "-O1", "-DVL=4", *(["-march=x86-64"] if X86 else []))
    assert differing(run(program, features.ALL), features.ALL.in_process()) == []


@pytest.mark.end_to_end
@pytest.mark.parametrize("weights", [0, 10**9])
def test_the_bits_are_the_same_whether_sums_of_a_gradient_wait_for_the_batch(tmp_path: Path, weights: int) -> None:
    """As they do in convolutions of more weights than this; of the cases some have more, and some fewer."""
    program = compiled(tmp_path, "c++", "-O1", f"-DMANY_WEIGHTS={weights}", *NATIVE)
    for name, case in features.features().items():
        assert differing(run(program, case), case.in_process()) == [], name


WIDTHS = [
    ["-march=native"],
    ["-march=native", "-DVL=8"],
    ["-march=native", "-DVL=4"],
    ["-march=native", "-mno-avx512f"],
    ["-march=x86-64-v3"],
    ["-march=x86-64"],
]
MATRIX = [
    " ".join([compiler, level, *width])
    for compiler, level, width in product(["g++", "clang++"], ["-O2", "-O3"], WIDTHS if X86 else [["-mcpu=native"]])
] + ["g++ -O1 -march=native -g -fsanitize=address,undefined"]


@pytest.mark.slow
@pytest.mark.parametrize("build", MATRIX)
def test_the_bits_are_the_same_for_every_compiler_and_width(build: str, tmp_path: Path) -> None:
    program = compiled(tmp_path, *build.split())
    for name, case in features.features().items():
        assert differing(run(program, case), case.in_process()) == [], name


ARM = "aarch64-linux-gnu-g++"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("qemu-aarch64") is None, reason="there is no qemu-aarch64")
@pytest.mark.parametrize("level", ["-O2", "-O3"])
def test_the_bits_are_the_same_on_arm(level: str, tmp_path: Path) -> None:
    program = compiled(tmp_path, ARM, level, "-static")
    for name, case in features.features().items():
        assert differing(run(program, case, through=("qemu-aarch64",)), case.in_process()) == [], name


def digest(case: Case) -> str:
    """A short hash of a result."""
    return hashlib.sha256(b"".join(case.in_process().values())).hexdigest()[:12]


@pytest.mark.parametrize("name", features.features())
def test_the_bits_are_those_that_are_committed(name: str) -> None:
    golden = json.loads(GOLDEN.read_text())
    assert golden["numerics"] == NUMERICS, f"the bits of numerics {NUMERICS} are not committed; {ADVICE}"
    found = digest(features.features()[name])
    assert golden["bits"].get(name) == found, f"{name} has other bits, which need a new NUMERICS; {ADVICE}"


ADVICE = "write them with: python -m spec.harness.training.native.test_bits"


@pytest.mark.thorough
def test_the_network_of_a_resumed_training_has_the_bits_of_one_that_was_not_interrupted() -> None:
    recipe = replace(features.ALL.recipe, batch_size=64, epochs=3)
    data = noise(200)
    whole, first, second = (resumable(recipe, data) for _ in range(3))
    losses = [whole.train_epoch() for _ in range(3)]
    assert first.train_epoch() == losses[0]
    second.restore(first.state(), 1)
    del first
    assert [second.train_epoch() for _ in range(2)] == losses[1:]
    expected, found = whole.state(), second.state()
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert whole.test() == second.test()


def resumable(recipe: Recipe, data: MNIST) -> NativeTrainer:
    """A trainer with dropout, distortions, an average, and the teacher of frontier/step12."""
    taught = replace(recipe, teacher=steps()["frontier/step12"].recipe.teacher)
    return NativeTrainer(features.everything(), taught, data, seed=3)


if __name__ == "__main__":
    bits = {name: digest(case) for name, case in features.features().items()}
    GOLDEN.write_text(json.dumps({"numerics": NUMERICS, "bits": bits}, indent=2) + "\n")
