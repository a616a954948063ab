"""The state of a working GPU by its driver: clocks, temperature, throttling, and the processes that use it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from harness import machine
from harness.errors import HarnessError

_SHARE = 0.01  # of the time between two readings in which a GPU may be slowed down

SLOWED = ("sw_power_cap", "hw_slowdown", "hw_thermal_slowdown", "hw_power_brake_slowdown", "sw_thermal_slowdown")
"""The clock event reasons that make a measurement invalid; the others are idleness and clocks set by a user."""
_VALUES = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal", "usVal")  # by NVML_VALUE_TYPE


@dataclass(frozen=True)
class State:
    """One GPU at one moment. Clocks in MHz, temperature in degrees Celsius, power in watts; None if unknown."""

    driver: str
    sm_clock: float | None
    sm_clock_max: float | None
    temperature: float | None
    power: float | None
    slowed: tuple[str, ...]
    """The reasons among `SLOWED` that apply now."""
    slowed_for: dict[str, int]
    """Microseconds so far, by reason; empty if the driver does not count them."""
    processes: tuple[int, ...]
    """Ids of the processes that compute on the GPU, as far as they are visible to this process."""


class Gpu:
    """A GPU, or a MIG instance of one, found by its UUID, with or without a prefix. Reading its state is faster.

    Both raise HarnessError if the library or the driver is missing or fails.
    """

    def __init__(self, uuid: str | bytes) -> None:
        bare = (uuid.decode() if isinstance(uuid, bytes) else uuid).removeprefix("GPU-").removeprefix("MIG-")
        with machine.nvml() as self.nvml:
            whole = self._found(f"GPU-{bare}")
            instance = None if whole else self._found(f"MIG-{bare}")
            if whole is None and instance is None:
                raise HarnessError(f"the NVIDIA driver knows no GPU-{bare}; see what nvidia-smi -L lists")
            self.handle = whole or self.nvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(instance)
            self.computing = whole or instance  # an instance has processes of its own; clocks are those of the GPU

    def _found(self, uuid: str) -> Any:
        """The handle of a device; None if the driver knows none with that UUID."""
        try:
            return self.nvml.nvmlDeviceGetHandleByUUID(uuid)
        except self.nvml.NVMLError_NotFound:
            return None

    def state(self) -> State:
        """The state now. Read it under load: an idle GPU lowers its clocks, and nothing slows it down."""
        with machine.nvml() as nvml:
            milliwatts, slowed_for = self._fields()
            return State(
                driver=nvml.nvmlSystemGetDriverVersion(),
                sm_clock=self._known(nvml.nvmlDeviceGetClockInfo, nvml.NVML_CLOCK_SM),
                sm_clock_max=self._known(nvml.nvmlDeviceGetMaxClockInfo, nvml.NVML_CLOCK_SM),
                temperature=self._known(nvml.nvmlDeviceGetTemperature, nvml.NVML_TEMPERATURE_GPU),
                power=None if milliwatts is None else milliwatts / 1000,
                slowed=self._slowed(),
                slowed_for=slowed_for,
                processes=self._processes(),
            )

    def _known(self, function: Callable[..., Any], *arguments: Any, of: Any = None) -> Any:
        """The result of a function; None if the GPU, its driver or the rights of the user do not allow it."""
        nvml = self.nvml
        try:
            return function(of or self.handle, *arguments)
        except (nvml.NVMLError_NotSupported, nvml.NVMLError_NoPermission, nvml.NVMLError_FunctionNotFound):
            return None

    def _fields(self) -> tuple[float | None, dict[str, int]]:
        """The power in milliwatts, and `slowed_for`, which NVML counts in nanoseconds.

        The counters are those of nvmlDeviceGetViolationStatus, whose documentation gives the unit. Other reasons have
        counters too, but the numbers of their fields change between drivers.
        """
        nvml = self.nvml
        counters = (nvml.NVML_FI_DEV_PERF_POLICY_POWER, nvml.NVML_FI_DEV_PERF_POLICY_THERMAL)
        wanted = [nvml.NVML_FI_DEV_POWER_INSTANT, *counters]
        if (fields := self._known(nvml.nvmlDeviceGetFieldValues, wanted)) is None:
            return self._known(nvml.nvmlDeviceGetPowerUsage), {}
        power, *spent = (None if one.nvmlReturn else getattr(one.value, _VALUES[one.valueType]) for one in fields)
        counted = zip(("sw_power_cap", "sw_thermal_slowdown"), spent, strict=True)
        slowed_for = {reason: int(nanoseconds / 1000) for reason, nanoseconds in counted if nanoseconds is not None}
        return power or self._known(nvml.nvmlDeviceGetPowerUsage), slowed_for

    def _slowed(self) -> tuple[str, ...]:
        nvml = self.nvml
        # Before driver 535, event reasons were called throttle reasons; their bits are the same.
        names = (nvml.nvmlDeviceGetCurrentClocksEventReasons, nvml.nvmlDeviceGetCurrentClocksThrottleReasons)
        reasons = self._known(names[0]) or self._known(names[1]) or 0
        bits = {reason: getattr(nvml, f"nvmlClocksEventReason{reason.title().replace('_', '')}") for reason in SLOWED}
        return tuple(reason for reason, bit in bits.items() if reasons & bit)

    def _processes(self) -> tuple[int, ...]:
        nvml = self.nvml
        # Processes that compute, also through the Multi-Process Service; not those that only draw, such as a desktop.
        lists = (nvml.nvmlDeviceGetComputeRunningProcesses_v3, nvml.nvmlDeviceGetMPSComputeRunningProcesses_v3)
        found = (process for listed in lists for process in self._known(listed, of=self.computing) or ())
        return tuple(sorted({process.pid for process in found}))


def doubts(before: State, after: State, seconds: float, own_pid: int) -> list[str]:
    """Why a measurement between two readings, `seconds` apart, is invalid; empty if it is valid."""
    found = [f"slowed down: {reason}" for reason in SLOWED if reason in before.slowed + after.slowed]
    for reason, microseconds in after.slowed_for.items():
        spent = microseconds - before.slowed_for.get(reason, microseconds)
        if spent > _SHARE * seconds * 1e6:
            found.append(f"slowed down: {reason} for {spent / 1e6:.2f} of {seconds:.2f} s")
    computing = {*before.processes, *after.processes}
    if len(computing) > 1:  # a single one is this process, whose id differs outside its container
        found.append(f"not alone on the GPU: process {', '.join(map(str, sorted(computing - {own_pid})))}")
    return found


def unknowns(before: State, after: State) -> list[str]:
    """What could make a measurement invalid and was not visible."""
    if before.processes or after.processes:
        return []
    return ["the driver lists no process, not even this one: whether others use the GPU is not known"]
