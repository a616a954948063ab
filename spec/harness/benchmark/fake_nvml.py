"""A stand-in for NVML, the driver's library in C, below the real pynvml, whose types and errors are tested with it.

A function writes its result to the address in its last argument, in the unit of nvml.h, and returns a status.
"""

from collections.abc import Callable
from typing import Any

import pynvml
import pytest

UUID = "6f4c1a2e-0d5b-4f7e-9a3c-2b8d7e1f0a11"
NOT_FOUND, TOO_SMALL = pynvml.NVML_ERROR_NOT_FOUND, pynvml.NVML_ERROR_INSUFFICIENT_SIZE
POWER, HEAT = pynvml.NVML_FI_DEV_PERF_POLICY_POWER, pynvml.NVML_FI_DEV_PERF_POLICY_THERMAL


def write(place: Any, value: Any) -> int:
    """Write to a buffer or an argument passed by reference, as C does."""
    getattr(place, "_obj", place).value = value
    return 0


class Nvml:
    """The library, and one GPU on which process 4711 computes; a test changes the attributes."""

    def __init__(self) -> None:
        self.reasons = 1  # idle
        self.fields = {pynvml.NVML_FI_DEV_POWER_INSTANT: 120_260, POWER: 1_000_000_000}
        self.computing, self.by_service = [4711], list[int]()
        self.functions: dict[str, Callable[..., int]] = {
            "nvmlInitWithFlags": lambda flags: 0,
            "nvmlSystemGetDriverVersion": lambda text, length: write(text, b"575.51.02"),
            "nvmlDeviceGetHandleByUUID": lambda uuid, gpu: 0 if uuid.value == f"GPU-{UUID}".encode() else NOT_FOUND,
            "nvmlDeviceGetClockInfo": lambda gpu, kind, place: write(place, {1: 1965}[kind.value]),
            "nvmlDeviceGetMaxClockInfo": lambda gpu, kind, place: write(place, {1: 1980}[kind.value]),
            "nvmlDeviceGetTemperature": lambda gpu, sensor, place: write(place, {0: 41}[sensor.value]),
            "nvmlDeviceGetPowerUsage": lambda gpu, place: write(place, 118_150),
            "nvmlDeviceGetCurrentClocksEventReasons": lambda gpu, place: write(place, self.reasons),
            "nvmlDeviceGetFieldValues": self.write_fields,
            "nvmlDeviceGetComputeRunningProcesses_v3": lambda *place: self.list_processes(self.computing, *place),
            "nvmlDeviceGetMPSComputeRunningProcesses_v3": lambda *place: self.list_processes(self.by_service, *place),
        }

    def __getattr__(self, name: str) -> Callable[..., int]:
        if name in self.functions:
            return self.functions[name]
        raise AttributeError(name)  # as ctypes does for a missing function

    def write_fields(self, gpu: Any, count: Any, places: Any) -> int:
        for field in places._obj:
            value = self.fields.get(field.fieldId)
            if value is None:
                field.nvmlReturn = pynvml.NVML_ERROR_NOT_SUPPORTED
            elif field.fieldId == pynvml.NVML_FI_DEV_POWER_INSTANT:
                field.valueType, field.value.uiVal = pynvml.NVML_VALUE_TYPE_UNSIGNED_INT, value
            else:
                field.valueType, field.value.ullVal = pynvml.NVML_VALUE_TYPE_UNSIGNED_LONG_LONG, value
        return 0

    def list_processes(self, ids: list[int], gpu: Any, count: Any, places: Any) -> int:
        room, count._obj.value = count._obj.value, len(ids)
        for place, process in zip(places or (), ids, strict=False):
            place.pid = process
        return 0 if len(ids) <= room else int(TOO_SMALL)


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> Nvml:
    """The library that pynvml calls."""
    library = Nvml()
    monkeypatch.setattr(pynvml, "nvmlLib", library)
    monkeypatch.setattr(pynvml, "_nvmlGetFunctionPointer_cache", {})
    return library


@pytest.fixture
def no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without the library: pynvml fails to load it."""
    monkeypatch.setattr(pynvml, "nvmlLib", None)
    monkeypatch.setattr(pynvml, "CDLL", open)  # fails for a missing file, as loading it does
