"""A stand-in for NVML, the driver's library in C, below the real pynvml, whose types and errors are tested with it.

A function writes its result to the address in its last argument, in the unit of nvml.h, and returns a status.
"""

import ctypes
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


WHOLE, PART = 0xA, 0xB  # addresses of what stands for a GPU, and for a MIG instance of it


def write_handle(place: Any, address: int) -> int:
    """Write the handle of a device, a pointer, to an argument passed by reference."""
    ctypes.cast(place, ctypes.POINTER(ctypes.c_void_p))[0] = address
    return 0


def handle(gpu: Any) -> int | None:
    """The address in a handle."""
    return ctypes.cast(gpu, ctypes.c_void_p).value


class Nvml:
    """The library, and one GPU on which process 4711 computes; a test changes the attributes.

    Where the GPU is split, a MIG instance of it has the UUID that CUDA reports, and process 77 computes on another one.
    """

    def __init__(self) -> None:
        self.reasons = 1  # idle
        self.fields = {pynvml.NVML_FI_DEV_POWER_INSTANT: 120_260, POWER: 1_000_000_000}
        self.computing, self.by_service = [4711], list[int]()
        self.split = False
        self.functions: dict[str, Callable[..., int]] = {
            "nvmlInitWithFlags": lambda flags: 0,
            "nvmlSystemGetDriverVersion": lambda text, length: write(text, b"575.51.02"),
            "nvmlDeviceGetHandleByUUID": self.find,
            "nvmlDeviceGetDeviceHandleFromMigDeviceHandle": lambda part, place: write_handle(place, WHOLE),
            "nvmlDeviceGetClockInfo": lambda gpu, kind, place: self.of_whole(gpu, place, {1: 1965}[kind.value]),
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

    def find(self, uuid: Any, place: Any) -> int:
        known = {f"{'MIG' if self.split else 'GPU'}-{UUID}".encode(): PART if self.split else WHOLE}
        return write_handle(place, known[uuid.value]) if uuid.value in known else NOT_FOUND

    def of_whole(self, gpu: Any, place: Any, value: int) -> int:
        return write(place, value) if handle(gpu) == WHOLE else int(pynvml.NVML_ERROR_NOT_SUPPORTED)

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
        ids = [*ids, 77] if self.split and handle(gpu) == WHOLE else ids
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
