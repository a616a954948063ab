"""The state of a GPU while it works, as its driver knows it: clocks, heat, what slows it down, who else uses it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from harness.errors import HarnessError

SHARE = 0.01  # of the time between two readings for which a GPU may have been slowed down

SLOWED = ("sw_power_cap", "hw_slowdown", "hw_thermal_slowdown", "hw_power_brake_slowdown", "sw_thermal_slowdown")
"""The clock event reasons that spoil a measurement; the others are idleness and clocks that somebody set."""
VALUES = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal", "usVal")  # of a field, by its NVML_VALUE_TYPE


@dataclass(frozen=True)
class State:
    """One GPU at one moment. Clocks in MHz, temperature in degrees Celsius, power in watts; None where not known."""

    driver: str
    sm_clock: float | None
    sm_clock_max: float | None
    temperature: float | None
    power: float | None
    slowed: tuple[str, ...]
    """Which of `SLOWED` hold at this moment."""
    slowed_for: dict[str, int]
    """Microseconds so far, by reason; empty where the driver does not count them."""
    processes: tuple[int, ...]
    """Ids of the processes that compute on the GPU, as far as this one may see them."""


@contextmanager
def _nvml() -> Iterator[Any]:
    """NVML, the library of the driver. It is not shut down, so that only the first call takes long."""
    try:
        import pynvml
    except ImportError as error:
        raise HarnessError("pynvml cannot be imported; run pip install nvidia-ml-py") from error
    try:
        pynvml.nvmlInit()
        yield pynvml
    except pynvml.NVMLError as error:
        raise HarnessError(f"the NVIDIA driver does not answer: {error}; see what nvidia-smi says") from error


def driver() -> str | None:
    """The version of the NVIDIA driver; None where none answers."""
    try:
        with _nvml() as nvml:
            return str(nvml.nvmlSystemGetDriverVersion())
    except HarnessError:
        return None


class Gpu:
    """A GPU that is found by its UUID, with or without "GPU-", which takes longer than to read its state.

    Both raise HarnessError if the library or the driver is missing or fails.
    """

    def __init__(self, uuid: str | bytes) -> None:
        bare = (uuid.decode() if isinstance(uuid, bytes) else uuid).removeprefix("GPU-")
        with _nvml() as self.nvml:
            try:
                self.handle = self.nvml.nvmlDeviceGetHandleByUUID(f"GPU-{bare}")
            except self.nvml.NVMLError_NotFound as error:
                raise HarnessError(f"the NVIDIA driver knows no GPU-{bare}; see what nvidia-smi -L lists") from error

    def state(self) -> State:
        """The state at this moment; a GPU that idles lowers its clocks, and nothing slows it down."""
        with _nvml() as nvml:
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

    def _known(self, function: Callable[..., Any], *arguments: int) -> Any:
        """What a function returns; None where this GPU, its driver or the rights of this user do not go so far."""
        nvml = self.nvml
        try:
            return function(self.handle, *arguments)
        except (nvml.NVMLError_NotSupported, nvml.NVMLError_NoPermission, nvml.NVMLError_FunctionNotFound):
            return None

    def _fields(self) -> tuple[float | None, dict[str, int]]:
        """The power in milliwatts, and `slowed_for`, which NVML counts in nanoseconds.

        The counters are those of nvmlDeviceGetViolationStatus, whose documentation has the unit. Other reasons have
        counters as well, but under numbers that mean something else to another driver.
        """
        nvml = self.nvml
        counters = (nvml.NVML_FI_DEV_PERF_POLICY_POWER, nvml.NVML_FI_DEV_PERF_POLICY_THERMAL)
        fields = nvml.nvmlDeviceGetFieldValues(self.handle, [nvml.NVML_FI_DEV_POWER_INSTANT, *counters])
        power, *spent = (None if one.nvmlReturn else getattr(one.value, VALUES[one.valueType]) for one in fields)
        counted = zip(("sw_power_cap", "sw_thermal_slowdown"), spent, strict=True)
        slowed_for = {reason: int(nanoseconds / 1000) for reason, nanoseconds in counted if nanoseconds is not None}
        return power or self._known(nvml.nvmlDeviceGetPowerUsage), slowed_for

    def _slowed(self) -> tuple[str, ...]:
        """Before driver 535, event reasons were called throttle reasons; their bits are the same."""
        nvml = self.nvml
        names = (nvml.nvmlDeviceGetCurrentClocksEventReasons, nvml.nvmlDeviceGetCurrentClocksThrottleReasons)
        reasons = self._known(names[0]) or self._known(names[1]) or 0
        bits = {reason: getattr(nvml, f"nvmlClocksEventReason{reason.title().replace('_', '')}") for reason in SLOWED}
        return tuple(reason for reason, bit in bits.items() if reasons & bit)

    def _processes(self) -> tuple[int, ...]:
        """Those that compute, be it through a Multi-Process Service, and not those that only draw, as a desktop's."""
        nvml = self.nvml
        lists = (nvml.nvmlDeviceGetComputeRunningProcesses_v3, nvml.nvmlDeviceGetMPSComputeRunningProcesses_v3)
        return tuple(sorted({process.pid for listed in lists for process in self._known(listed) or ()}))


def doubts(before: State, after: State, seconds: float, own_pid: int) -> list[str]:
    """What makes a measurement between two readings, `seconds` apart, invalid; empty if nothing does."""
    found = [f"slowed down: {reason}" for reason in SLOWED if reason in before.slowed + after.slowed]
    for reason, microseconds in after.slowed_for.items():
        spent = microseconds - before.slowed_for.get(reason, microseconds)
        if spent > SHARE * seconds * 1e6:
            found.append(f"slowed down: {reason} for {spent / 1e6:.2f} of {seconds:.2f} s")
    computing = {*before.processes, *after.processes}
    if len(computing) > 1:  # a single one is this one, which has another id outside its container
        found.append(f"not alone on the GPU: process {', '.join(map(str, sorted(computing - {own_pid})))}")
    return found
