"""Words that name nothing, or nothing that can be, are one line and status 2 with every verb."""

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness import data, discovery, report
from harness.__main__ import main
from harness.commands import rf
from harness.evidence import record
from spec.harness.commands.workplace import Call
from spec.harness.commands.workplace import call as call
from spec.harness.commands.workplace import workplace as workplace

IDS = [
    "",
    "/",
    "..",
    "mine/",
    "mine/tiny@",
    "mine/tiny@x/y",
    "../mine/tiny",
    "a\0b",
    "a\nb",
    "\x1b[31m",
    "\udcff",
    "x" * 300,
]
WITH_ID = [
    ["show"], ["train"], ["compare", "mine/tiny"], ["rf"], ["bench"], ["verify"], ["replay", "--seed", "0"],
    ["replicate"], ["search"],
]  # fmt: skip
PATHS = ["", "a\0b", "\ud800"]
WITH_PATH = [
    ["train", "mine/tiny", "--out"], ["train", "mine/tiny", "--data"],
    ["train", "mine/tiny", "--csv"], ["train", "mine/tiny", "--tensorboard"],
    ["replicate", "mine/tiny", "--out"], ["compare", "mine/tiny", "--against"], ["report", "-o"], ["report", "--plot"],
    ["data", "--data"], ["verify", "--data"], ["bench", "mine/tiny", "--data"], ["search", "mine", "--data"],
    ["replay", "mine/tiny", "--seed", "0", "--data"], ["adopt"],
]  # fmt: skip
NUMBERS = ["", "-1", "1e3", " 1", "\0", "\u0663", str(10**21), "9" * 5000]
WITH_NUMBER = [
    ["train", "mine/tiny", "--seeds"], ["train", "mine/tiny", "--epochs"], ["rf", "mine/tiny", "--input-size", "1"],
    ["replay", "mine/tiny", "--seed"], ["verify", "mine/tiny", "--train", "--seed"],
]  # fmt: skip
LINES = [
    [*line, word]
    for lines, words in ((WITH_ID, IDS), (WITH_PATH, PATHS), (WITH_NUMBER, NUMBERS))
    for line in lines
    for word in words
]
OTHERS = [
    ["\0"], [""], ["show", "mine/tiny", "a\nb"], ["train", "mine/tiny", "--device", ""],
    ["train", "mine/tiny", "--device", "cuda:" + "9" * 5000], ["train", "mine/tiny", "--engine", ""],
    ["train", "mine/tiny", "--engine", "ray", "--ray-address", "x" * 300 + ":1"],
    ["train", "mine/tiny", "--engine", "ray", "--ray-address", ""],
    ["search", "nope.deeper"], ["search", "harness"], ["rf", "sys.exit"], ["rf", ".foo.bar"],
    ["rf", "mine/tiny", "--at", ""],
]  # fmt: skip


def label(words: list[str]) -> str:
    return ascii(" ".join(words))[:60]


