"""The state of a GPU: read from what nvidia-smi prints while work goes on, and what makes a measurement invalid.

The texts are abridged by hand; a script that prints them stands in for nvidia-smi.
"""

import sys
from pathlib import Path

import pytest

from harness import gpu_state
from harness.errors import HarnessError
from spec.harness.nvidia_smi import ALONE, OLD, SLOW, UUID


def test_the_state_is_that_of_the_gpu_that_is_asked_for() -> None:
    state = gpu_state.parse(ALONE, UUID)
    assert state == gpu_state.State("575.51.02", 1965, 1980, 41, 120.26, (), {"sw_power_cap": 1000000}, (4711,))


def test_older_drivers_say_throttle_and_count_nothing() -> None:
    state = gpu_state.parse(OLD, UUID)
    assert (state.slowed, state.slowed_for, state.power) == (("sw_power_cap",), {}, 120.26)


def test_output_that_is_none_and_a_gpu_that_is_not_there_are_said() -> None:
    with pytest.raises(HarnessError, match="nvidia-smi printed no XML"):
        gpu_state.parse("NVIDIA-SMI has failed", UUID)
    with pytest.raises(HarnessError, match="nvidia-smi tells nothing of GPU-0$"):
        gpu_state.parse(ALONE, "GPU-0")


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (ALONE, ALONE, []),
        (ALONE, ALONE.replace("1000000 us", "1019999 us"), []),  # 0.02 of 2 s is the most
        (ALONE, ALONE.replace("1000000 us", "1020001 us"), ["slowed down: sw_power_cap for 0.02 of 2.00 s"]),
        (SLOW.replace("<pid>1802</pid><type>C+G", "<pid>1802</pid><type>G"), ALONE, ["slowed down: sw_power_cap"]),
        (ALONE, ALONE.replace(">G<", ">M+C<"), ["not alone on the GPU: process 1802"]),
        (
            ALONE,
            SLOW,
            [
                "slowed down: sw_power_cap",
                "slowed down: sw_power_cap for 2.50 of 2.00 s",
                "not alone on the GPU: process 1802",
            ],
        ),
    ],
)
def test_what_makes_a_measurement_invalid(before: str, after: str, expected: list[str]) -> None:
    first, second = (gpu_state.parse(text, UUID) for text in (before, after))
    assert gpu_state.doubts(first, second, seconds=2, own_pid=4711) == expected


def program(tmp_path: Path, text: str, status: int = 0) -> list[str]:
    """A stand-in for nvidia-smi that takes a moment and then prints a text, longer than a pipe holds."""
    file = tmp_path / "smi.py"
    padding = "<!--" + 100_000 * " " + "-->"
    file.write_text(f"import sys, time\ntime.sleep(0.2)\nprint({text!r} + {padding!r})\nsys.exit({status})\n")
    return [sys.executable, str(file)]


def test_the_state_is_read_while_the_work_goes_on(tmp_path: Path) -> None:
    done: list[int] = []
    state = gpu_state.watched(lambda: done.append(1), UUID, program(tmp_path, ALONE))
    assert state.sm_clock == 1965
    assert len(done) > 100


def test_an_nvidia_smi_that_is_not_there_fails_or_hangs_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(HarnessError, match=r"^no-such-smi cannot be run: No such file or directory$"):
        gpu_state.watched(int, UUID, ["no-such-smi"])
    with pytest.raises(HarnessError, match=r"failed with status 9: NVIDIA-SMI has failed"):
        gpu_state.watched(int, UUID, program(tmp_path, "NVIDIA-SMI has failed\nmore", 9))
    monkeypatch.setattr(gpu_state, "LIMIT", 0.01)
    with pytest.raises(HarnessError, match=r"failed with status -9"):
        gpu_state.watched(int, UUID, program(tmp_path, ALONE))
