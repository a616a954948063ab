"""What each verb does when its standard streams are closed, full, read by nobody, or lack most letters."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from harness.__main__ import VERBS
from spec.harness.support.paths import ROOT

LINES = {
    "show": ["show"],
    "show a step": ["show", "mine/claim"],
    "rf": ["rf", "mine/tiny"],
    "rf as JSON": ["rf", "mine/tiny", "--json"],
    "compare": ["compare", "mine/tiny", "mine/claim"],
    "compare as Markdown": ["compare", "mine/tiny", "mine/claim", "--markdown"],
    "data": ["data"],
    "report": ["report"],
    "train": ["train", "mine/tiny", "--epochs", "1", "--trainer", "eager", "--out", "Übung"],
    "train as JSON": ["train", "mine/tiny", "--epochs", "1", "--trainer", "eager", "--json"],
    "help": ["--help"],
    # these have nothing to print to standard output here, and say so on standard error
    "verify": ["verify", "mine/tiny"],
    "replay": ["replay", "mine/tiny", "--seed", "7"],
    "bench": ["bench", "mine/none"],
    "search": ["search", "mine"],
    "replicate": ["replicate", "mine/none"],
    "adopt": ["adopt", "nowhere"],
    "check": ["check", "mine/none"],
    "new": ["new", "class"],
}
FAILING = {"verify", "replay", "bench", "search", "replicate", "adopt", "check", "new"}
TALKING = ["show", "train", "train as JSON", "verify"]  # of those that print to standard error, and one that does not
OUTPUTS = ["utf-8", "ascii", "closed", "full", "gone"]
MESSAGES = ["closed", "full", "gone"]

# Loads everything once; then each line runs in a fork of it, with streams such as Python makes when it starts.
DRIVER = """
import io, json, os, sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from harness import data, discovery, report, streams
from harness.__main__ import PROGRAM, main
from harness.commands import compare, replay, rf, search, show, train, verify
from harness.data.synthetic import synthetic
from spec.harness.commands.workplace import Claim, Tiny
from spec.harness.evidence.records_of import keep

steps = {"mine/tiny": Tiny, "mine/claim": Claim}
for name, step in steps.items():
    step.id, step.source = name, Path("mine", "test_01_tiny.py").absolute()
    keep(step, {seed: ([99.0] * 4, [98.9 + seed / 100] * 4) for seed in range(3)})
for module in (discovery, show):
    module.steps = lambda: steps
data.load, data.folder = lambda path=None: synthetic(64), lambda path=None: Path("/a/folder/\\u00fc")
report.html, data.load_test_images = lambda *_: "a page", lambda *_: None
Claim.__doc__ = Claim.__doc__.replace("Hold the goal.", "Hold the goal \\u2265 99.40 \\u00b7 \\u00fc.")


