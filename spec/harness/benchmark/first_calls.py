"""The first calls on a new GPU, in their order: does it work, is it right, how fast is it, and what do other ways cost.

    python3 spec/harness/benchmark/first_calls.py OUT --wheels DIR    # wheels of what is not installed, all of them
    python3 spec/harness/benchmark/first_calls.py OUT                 # again: resumes where it stopped
    python3 spec/harness/benchmark/first_calls.py OUT --seconds 540   # begins no part that could outlast them
    python3 spec/harness/benchmark/first_calls.py OUT --from 2        # the second call and those after it anew
    python3 spec/harness/benchmark/first_calls.py OUT --small         # on the CPU, as little of each as there is

A call is a few parts, each a command with a time limit of its own. OUT gets a log of each, what they measure and train,
and parts.json with how each ended. No call starts before all parts of the one before it succeeded. Needs Python alone:
this module imports nothing else.
"""

import argparse
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
STEPS = ("five_steps/step5", "discover/10k_lr", "frontier/step6")
INTERRUPTED = "frontier/step12"
GPU_TESTS = (
    *("training/test_ensemble", "training/test_dropout", "training/test_cuda_graph", "training/test_snapshot"),
    *("jobs/test_checkpoint", "jobs/test_faults"),
)
POLL = 0.2  # seconds

Kill = Callable[[float], bool]
"""Whether it is time to kill a part that began at a time, in seconds since the epoch."""


@dataclass(frozen=True)
class Part:
    """A command, the seconds that it may take, and the statuses that are a success."""

    name: str
    seconds: float
    command: Sequence[str]
    statuses: Sequence[int] = (0,)
    kill: Kill | None = None
    """When to kill it, which then is its success."""


def harness(*words: str) -> list[str]:
    """A command of the harness."""
    return [sys.executable, "-m", "harness", *words]


def pytest(*words: str) -> list[str]:
    """A session of pytest with those plugins alone that it needs; others may warn, and warnings are errors."""
    return [sys.executable, "-m", "pytest", "-p", "pytest_benchmark.plugin", "-p", "no:cacheprovider", *words]


def script(module: str, *words: str) -> list[str]:
    """A script beside this one."""
    return [sys.executable, "-m", f"spec.harness.benchmark.{module}", *words]


def does_it_work(out: Path, small: bool) -> list[Part]:
    """What the machine is, the tests that need a GPU, and the cost of a step by the number of networks."""
    device = "cpu" if small else "cuda"
    facts = f"""import json, torch
from harness import provenance
from harness.training.philox import mask_facts
device = torch.device({device!r})
print(json.dumps(provenance.environment(device) | provenance.commit() | mask_facts(device)))"""
    tests = [f"spec/harness/{name}.py" for name in GPU_TESTS]
    steps = STEPS[-1:] if small else ["five_steps/step5", INTERRUPTED, "five_steps/step3"]
    seeds = ["1", "2"] if small else ["1", "5", "16"]
    chosen = ["-k", "a_loss_that_is_not_finite_ends"] if small else ["-m", "gpu", "--require-gpu"]
    return [
        *([] if small else [Part("driver", 20, ["sh", "-c", "nvidia-smi -q -x || true"])]),  # it decides nothing
        Part("machine", 60, [sys.executable, "-c", facts]),
        Part("tests", 120, pytest(*tests, *chosen)),
        Part("steps", 150, script("stacked_steps", *steps, "--device", device, "--seeds", *seeds)),
        # In a process of its own: what is timed after a profile may be slower.
        Part("kernels", 90, script("stacked_steps", steps[0], "--device", device, "--seeds", *seeds, "--kernels")),
    ]


def is_it_right(out: Path, small: bool) -> list[Part]:
    """Runs of whole recipes, one of them killed and resumed, beside those that a CPU has recorded."""
    options = ["--device", "cpu", "--seeds", "1", "--epochs", "2"] if small else ["--device", "cuda", "--seeds", "8"]

    def train(step_id: str, folder: str) -> list[str]:
        return harness("train", step_id, "--out", str(out / folder), *options)

    trained = [Part(_named(one), 90, train(one, "runs"), (0, 1)) for one in STEPS]
    interrupted = STEPS[-1] if small else INTERRUPTED
    last = train(interrupted, "runs")
    return [
        *([] if small else trained),
        Part("killed", 60, last, kill=lambda began: _lines(out / "runs" / interrupted, began) > 1),
        Part("resumed", 90, [*last, "--resume"], (0, 1)),
        Part("compared", 20, script("beside_cpu", str(out / "runs"))),
        # Whether a GPU comes to the same numbers twice is not known: it is no failure if it does not.
        Part("again", 60, train(STEPS[-1], "again"), (0, 1)),
        Part("same-again", 20, script("same_again", str(out / "runs"), str(out / "again"))),
    ]


