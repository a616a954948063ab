"""The state of a GPU: what the driver reports, what is None without a report, and what makes a measurement invalid."""

import sys
from dataclasses import replace
from typing import Any

import pynvml
import pytest

from harness import machine
from harness.benchmark import gpu
from harness.benchmark.gpu import Gpu, State
from harness.errors import HarnessError
from spec.harness.benchmark.fake_nvml import HEAT, POWER, UUID, Nvml
from spec.harness.benchmark.fake_nvml import no_driver as no_driver
from spec.harness.benchmark.fake_nvml import nvml as nvml

REQUIRED = {"nvmlInitWithFlags", "nvmlSystemGetDriverVersion", "nvmlDeviceGetHandleByUUID", "nvmlDeviceGetFieldValues"}
OTHERS = 0x113  # idleness, clocks set by a user, synchronized boost
ALONE = State("575.51.02", 1965, 1980, 41, 120.26, (), {"sw_power_cap": 1_000_000}, (4711,))


@pytest.mark.parametrize("uuid", [UUID, f"GPU-{UUID}", UUID.encode(), f"GPU-{UUID}".encode()], ids=repr)
def test_the_state_is_that_of_the_gpu_that_is_asked_for(nvml: Nvml, uuid: str | bytes) -> None:
    assert Gpu(uuid).state() == ALONE
    assert machine.driver() == "575.51.02"
    with pytest.raises(HarnessError, match="^the NVIDIA driver knows no GPU-0; see what nvidia-smi -L lists$"):
        Gpu("GPU-0")


@pytest.mark.parametrize("uuid", [UUID, f"MIG-{UUID}"])
def test_a_mig_instance_has_the_clocks_of_its_gpu_and_processes_of_its_own(nvml: Nvml, uuid: str) -> None:
    nvml.split = True
    assert Gpu(uuid).state() == ALONE
    nvml.computing = [1802, 4711]
    assert Gpu(uuid).state().processes == (1802, 4711)


@pytest.mark.parametrize("kind", ["Event", "Throttle"])  # the names since driver 535, and before it
def test_each_reason_has_a_bit_by_either_name(nvml: Nvml, kind: str) -> None:
    ask = nvml.functions.pop("nvmlDeviceGetCurrentClocksEventReasons")
    nvml.functions[f"nvmlDeviceGetCurrentClocks{kind}Reasons"] = ask
    for reason, bit in zip(gpu.SLOWED, (0x4, 0x8, 0x40, 0x80, 0x20), strict=True):
        nvml.reasons = bit | OTHERS
        assert Gpu(UUID).state().slowed == (reason,)


def test_nanoseconds_become_microseconds_and_all_who_compute_are_listed(nvml: Nvml) -> None:
    nvml.fields, nvml.by_service = {POWER: 1_999_999, HEAT: 5_000_000_000}, [1802]
    state = Gpu(UUID).state()
    assert state.slowed_for == {"sw_power_cap": 1999, "sw_thermal_slowdown": 5_000_000}
    assert (state.power, state.processes) == (118.15, (1802, 4711))  # falls back to the power of the last second


@pytest.mark.parametrize("status", [pynvml.NVML_ERROR_NOT_SUPPORTED, pynvml.NVML_ERROR_NO_PERMISSION, None])
def test_what_the_driver_does_not_say_is_left_out(nvml: Nvml, status: int | None) -> None:
    """Status None: the driver has no such function."""
    nvml.fields = {}
    for name in set(nvml.functions) - REQUIRED:
        if status is None:
            del nvml.functions[name]
        else:
            nvml.functions[name] = lambda *arguments: status
    assert Gpu(UUID).state() == State("575.51.02", None, None, None, None, (), {}, ())


@pytest.mark.parametrize(
    ("name", "status", "message"),
    [
        ("nvmlInitWithFlags", pynvml.NVML_ERROR_DRIVER_NOT_LOADED, "Driver Not Loaded"),
        ("nvmlInitWithFlags", pynvml.NVML_ERROR_NO_PERMISSION, "Insufficient Permissions"),
        ("nvmlDeviceGetClockInfo", pynvml.NVML_ERROR_GPU_IS_LOST, "GPU is lost"),
    ],
)
def test_a_driver_that_fails_is_one_error(nvml: Nvml, name: str, status: int, message: str) -> None:
    nvml.functions[name] = lambda *arguments: status
    with pytest.raises(HarnessError, match=f"^the NVIDIA driver does not answer: {message}; see what nvidia-smi says$"):
        Gpu(UUID).state()


def test_a_machine_without_the_driver_or_its_python_package_is_one_error_too(
    no_driver: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(HarnessError, match="does not answer: NVML Shared Library Not Found; see"):
        Gpu(UUID)
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with pytest.raises(HarnessError, match="^pynvml cannot be imported; run pip install nvidia-ml-py$"):
        Gpu(UUID)
    assert machine.driver() is None


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({}, {}, []),
        ({}, {"slowed_for": {"sw_power_cap": 1_020_000}}, []),  # exactly the limit, 0.02 of 2 s
        ({}, {"slowed_for": {"sw_power_cap": 1_020_001}}, ["slowed down: sw_power_cap for 0.02 of 2.00 s"]),
        ({"slowed_for": {}}, {}, []),
        ({"slowed": ("hw_slowdown",)}, {}, ["slowed down: hw_slowdown"]),
        ({"processes": (991,)}, {"processes": (991,)}, []),  # in a container, where process 991 has the id 4711
        ({"processes": (991,)}, {"processes": (991, 1802)}, ["not alone on the GPU: process 991, 1802"]),
        ({"processes": (77, 4711)}, {"processes": (1802,)}, ["not alone on the GPU: process 77, 1802"]),
    ],
)
def test_what_makes_a_measurement_invalid(before: dict[str, Any], after: dict[str, Any], expected: list[str]) -> None:
    first, second = (replace(ALONE, **changes) for changes in (before, after))
    assert gpu.doubts(first, second, seconds=2, own_pid=4711) == expected


def test_that_no_process_is_listed_is_no_doubt_and_not_passed_over() -> None:
    nobody = replace(ALONE, processes=())
    assert gpu.doubts(nobody, nobody, seconds=2, own_pid=4711) == []
    assert gpu.unknowns(nobody, nobody) == [
        "the driver lists no process, not even this one: whether others use the GPU is not known"
    ]
    assert gpu.unknowns(nobody, ALONE) == gpu.unknowns(ALONE, ALONE) == []