def connect(number, kind, file):
    os.close(number)
    if kind == "closed":
        return None
    if kind == "gone":
        reader, writer = os.pipe()
        os.close(reader)
        os.dup2(writer, number)
    else:
        os.dup2(os.open("/dev/full" if kind == "full" else file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    encoding = kind if kind in ("utf-8", "ascii", "latin-1") else "utf-8"
    return open(number, "w", encoding=encoding, errors="strict" if number == 1 else "backslashreplace", closefd=False)


def fork(words, output, messages):
    pid = os.fork()
    if pid == 0:
        status = 99
        try:
            sys.stdout, sys.stderr = connect(1, output, "out"), connect(2, messages, "err")
            status = streams.run(lambda: main(words), PROGRAM)
            for stream in (sys.stdout, sys.stderr):  # as the interpreter does in the end
                stream.flush()
        except BaseException as error:
            os.write(report_to, repr(error).encode())
        finally:
            os._exit(status)
    _, status = os.waitpid(pid, 0)
    texts = [Path(name).read_bytes().decode("latin-1") if Path(name).exists() else "" for name in ("out", "err")]
    for name in ("out", "err"):
        Path(name).unlink(missing_ok=True)
    return [os.waitstatus_to_exitcode(status), *texts]


report_to = os.dup(2)
with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):  # loads what is loaded when it is first used
    for words in (["show", "mine/claim"], ["rf", "mine/tiny"], ["bench", "mine/none"]):
        main(words)
cases = json.loads(sys.argv[1])
print(json.dumps([fork(*case) for case in cases]))
"""

Result = tuple[int, str, str]
pytestmark = pytest.mark.end_to_end


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str, str], Result]:
    """Status, standard output and standard error of each line with each pair of streams."""
    keys = [(name, output, "utf-8") for name in LINES for output in OUTPUTS]
    keys += [("show a step", "latin-1", "utf-8")]
    keys += [(name, "utf-8", messages) for name in TALKING for messages in MESSAGES]
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, json.dumps([[LINES[name], *streams] for name, *streams in keys])],
        cwd=tmp_path_factory.mktemp("streams"),
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=170,
    )
    assert done.stderr == ""
    return {key: tuple(result) for key, result in zip(keys, json.loads(done.stdout), strict=True)}


def messages_of(result: Result) -> list[str]:
    """The lines on standard error, without those that show what is being done."""
    return [line for line in result[2].splitlines() if line.startswith("python -m harness")]


def test_every_verb_is_among_the_lines() -> None:
    assert {words[0] for words in LINES.values()} >= VERBS.keys()


@pytest.mark.parametrize("name", LINES)
def test_a_sound_terminal_gets_the_result_or_one_line(name: str, results: dict[tuple[str, str, str], Result]) -> None:
    status, out, _ = result = results[name, "utf-8", "utf-8"]
    assert status == (2 if name in FAILING else 0)
    assert (out == "", len(messages_of(result))) == (name in FAILING, name in FAILING)


@pytest.mark.parametrize(("name", "letters"), [*((name, "ascii") for name in LINES), ("show a step", "latin-1")])
def test_a_terminal_without_a_letter_gets_its_escape(
    name: str, letters: str, results: dict[tuple[str, str, str], Result]
) -> None:
    status, out, _ = result = results[name, letters, "utf-8"]
    assert status == results[name, "utf-8", "utf-8"][0]
    assert len(messages_of(result)) == (name in FAILING)
    out.encode(letters)
    if name == "show a step":
        assert "Hold the goal \\u2265 99.40 " + ("\\xb7 \\xfc." if letters == "ascii" else "\u00b7 \u00fc.") in out


@pytest.mark.parametrize("name", LINES)
@pytest.mark.parametrize(
    ("output", "status", "message"),
    [
        ("closed", 2, "python -m harness: error: standard output is closed; redirect it, to /dev/null if need be"),
        ("full", 2, "error: cannot write to standard output: No space left on device"),
        ("gone", 141, None),
    ],
)
def test_a_result_that_is_lost_is_no_success_and_no_verdict(
    name: str, output: str, status: int, message: str | None, results: dict[tuple[str, str, str], Result]
) -> None:
    result = results[name, output, "utf-8"]
    if name in FAILING and output != "closed":
        assert (result[0], len(messages_of(result))) == (2, 1)
    else:
        assert result[0] == status
        lines = messages_of(result)
        assert lines == [] if message is None else len(lines) == 1 and lines[0].endswith(message)


@pytest.mark.parametrize("name", TALKING)
@pytest.mark.parametrize("messages", MESSAGES)
def test_messages_that_cannot_be_written_change_nothing(
    name: str, messages: str, results: dict[tuple[str, str, str], Result]
) -> None:
    sound, deaf = results[name, "utf-8", "utf-8"], results[name, "utf-8", messages]
    assert (deaf[0], without_seconds(deaf[1])) == (sound[0], without_seconds(sound[1]))


def without_seconds(out: str) -> Any:
    """What is printed, without how long it took."""
    if out.startswith('{"step"'):
        run = json.loads(out)
        return [{**epoch, "seconds": None} for epoch in run["epochs"]]
    return out


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with a ladder that has no step, so that `show` lists nothing and loads no network."""
    (tmp_path / "spec").mkdir()
    (tmp_path / "spec" / "__init__.py").touch()
    return tmp_path


def test_a_real_interpreter_ends_without_a_second_error(checkout: Path) -> None:
    """As a shell starts it: a full standard output, of which Python itself would complain again at exit."""
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "harness", "--help"],
            cwd=checkout,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    message = "python -m harness: error: cannot write to standard output: No space left on device\n"
    assert (done.returncode, done.stderr) == (2, message)


WAITS = """
import sys
from harness import streams

def verb():
    streams.wait("loading ...")
    print("the result", flush=True)
    print("a message", file=sys.stderr)
    streams.wait("still loading ...")
    return 0

sys.exit(streams.run(verb, "harness"))
"""


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="there are no terminals to open here")
@pytest.mark.parametrize(
    ("terminal", "shown"),
    [
        (True, b"loading ...\r\x1b[Kthe result\r\na message\r\nstill loading ...\r\x1b[K"),
        (False, b"the result\na message\n"),
    ],
)
def test_what_is_waited_for_is_shown_on_a_terminal_until_anything_else_is(terminal: bool, shown: bytes) -> None:
    ours, theirs = os.openpty() if terminal else os.pipe()
    command = [sys.executable, "-c", WAITS]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=theirs, stderr=theirs, timeout=60
    )
    os.close(theirs)
    with open(ours, "rb", buffering=0) as reader:
        assert reader.read(1000) == shown
    assert done.returncode == 0


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_a_slow_reader_gets_all_of_it_also_where_another_program_made_the_pipe_non_blocking(name: str) -> None:
    long = 1_000_000  # characters, of which a pipe holds a sixteenth
    code = f"import sys; from harness.streams import run; run(lambda: print('x' * {long}, file=sys.{name}) or 0, '')"
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    output, messages = (writer if name == each else None for each in ("stdout", "stderr"))
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=output, stderr=messages) as process:
        os.close(writer)
        time.sleep(0.5)
        with open(reader, "rb") as pipe:
            received = len(pipe.read())
    assert received == long + 1
    assert process.returncode == 0