@pytest.mark.parametrize("words", [*LINES, *OTHERS], ids=label)
def test_one_line_and_status_2(
    words: list[str], workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(rf, "steps", discovery.steps)
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(r"python -m harness( \w+)?: error: .+\n", err)
    assert "it raised" not in err  # which would be a fault of ours
    assert err[:-1].isprintable()
    assert list(workplace.iterdir()) == []


@pytest.mark.parametrize("name", ["x" * 300, "no/such/folder/x", "/dev/full", "/dev/null", ".", "/dev/null/x"])
@pytest.mark.parametrize("option", ["-o", "--plot"])
def test_a_report_that_cannot_be_written_is_refused_before_it_is_made(call: Call, option: str, name: str) -> None:
    status, out, err = call(f"report {option} {name}")
    assert (status, out) == (2, "")
    assert re.fullmatch(r"python -m harness report: error: cannot write \S+: .*; name another file\n", err)


def test_a_report_with_a_name_that_is_no_text_is_written_and_named(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(report, "html", lambda steps, images: "a page")
    monkeypatch.setattr(data, "load_test_images", lambda: None)
    assert main(["report", "-o", "\udcff.html"]) == 0
    out, err = capsys.readouterr()
    assert out == "\\udcff.html\n"
    assert re.fullmatch(r"\\udcff\.html: \d+ steps\n", err)
    assert [path.read_text() for path in workplace.iterdir()] == ["a page"]


@pytest.mark.parametrize(
    "line",
    ["new {}", "new {}/mine", "new {}/mine step", "adopt {}", "train mine/tiny --trainer eager --out {}",
     "train mine/tiny --trainer eager --resume --out {}", "replicate mine/tiny --device cpu --out {}"],
)  # fmt: skip
@pytest.mark.parametrize("name", ["x" * 300, "loop", "loop/below", "pipe", "file/below"])
def test_a_folder_that_cannot_be_is_named(
    workplace: Path, call: Call, monkeypatch: pytest.MonkeyPatch, line: str, name: str
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr("harness.training.native.refusal", lambda step: "this test is about folders")
    (workplace / "loop").symlink_to("loop")
    (workplace / "file").touch()
    os.mkfifo(workplace / "pipe")
    status, out, err = call(line.format(name))
    last = err.splitlines()[-1]
    assert (status, out) == (2, "")
    assert re.match(rf"python -m harness {line.split()[0]}: error: ", last)
    assert name in last
    assert "raised" not in last
    assert {path.name for path in workplace.iterdir()} == {"loop", "file", "pipe"}


def test_a_folder_that_may_not_be_listed_is_named(workplace: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    (workplace / "secret").mkdir()
    monkeypatch.setattr(Path, "iterdir", refuse)
    assert call("new secret") == (
        2,
        "",
        "python -m harness new: error: cannot read secret: Permission denied; name another\n",
    )


@pytest.mark.parametrize(
    ("make", "why"),
    [(os.mkfifo, "Not a regular file"), (lambda path: path.symlink_to(path.name), "Too many levels of symbolic links")],
    ids=["a pipe", "a link to itself"],
)
def test_a_record_that_is_there_and_no_file_is_not_called_missing(
    workplace: Path, call: Call, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None], why: str
) -> None:
    monkeypatch.setattr(record, "existing", lambda step: None)
    make(workplace / "odd")
    assert call("compare mine/tiny --against odd") == (
        2,
        "",
        f"python -m harness compare: error: --against odd: {why}\n",
    )


@pytest.mark.parametrize("name", ["x" * 300, "no/such/file", "/dev/null", "."])
def test_a_record_that_is_no_file_is_named(call: Call, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(record, "existing", lambda step: None)
    status, out, err = call(f"compare mine/tiny --against {name}")
    assert (status, out) == (2, "")
    assert err.startswith(f"python -m harness compare: error: --against {name}: ")


def test_a_folder_whose_name_is_too_long_is_one_line(call: Call) -> None:
    status, _, err = call(f"train mine/tiny --out {'x' * 300} --trainer eager")
    assert status == 2
    assert err.splitlines()[-1].endswith("x: File name too long; name another folder with --out")


def test_a_folder_whose_name_is_no_text_takes_run_files(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "mine/tiny", "--out", "\udcff", "--trainer", "eager", "--epochs", "1"]) == 0
    assert len(list(Path("\udcff", "mine", "tiny").iterdir())) == 1


def test_an_error_that_nobody_expected_is_status_2_and_not_a_verdict(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("of ours")

    monkeypatch.setattr("harness.commands.show._show", fail)
    status, out, err = call("show mine/tiny")
    assert (status, out) == (2, "")
    assert re.fullmatch(
        r"python -m harness show: error: it raised ZeroDivisionError: of ours \(\w+.py, line \d+\)\n", err
    )


BROKEN = """
import sys
sys.exit(0)
"""


def test_a_spec_that_exits_is_named(workplace: Path, monkeypatch: pytest.MonkeyPatch, call: Call) -> None:
    (workplace / "exits.py").write_text(BROKEN)
    monkeypatch.syspath_prepend(workplace)
    status, out, err = call("rf exits.Network")
    assert (status, out) == (2, "")
    assert err == "python -m harness rf: error: exits: its import raised SystemExit: 0 (exits.py, line 3)\n"
    assert "exits" not in sys.modules


def test_in_development_mode_an_error_comes_with_its_traceback(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = call("show mine/none")
    names = [name for name in dir(sys.flags) if not name.startswith("_")]
    flags = {name: getattr(sys.flags, name) for name in names} | {"dev_mode": True}
    monkeypatch.setattr(sys, "flags", SimpleNamespace(**flags))
    status, out, err = call("show mine/none")
    assert (status, out) == plain[:2]
    assert err.startswith("Traceback (most recent call last):\n")
    assert err.endswith(plain[2])
    assert "Traceback" not in plain[2]


def test_what_a_link_leads_to_is_written_and_the_link_stays(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, call: Call
) -> None:
    monkeypatch.setattr(report, "html", lambda steps, images: "a page")
    monkeypatch.setattr(data, "load_test_images", lambda: None)
    (workplace / "far").mkdir()
    for name, there in (("new", False), ("old", True)):
        if there:
            (workplace / "far" / name).write_text("before")
        (workplace / f"{name}.html").symlink_to(f"far/{name}")
        assert call(f"report -o {name}.html")[0] == 0
        assert (workplace / f"{name}.html").readlink() == Path("far", name)
        assert (workplace / "far" / name).read_text() == "a page"


@pytest.mark.parametrize("line", ["report -o", "report --plot", "train mine/tiny --trainer eager --epochs 1 --csv"])
def test_a_name_that_is_too_long_while_it_is_written_is_refused_before(workplace: Path, call: Call, line: str) -> None:
    name = "x" * 239  # and .0123abcd.partial
    assert call(f"{line} {name}") == (
        2,
        "",
        f"python -m harness {line.split()[0]}: error: cannot write {workplace / name}: File name too long; "
        "name another file\n",
    )
    assert list(workplace.iterdir()) == []


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="this system does not name what is open")
@pytest.mark.parametrize("line", ["report -o", "report --plot", "train mine/tiny --trainer eager --epochs 1 --csv"])
def test_what_a_shell_redirected_is_not_replaced(workplace: Path, call: Call, line: str) -> None:
    """As /dev/stdout is, which links to /proc/self/fd/1: for everybody on the machine."""
    with (workplace / "redirected").open("w") as stream:
        (workplace / "stdout").symlink_to(f"/proc/self/fd/{stream.fileno()}")
        (workplace / "folder").symlink_to("/proc/self/fd")
        for name in ("stdout", f"folder/{stream.fileno()}"):
            assert call(f"{line} {name}") == (
                2,
                "",
                f"python -m harness {line.split()[0]}: error: cannot write {name}: it leads into /dev or /proc; "
                "name another file\n",
            )
    assert (workplace / "stdout").is_symlink()
    assert sorted(path.name for path in workplace.iterdir()) == ["folder", "redirected", "stdout"]


@pytest.mark.parametrize("odd", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to(path.name)])
def test_what_is_no_file_is_not_replaced_by_a_report(workplace: Path, call: Call, odd: Callable[[Path], None]) -> None:
    odd(workplace / "odd")
    before = (workplace / "odd").lstat()
    status, out, err = call("report -o odd")
    assert (status, out) == (2, "")
    assert re.fullmatch(r"python -m harness report: error: cannot write odd: .*; name another file\n", err)
    after = (workplace / "odd").lstat()  # whose time of access may be another: a link is read
    assert (after.st_ino, after.st_mode, after.st_mtime_ns) == (before.st_ino, before.st_mode, before.st_mtime_ns)
