"""What a machine and its software call themselves: processor, GPU, driver, and the precision that a GPU computes in.

That precision is set here, so that it is set before anything is trained and before a provenance names it. What
cannot be known is "unknown" or None, and whatever a machine reports is made plain text.
"""

import platform
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import torch

from harness import strict_json
from harness.device import gpus
from harness.errors import HarnessError

CPUINFO = Path("/proc/cpuinfo")
UNKNOWN = "unknown"

_cudnn: Any = torch.backends.cudnn
_products: Any = torch.backends.cuda.matmul
_SYSCTL = ("machdep.cpu.brand_string", "machdep.cpu.family", "machdep.cpu.model", "machdep.cpu.stepping")


def hardware(device: torch.device) -> str:
    """The vendor's name of the GPU or the processor."""
    return _plain(_name(device))


def _name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return _cpuinfo().get("model name") or platform.processor() or platform.machine()


def cpu() -> str:
    """Which processor it is, where its name is that of many: vendor, family, model and stepping."""
    facts = _cpuinfo()
    if "vendor_id" in facts:
        named = (f"{word} {facts[key]}" for word, key in _X86.items() if key in facts)
        return _plain(" ".join([facts["vendor_id"], *named]))
    if "CPU implementer" in facts:
        return _plain(f"{facts['CPU implementer']}/{facts.get('CPU part', UNKNOWN)}")
    return _plain(_sysctl() if platform.system() == "Darwin" else "")


_X86 = {"family": "cpu family", "model": "model", "stepping": "stepping"}


def _cpuinfo() -> dict[str, str]:
    """The facts of the first processor that Linux lists; none elsewhere."""
    try:
        first, _, _ = CPUINFO.read_text(errors="replace").partition("\n\n")
    except OSError:
        return {}
    lines = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in lines}


def _sysctl() -> str:
    """What macOS says of its processor; a processor of Apple has a name and no family."""
    found = []
    for key in _SYSCTL:
        try:
            done = subprocess.run(["sysctl", "-n", key], capture_output=True, check=True, timeout=10)
        except (OSError, subprocess.SubprocessError):
            continue
        value = done.stdout.decode(errors="replace").strip()
        found.append(" ".join([*key.split(".")[2:], value]).removeprefix("brand_string "))
    return " ".join(found)


def capability() -> str:
    """The vector instructions that torch uses on this processor, such as AVX2 or AVX512."""
    ask = getattr(torch.backends.cpu, "get_cpu_capability", None)
    return _plain(ask() if ask else "")


@contextmanager
def nvml() -> Iterator[Any]:
    """NVML, the library of the NVIDIA driver; HarnessError if it is missing or fails.

    It is never shut down, so that only the first call is slow.
    """
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
    """The version of the NVIDIA driver; None if none answers."""
    try:
        with nvml() as library:
            return _plain(str(library.nvmlSystemGetDriverVersion()))
    except HarnessError:
        return None


def lacks_gpu() -> str | None:
    """What keeps torch from computing on a GPU, and what to do; None if nothing does."""
    if gpus():
        return None
    if torch.version.cuda is None:
        return f"torch {torch.__version__} was built without CUDA; install one that was built with it"
    if (found := driver()) is None:
        return f"torch {torch.__version__} finds no NVIDIA driver that answers; run it on a machine with a GPU"
    # It warns of an old driver or GPU, and raises for one that the driver counts and CUDA has not.
    with warnings.catch_warnings(action="ignore"), suppress(AssertionError, RuntimeError):
        if torch.cuda.is_available():
            (major, minor), built = torch.cuda.get_device_capability(0), " ".join(torch.cuda.get_arch_list())
            return (
                f"torch {torch.__version__} was not built for {hardware(torch.device('cuda', 0))}, whose compute "
                f"capability is {major}.{minor}; install one that was (in this are {built})"
            )
    return (
        f"torch {torch.__version__} sees no GPU by the NVIDIA driver {found}; compare CUDA_VISIBLE_DEVICES with what "
        f"nvidia-smi lists, and the CUDA version there with {torch.version.cuda}"
    )


def set_precision(chosen: Literal["ieee", "tf32"]) -> None:
    """Set the precision of cuDNN's convolutions of float32; see `precision`.

    Both interfaces of torch are set: it refuses to read the older one where the newer one contradicts it.
    """
    _cudnn.allow_tf32 = chosen == "tf32"
    _cudnn.conv.fp32_precision = chosen


@contextmanager
def default_precision() -> Iterator[None]:
    """Convolutions in TF32 meanwhile, as torch computes them by default, and who measures a notebook wants them."""
    before = _cudnn.conv.fp32_precision
    set_precision("tf32")
    try:
        yield
    finally:
        set_precision(before)


set_precision("ieee")  # by default it is tf32, and a record would be of that
_products.allow_tf32 = False  # as is the default, but where the environment says otherwise


def precision() -> str:
    """The precision in which a GPU computes float32: "ieee", or "tf32" if something has ten bits of fraction only.

    That is said of cuDNN's convolutions and of matrix products.
    """
    return "tf32" if "tf32" in (_cudnn.conv.fp32_precision, _products.fp32_precision) else "ieee"


def _plain(text: str) -> str:
    """Text without the characters that our files do not accept."""
    return strict_json.plain(text) or UNKNOWN
