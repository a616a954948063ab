"""What a run was made with: which machines are told apart, and which runs may stand in one record."""

import os
import platform
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest
import torch

from harness import machine, provenance, steps, strict_json
from harness.errors import HarnessError
from harness.provenance import binding, commit, differences, environment, made_alike, shared
from spec.harness.support.gpus import has_gpus
from spec.harness.support.paths import ROOT

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)

GENOA = """\
processor	: 0
vendor_id	: AuthenticAMD
cpu family	: 25
model		: 17
model name	: AMD EPYC
stepping	: 1
flags		: fpu vme

processor	: 1
vendor_id	: AuthenticAMD
cpu family	: 25
model		: 99
model name	: another
"""
GRAVITON = """\
processor	: 0
BogoMIPS	: 243.75
CPU implementer	: 0x41
CPU architecture: 8
CPU part	: 0xd0c
"""


def told(monkeypatch: pytest.MonkeyPatch, folder: Path, text: str | None) -> None:
    """A machine whose /proc/cpuinfo has that text; without one where it is None."""
    path = folder / "cpuinfo"
    if text is not None:
        path.write_text(text)
    monkeypatch.setattr(machine, "CPUINFO", path)


@pytest.mark.parametrize(
    ("text", "cpu"),
    [
        (GENOA, "AuthenticAMD family 25 model 17 stepping 1"),
        (GRAVITON, "0x41/0xd0c"),
        ("vendor_id	: <b>Evil\x1b[0m\nmodel	: 1\n", "b Evil [0m model 1"),
        ("", "unknown"),
        (None, "unknown"),
    ],
    ids=["x86", "arm", "odd", "empty", "none"],
)
def test_a_processor_on_linux_is_named_by_vendor_and_model(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str | None, cpu: str
) -> None:
    told(monkeypatch, tmp_path, text)
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    assert machine.cpu() == cpu
    made = environment(CPU)
    assert made["cpu"] == cpu
    assert strict_json.facts(made) == made


@pytest.mark.parametrize(
    ("known", "cpu"),
    [
        ({"machdep.cpu.brand_string": "Apple M1"}, "Apple M1"),
        ({"machdep.cpu.brand_string": "no text: \xe9"}, "no text:"),
        (
            {"machdep.cpu.brand_string": "Intel i7", "machdep.cpu.family": "6", "machdep.cpu.stepping": "10"},
            "Intel i7 family 6 stepping 10",
        ),
        ({}, "unknown"),
    ],
    ids=["Apple", "no text", "Intel", "neither"],
)
def test_a_processor_on_macos_is_named_by_sysctl(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, known: dict[str, str], cpu: str
) -> None:
    def sysctl(words: list[str], **options: Any) -> SimpleNamespace:
        assert words[:2] == ["sysctl", "-n"]
        if words[2] not in known:
            raise subprocess.CalledProcessError(1, words)
        return SimpleNamespace(stdout=f"{known[words[2]]}\n".encode("latin-1"))

    told(monkeypatch, tmp_path, None)
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.setattr(subprocess, "run", sysctl)
    assert machine.cpu() == cpu


def test_a_processor_without_a_name_has_one_from_its_platform(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told(monkeypatch, tmp_path, GENOA)
    assert machine.hardware(CPU) == "AMD EPYC"
    told(monkeypatch, tmp_path, GRAVITON)
    monkeypatch.setattr(platform, "processor", lambda: "")
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert machine.hardware(CPU) == "aarch64"


def test_the_vector_instructions_are_those_that_torch_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    assert environment(CPU)["capability"] == "AVX2"
    monkeypatch.delattr(torch.backends.cpu, "get_cpu_capability")
    assert environment(CPU)["capability"] == "unknown"


def answer(monkeypatch: pytest.MonkeyPatch, version: str | None) -> None:
    """A driver of that version; none that answers where it is None."""

    def init() -> None:
        if version is None:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(pynvml, "nvmlInit", init)
    monkeypatch.setattr(pynvml, "nvmlSystemGetDriverVersion", lambda: version)


@pytest.mark.parametrize("driver", ["580.65.06", None])
def test_a_gpu_is_named_with_its_libraries_driver_and_precision(
    monkeypatch: pytest.MonkeyPatch, driver: str | None
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA H100 80GB HBM3")
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: 91300)
    answer(monkeypatch, driver)
    made = environment(CUDA)
    assert made.keys().isdisjoint({"cpu", "capability"})
    assert (made["hardware"], made["cuda"], made["cudnn"], made["driver"], made["threads"]) == (
        "NVIDIA H100 80GB HBM3",
        "13.0",
        91300,
        driver,
        None,
    )
    assert made["precision"] == "ieee"
    assert strict_json.facts(made) == made


@pytest.mark.end_to_end
def test_a_gpu_computes_in_float32_from_the_import_of_whatever_trains_or_records_on() -> None:
    """In a process of its own, since others set it; torch refuses to read settings that contradict each other."""
    asked = "[(one.fp32_precision, old.allow_tf32) for one, old in ((b.cudnn.conv, b.cudnn), (b.cuda.matmul,) * 2)]"
    asked = f"b = torch.backends; print({asked}, torch.get_float32_matmul_precision())"
    environment = {**os.environ, "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE": "1"}  # which some containers set
    for module in ("training", "provenance"):
        words = [sys.executable, "-W", "error", "-c", f"import torch, harness.{module}; {asked}"]
        done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT, env=environment)
        assert (done.stdout, done.stderr) == ("[('ieee', False), ('ieee', False)] highest\n", "")