def how_fast(out: Path, small: bool) -> list[Part]:
    """The throughput of some steps, and a profile of each."""
    device, steps = ("cpu", STEPS[-1:]) if small else ("cuda", STEPS)
    profiled = [(one, harness("train", one, "--device", device, "--profile", "--out", str(out))) for one in steps]
    return [
        Part("throughput", 120, throughput(out / "throughput.json", device, steps)),
        *(Part(f"profile-{_named(one)}", 40, command) for one, command in profiled),
    ]


def throughput(file: Path, device: str, steps: Sequence[str] = ()) -> list[str]:
    """A session that times these steps, or all, and writes their throughput to a file."""
    ladders = sorted({path.parent.name for path in ROOT.glob("spec/*/test_[0-9][0-9]_*.py")})
    folders = [f"spec/{ladder}" for ladder in ladders]  # and not the tests of the harness, which take long to collect
    where = ["--device", "cpu"] if device == "cpu" else ["--require-gpu"]
    chosen = [word for one in steps for word in ("--step", one)]
    options = ["-m", "gpu", "-k", "throughput", "-p", "no:randomly", f"--benchmark-json={file}"]
    return pytest(*folders, *where, *chosen, *options)


def others(out: Path, small: bool) -> list[Part]:
    """The implementations in turns, worker processes, and what precision and the steps of a launch cost."""
    device = "cpu" if small else "cuda"
    timed = STEPS[-1:] if small else ["five_steps/step5", "frontier/step6"]
    precision = ["--precision", "ieee", "tf32", "--seeds", "1", *([] if small else ["16"])]
    at_once = ["--seeds", "1", *(["--at-once", "2"] if small else ["16", "--at-once", "1", "8", "32"])]
    workers = ["--engine", "processes", "--epochs", "1", "--out", str(out / "workers"), "--seeds", "2"]
    return [
        *(Part(f"bench-{_named(one)}", 150, harness("bench", one, "--device", device, "--json")) for one in timed),
        Part("workers", 60, harness("train", "frontier/step6", "--device", device, *workers), (0, 1)),
        Part("precision", 60, script("stacked_steps", "frontier/step6", "--device", device, *precision)),
        Part("at-once", 90, script("stacked_steps", "frontier/step6", "--device", device, *at_once)),
    ]


def every_step(out: Path, small: bool) -> list[Part]:
    """The throughput of every step, which may become a baseline."""
    if small:
        return []
    return [Part("throughput", 480, throughput(out / "every.json", "cuda"))]


CALLS: Sequence[Callable[[Path, bool], list[Part]]] = (does_it_work, is_it_right, how_fast, others, every_step)


def _named(step_id: str) -> str:
    return step_id.replace("/", "-")


def _lines(folder: Path, began: float) -> int:
    """How many lines the longest run file in a folder has, of those that were written to since a time."""
    fresh = (path for path in folder.glob("*.jsonl") if path.stat().st_mtime >= began)
    return max((path.read_bytes().count(b"\n") for path in fresh), default=0)


