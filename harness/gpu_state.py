"""The state of a GPU while it works, as nvidia-smi tells it: clocks, heat, what slows it down, who else uses it."""

import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO
from xml.etree import ElementTree

from harness.errors import HarnessError

COMMAND = ("nvidia-smi", "--query", "--xml-format")  # its names change less from driver to driver than those of the CSV
LIMIT = 60.0  # seconds that nvidia-smi may take
SHARE = 0.01  # of the time between two readings for which a GPU may have been slowed down

SLOWED = ("sw_power_cap", "hw_slowdown", "hw_thermal_slowdown", "hw_power_brake_slowdown", "sw_thermal_slowdown")
"""The clock event reasons that spoil a measurement; the others are idleness and clocks that somebody set."""


@dataclass(frozen=True)
class State:
    """One GPU at one moment. Clocks in MHz, temperature in degrees Celsius, power in watts; None where not told."""

    driver: str
    sm_clock: float | None
    sm_clock_max: float | None
    temperature: float | None
    power: float | None
    slowed: tuple[str, ...]
    """Which of `SLOWED` hold at this moment."""
    slowed_for: dict[str, int]
    """Microseconds so far, by reason, in the words of nvidia-smi; empty where the driver does not count them."""
    processes: tuple[int, ...]
    """Ids of the processes that compute on the GPU, as far as this one may see them."""


def watched(work: Callable[[], object], uuid: str, command: Sequence[str] = COMMAND) -> State:
    """The state of the GPU with that UUID, "GPU-...", read while `work` is done on it again and again.

    An idle GPU lowers its clocks and is slowed down by nothing, so that a reading after the work would tell nothing.
    Raises HarnessError if nvidia-smi is not there, fails, takes a minute or does not know the GPU.
    """
    # A file and not a pipe: nobody reads while the work is done, and a full pipe would stop nvidia-smi for ever.
    with tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        except OSError as error:
            raise HarnessError(f"{command[0]} cannot be run: {error.strerror or error}") from error
        try:
            deadline = time.monotonic() + LIMIT
            while process.poll() is None and time.monotonic() < deadline:
                work()
        finally:
            process.kill()
            process.wait()
        return parse(_printed(output, process.returncode, command[0]), uuid)


def _printed(output: IO[bytes], status: int, program: str) -> str:
    output.seek(0)
    text = output.read().decode(errors="replace")
    if status != 0:
        raise HarnessError(f"{program} failed with status {status}: {text.strip().partition(chr(10))[0]}")
    return text


def parse(xml: str, uuid: str) -> State:
    """The state of the GPU with that UUID from what `COMMAND` prints.

    Clock event reasons were called throttle reasons before driver 535; both are known. Raises HarnessError if the text
    is no such output or has no such GPU.
    """
    try:
        log = ElementTree.fromstring(xml)
    except ElementTree.ParseError as error:
        raise HarnessError(f"nvidia-smi printed no XML: {error}") from error
    for gpu in log.iter("gpu"):
        if _text(gpu, "uuid") == uuid:
            return State(
                driver=_text(log, "driver_version"),
                sm_clock=_number(gpu, "clocks/sm_clock"),
                sm_clock_max=_number(gpu, "max_clocks/sm_clock"),
                temperature=_number(gpu, "temperature/gpu_temp"),
                power=_power(gpu),
                slowed=_slowed(gpu),
                slowed_for=_slowed_for(gpu),
                processes=_computing(gpu),
            )
    raise HarnessError(f"nvidia-smi tells nothing of {uuid}")


def _text(element: ElementTree.Element, path: str) -> str:
    return (element.findtext(path) or "").strip()


def _number(element: ElementTree.Element, path: str) -> float | None:
    """The number before the unit, as in "1980 MHz"; None for "N/A" and for nothing."""
    try:
        return float(_text(element, path).partition(" ")[0])
    except ValueError:
        return None


def _power(gpu: ElementTree.Element) -> float | None:
    """The draw in watts, under the names that drivers have given it, the newest first."""
    names = ("gpu_power_readings/instant_power_draw", "gpu_power_readings/power_draw", "power_readings/power_draw")
    return next((watts for name in names if (watts := _number(gpu, name)) is not None), None)


def _slowed(gpu: ElementTree.Element) -> tuple[str, ...]:
    return tuple(
        reason
        for reason in SLOWED
        for kind in ("event", "throttle")
        if _text(gpu, f"clocks_{kind}_reasons/clocks_{kind}_reason_{reason}") == "Active"
    )


def _slowed_for(gpu: ElementTree.Element) -> dict[str, int]:
    """The counters by reason; GPUs that boost together are not thereby slowed down."""
    counted = {}
    for counter in gpu.iterfind("clocks_event_reasons_counters/*"):
        reason = counter.tag.removeprefix("clocks_event_reasons_counters_")
        microseconds = (counter.text or "").strip().partition(" ")[0]
        if reason != "sync_boost" and microseconds.isdecimal():
            counted[reason] = int(microseconds)
    return counted


def _computing(gpu: ElementTree.Element) -> tuple[int, ...]:
    """The processes of type C, C+G or M+C; those that only draw, such as a desktop's, are left out."""
    return tuple(int(_text(info, "pid")) for info in gpu.iter("process_info") if "C" in _text(info, "type"))


def doubts(before: State, after: State, seconds: float, own_pid: int) -> list[str]:
    """What makes a measurement between two readings, `seconds` apart, invalid; empty if nothing does."""
    found = [f"slowed down: {reason}" for reason in SLOWED if reason in before.slowed + after.slowed]
    for reason, microseconds in after.slowed_for.items():
        spent = microseconds - before.slowed_for.get(reason, microseconds)
        if spent > SHARE * seconds * 1e6:
            found.append(f"slowed down: {reason} for {spent / 1e6:.2f} of {seconds:.2f} s")
    others = sorted({*before.processes, *after.processes} - {own_pid})
    if others:
        found.append(f"not alone on the GPU: process {', '.join(map(str, others))}")
    return found


def driver() -> str | None:
    """The version of the NVIDIA driver; None where nvidia-smi does not tell it."""
    try:
        done = subprocess.run(COMMAND, capture_output=True, text=True, timeout=LIMIT, check=True)
        return _text(ElementTree.fromstring(done.stdout), "driver_version") or None
    except (OSError, subprocess.SubprocessError, ElementTree.ParseError):
        return None