@pytest.mark.parametrize("precision", ["ieee", "tf32"])
@pytest.mark.parametrize("what", ["_cudnn", "_products"])
def test_the_precision_is_the_one_that_torch_has(monkeypatch: pytest.MonkeyPatch, what: str, precision: str) -> None:
    one = SimpleNamespace(fp32_precision=precision)
    monkeypatch.setattr(machine, what, SimpleNamespace(conv=one) if what == "_cudnn" else one)
    assert machine.precision() == precision


def test_the_precision_follows_the_older_setting_too() -> None:
    for allowed, precision in ((False, "ieee"), (True, "tf32")):
        with torch.backends.cudnn.flags(allow_tf32=allowed):
            assert machine.precision() == precision


@pytest.mark.parametrize(
    ("cuda", "driver", "lacking"),
    [
        (None, None, "was built without CUDA; install one that was built with it"),
        ("13.2", None, "finds no NVIDIA driver that answers; run it on a machine with a GPU"),
        (
            "13.2",
            "470.82",
            "sees no GPU by the NVIDIA driver 470.82; compare CUDA_VISIBLE_DEVICES with ",
        ),
    ],
)
def test_what_a_machine_without_a_gpu_lacks(
    monkeypatch: pytest.MonkeyPatch, cuda: str | None, driver: str | None, lacking: str
) -> None:
    def none() -> bool:
        warnings.warn("the driver is too old", stacklevel=1)
        return False

    monkeypatch.setattr(torch.cuda, "is_available", none)
    monkeypatch.setattr(torch.version, "cuda", cuda)
    answer(monkeypatch, driver)
    assert (machine.lacks_gpu() or "").startswith(f"torch {torch.__version__} {lacking}")
    has_gpus(monkeypatch, [(6, 1), (9, 0)])
    assert machine.lacks_gpu() is None


def test_a_machine_whose_gpu_is_too_old_lacks_another_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    has_gpus(monkeypatch, [(6, 1)], ["sm_75", "sm_80"])
    monkeypatch.setattr(torch.version, "cuda", "13.2")
    answer(monkeypatch, "580.95")
    assert machine.lacks_gpu() == (
        f"torch {torch.__version__} was not built for GPU (6, 1), whose compute capability is 6.1; "
        "install one that was (in this are sm_75 sm_80)"
    )


def test_a_machine_whose_driver_counts_gpus_that_cuda_has_not_lacks_them(monkeypatch: pytest.MonkeyPatch) -> None:
    has_gpus(monkeypatch, [None])
    monkeypatch.setattr(torch.version, "cuda", "13.2")
    answer(monkeypatch, "580.95")
    lacking = f"torch {torch.__version__} sees no GPU by the NVIDIA driver 580.95; "
    assert (machine.lacks_gpu() or "").startswith(lacking)


NAMED = "0123456789abcdef0123456789abcdef01234567"


def test_the_commit_is_that_of_git_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(provenance.COMMIT, NAMED)
    words = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    head = subprocess.run(words, capture_output=True, text=True, check=False)
    if head.returncode:
        pytest.skip("this copy is no repository")
    assert commit()["commit"] == head.stdout.strip()