def outcome(part: Part, log: Path, environment: dict[str, str]) -> str:
    """Run a part with its output in a file, and end all that it started; how it ended, empty for a success."""
    began = time.time()
    with log.open("wb") as output:
        try:
            process = subprocess.Popen(
                part.command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
        except OSError as error:
            return f"{part.command[0]}: {error.strerror}"
    end = time.monotonic() + part.seconds
    try:
        while process.poll() is None:
            if part.kill is not None and part.kill(began):
                return ""
            if time.monotonic() > end:
                return f"was ended at its limit of {part.seconds:g} seconds"
            time.sleep(POLL)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if part.kill is not None:
        return "ended before it could be killed"
    return "" if process.returncode in part.statuses else f"ended with status {process.returncode}"


def lacking(site: Path) -> list[str]:
    """The packages that pyproject.toml names, and hypothesis, of which there is none or an older one than it allows."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["test"]]
    needed = [one for one in wanted if one in project["project"]["dependencies"] or one.startswith("hypothesis")]
    found: dict[str, tuple[int, ...]] = {}
    for one in distributions(path=[str(site), *sys.path]):
        found.setdefault(_plain(one.name), _version(one.version))  # the first is the one that is imported
    pairs = (requirement.partition(">=") for requirement in needed)
    return [f"{name}>={least}" for name, _, least in pairs if found.get(_plain(name), ()) < _version(least)]


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _version(text: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", text)[:3]))


def environment_of(site: Path) -> dict[str, str]:
    """The environment of all commands, with this checkout and what was installed beside the logs."""
    mnist = {"MNIST_DIR": os.path.abspath(os.environ["MNIST_DIR"])} if os.environ.get("MNIST_DIR") else {}
    return {
        **os.environ,
        **mnist,
        "PYTHONPATH": os.pathsep.join([str(site), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }


def carry_out(calls: Sequence[Sequence[Part]], out: Path, first: int | None, seconds: float = math.inf) -> int:
    """Make calls that did not succeed before, and those from `first` on anew; the number of one that fails, or 0.

    One that may take longer than is left of the seconds is not begun, and fails.
    """
    end = time.monotonic() + seconds
    report = out / "parts.json"
    ended = json.loads(report.read_text(encoding="utf-8")) if report.exists() else {}
    for number, parts in enumerate(calls, 1):
        for part in parts:
            name = f"{number}-{part.name}"
            if ended.get(name, {}).get("outcome") == "" and (first is None or number < first):
                continue
            began = time.monotonic()
            if part.seconds > end - began:
                print(f"{name}: not begun, as it may take {part.seconds:g} s and {max(0, end - began):.0f} are left")
                return number
            how = outcome(part, out / f"{name}.log", environment_of(out / "site"))
            seconds = round(time.monotonic() - began, 1)
            ended[name] = {"outcome": how, "seconds": seconds, "limit": part.seconds, "command": list(part.command)}
            report.write_text(json.dumps(ended, indent=1), encoding="utf-8")
            print(f"{name}: {how or 'succeeded'}, {seconds:.0f} s", flush=True)
        if any(ended[f"{number}-{part.name}"]["outcome"] for part in parts):
            return number
    return 0


def main(words: Sequence[str] | None = None) -> int:
    """Install wheels, look whether anything lacks, make the calls; 1 where a part fails, 2 where none can start."""
    parser = argparse.ArgumentParser(description="Make the first calls on a new GPU.")
    parser.add_argument("out", metavar="OUT", type=Path, help="folder for all results; the same folder again resumes")
    parser.add_argument("--from", dest="first", type=int, choices=range(1, len(CALLS) + 1), help="make this call anew")
    parser.add_argument("--wheels", metavar="DIR", type=Path, help="install the wheels in DIR into OUT/site first")
    parser.add_argument("--seconds", type=float, default=math.inf, help="begin no part that could outlast them")
    parser.add_argument("--small", action="store_true", help="on the CPU, as little of each as there is")
    arguments = parser.parse_args(words)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that the part that runs is ended too
    out = arguments.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    site = out / "site"
    if arguments.wheels is not None:
        wheels = sorted(map(str, arguments.wheels.resolve().glob("*.whl")))
        options = ["--no-index", "--no-deps", "--no-compile", "--no-cache-dir", "--upgrade", "--target", str(site)]
        install = Part("wheels", 120, [sys.executable, "-m", "pip", "install", "-q", *options, *wheels])
        if how := outcome(install, out / "wheels.log", environment_of(site)):
            print(f"the wheels in {arguments.wheels} were not installed, pip {how}; see {out / 'wheels.log'}")
            return 2
    if lacks := lacking(site):
        print(f"this Python lacks {', '.join(lacks)}; name a folder with wheels of them with --wheels")
        return 2
    calls = [call(out, arguments.small) for call in CALLS]
    if arguments.small:  # a CPU is slower, and may have other work
        calls = [[replace(part, seconds=10 * part.seconds) for part in parts] for parts in calls]
    if arguments.first is not None and arguments.first <= 2:
        for made in ("runs", "again"):
            shutil.rmtree(out / made, ignore_errors=True)  # else there would be two runs of each seed
    if failed := carry_out(calls, out, arguments.first, arguments.seconds):
        print(f"call {failed} is not over, and none after it was made; see the logs in {out}, and repeat this")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