def repository(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make the project a repository with one empty commit, whose name is returned."""

    def git(*words: str) -> str:
        author = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
        command = ["git", "-C", str(folder), *author, *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    if shutil.which("git") is None:
        pytest.skip("there is no git")
    folder.mkdir()
    git("init")
    git("config", "core.quotepath", "false")
    git("commit", "--allow-empty", "-m", folder.name)
    monkeypatch.setattr(provenance, "root", lambda: folder)
    return git("rev-parse", "HEAD")


@pytest.mark.skipif(sys.platform == "darwin", reason="its file systems take names that are text")
def test_a_file_whose_name_is_no_text_is_a_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    head = repository(tmp_path / "one", monkeypatch)
    assert commit() == {"commit": head, "dirty": False}
    (tmp_path / "one" / "\udcff").touch()
    assert commit() == {"commit": head, "dirty": True}


def test_within_a_hook_the_commit_is_that_of_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository(tmp_path / "of the hook", monkeypatch)
    head = repository(tmp_path / "one", monkeypatch)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "of the hook" / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "nowhere"))
    assert commit() == {"commit": head, "dirty": False}


@pytest.mark.parametrize(("named", "expected"), [(NAMED, NAMED), ("", None), (None, None)])
def test_a_copy_without_a_repository_says_of_what_commit_it_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, named: str | None, expected: str | None
) -> None:
    monkeypatch.setattr(provenance, "root", lambda: tmp_path)
    monkeypatch.delenv(provenance.COMMIT, raising=False)
    if named is not None:
        monkeypatch.setenv(provenance.COMMIT, named)
    assert commit() == {"commit": expected, "dirty": None}


@pytest.mark.parametrize("named", ["main", NAMED[:39], f"{NAMED}0", NAMED.upper(), f"{NAMED}\n"])
def test_what_names_no_commit_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, named: str) -> None:
    monkeypatch.setattr(provenance, "root", lambda: tmp_path)
    monkeypatch.setenv(provenance.COMMIT, named)
    with pytest.raises(HarnessError, match=r"^HARNESS_COMMIT is not the name of a commit, which has 40 "):
        commit()


STEP = {"fingerprint": "0123", "data": "4567"}
HERE = {"hardware": "AMD EPYC", "threads": 1, "torch": "2.15.0", "cpu": "AMD 25", "capability": "AVX512"}
ELSEWHERE = {"hardware": "Apple M1", "threads": 8, "torch": "2.11.0", "cpu": "Apple M1", "capability": "DEFAULT"}
NATIVE = {"trainer": "native", "numerics": 1}
GCC, CLANG = {"compiler": "gcc 14", "flags": "-O3"}, {"compiler": "clang 19", "flags": "-O2"}
EAGER = {"trainer": "eager"}
SAID = {"fingerprint": "another network or recipe, fingerprint"}


@pytest.mark.parametrize("key", [*STEP, *HERE])
def test_all_of_an_eager_run_binds(key: str) -> None:
    made = {**STEP, **EAGER, **HERE}
    assert differences(made, made) == ""
    assert differences({**made, key: "other"}, made) == f"{SAID.get(key, key)} other (here {made[key]})"
    assert binding(made) == made


@pytest.mark.parametrize("key", ["hardware", "threads", "torch", "cpu", "capability", "compiler", "flags"])
def test_no_machine_and_no_version_binds_a_native_run(key: str) -> None:
    made = {**STEP, **NATIVE, **HERE, **GCC}
    assert differences({**made, key: "other"}, made) == ""
    assert differences(binding(made), {**STEP, **NATIVE, **ELSEWHERE, **CLANG}) == ""


@pytest.mark.parametrize("key", ["fingerprint", "data", "numerics"])
def test_step_data_and_arithmetic_bind_a_native_run(key: str) -> None:
    made = {**STEP, **NATIVE, **HERE, **GCC}
    assert differences({**made, key: "other"}, made) == f"{SAID.get(key, key)} other (here {made[key]})"
    assert binding(made) == {**STEP, **NATIVE}


def test_runs_of_different_trainers_differ_in_that_whatever_else_they_say() -> None:
    native, eager = {**STEP, **NATIVE, **HERE, **GCC}, {**STEP, **EAGER, **HERE}
    assert differences(binding(native), eager) == "trainer native (here eager)"
    assert differences(eager, native) == "trainer eager (here native)"


@pytest.mark.parametrize("trainer", [EAGER, NATIVE])
def test_a_run_of_an_older_version_differs_and_says_what_else_does(trainer: dict[str, Any]) -> None:
    old = {**STEP, "hardware": "AMD EPYC", "threads": 1}
    assert differences(old, {**STEP, **trainer, **HERE}) == "a version that did not record the trainer"
    changed = {**old, "fingerprint": "89ab"}
    assert differences(changed, {**STEP, **trainer, **HERE}) == (
        "a version that did not record the trainer, another network or recipe, fingerprint 89ab (here 0123)"
    )
    assert differences(old, old) == ""


def test_runs_of_two_steps_are_made_alike_whatever_the_steps_are() -> None:
    eager, native = {**STEP, **EAGER, **HERE}, {**STEP, **NATIVE, **HERE, **GCC}
    other = {"fingerprint": "89ab"}
    assert made_alike(eager, eager | other)
    assert not any(made_alike(eager, eager | other | {key: "other"}) for key in ["data", *HERE])
    assert made_alike(native, {**STEP, **NATIVE, **ELSEWHERE, **CLANG} | other)
    assert not any(made_alike(native, native | other | {key: "other"}) for key in ["data", "numerics"])
    assert not made_alike(native, eager)


def test_what_is_not_known_before_a_run_starts_is_not_compared() -> None:
    made = {**STEP, **EAGER, **HERE}
    assert differences(made, {key: made[key] for key in made.keys() - {"hardware", "cpu"}}) == ""


def test_the_provenance_of_several_runs_counts_what_they_do_not_share() -> None:
    assert shared([{**STEP, **HERE}, {**STEP, **ELSEWHERE, "threads": 1}, {**STEP, **HERE, "threads": 1}]) == {
        **STEP,
        "hardware": "2 kinds",
        "threads": 1,
        "torch": "2 kinds",
        "cpu": "2 kinds",
        "capability": "2 kinds",
    }
    assert shared([]) == {}


def test_a_provenance_names_its_trainer() -> None:
    step = steps()["five_steps/step3"]
    assert provenance.provenance(step, CPU)["trainer"] == "eager"
    assert provenance.provenance(step, CPU, {**NATIVE, **GCC}).items() >= {**NATIVE, **GCC}.items()
