"""The first calls on a new GPU: parts end at their limits, calls go on where they stopped, and their words exist."""

import fcntl
import json
import os
import re
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.__main__ import _parser
from harness.discovery import find
from spec.harness.benchmark import beside_cpu, same_again, stacked_steps
from spec.harness.benchmark.first_calls import CALLS, GPU_TESTS, Part, _lines, carry_out, lacking, outcome
from spec.harness.jobs.made_elsewhere import CPU, change, put
from spec.harness.jobs.small import Call, Plain
from spec.harness.jobs.small import call as call
from spec.harness.support.paths import ROOT


def python(code: str) -> list[str]:
    """A command that runs a line of Python and starts at once."""
    return [sys.executable, "-S", "-E", "-c", code]


SLEEPS = python("import time; print('began', flush=True); time.sleep(600)")


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (Part("good", 60, python("print('began')")), ""),
        (Part("a verdict", 60, python("print('began'); raise SystemExit(1)"), (0, 1)), ""),
        (Part("bad", 60, python("print('began'); raise SystemExit(3)")), "ended with status 3"),
        (Part("killed", 60, python("print('began')"), kill=lambda _: False), "ended before it could be killed"),
        (Part("no command", 60, ["/no/such/command"]), "/no/such/command: No such file or directory"),
    ],
    ids=lambda value: value.name if isinstance(value, Part) else "",
)
def test_a_part_says_how_it_ended_and_leaves_its_output(tmp_path: Path, part: Part, expected: str) -> None:
    log = tmp_path / "log"
    assert outcome(part, log, dict(os.environ)) == expected
    assert log.read_text() == ("" if "no command" in part.name else "began\n")


def test_a_part_is_ended_at_its_limit(tmp_path: Path) -> None:
    assert (
        outcome(Part("endless", 0, SLEEPS), tmp_path / "log", dict(os.environ)) == "was ended at its limit of 0 seconds"
    )


def test_a_part_is_killed_when_it_is_time_with_all_that_it_started(tmp_path: Path) -> None:
    log, held = tmp_path / "log", tmp_path / "held"
    holds = f"import fcntl, time; f = open({str(held)!r}, 'w'); fcntl.flock(f, fcntl.LOCK_EX); "
    child = python(f"{holds}print('holds it', flush=True); time.sleep(600)")
    part = Part(
        "killed", 60, python(f"import subprocess; subprocess.run({child!r})"), kill=lambda _: log.stat().st_size > 0
    )
    assert outcome(part, log, dict(os.environ)) == ""
    with held.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # which waits until the child has ended


def test_only_run_files_of_the_part_itself_say_when_to_kill_it(tmp_path: Path) -> None:
    began = time.time()
    for name, age in (("seed0-old.jsonl", 60.0), ("seed1-new.jsonl", -1.0)):
        assert _lines(tmp_path, began) == 0
        path = tmp_path / name
        path.write_text("{}\n{}\n")
        os.utime(path, (began - age, began - age))
    assert _lines(tmp_path, began) == 2


def counting(path: Path, status: int = 0) -> list[str]:
    """A command that adds a line to a file, and ends with a status."""
    return python(f"open({str(path)!r}, 'a').write('made\\n'); raise SystemExit({status})")


@pytest.mark.thorough
def test_calls_go_on_where_they_stopped_and_not_past_a_failure(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a", "b", "c")]
    mended = tmp_path / "mended"

    def calls() -> list[list[Part]]:
        first, second, third = (Part(file.name, 60, counting(file)) for file in files)
        return [[first], [second, Part("x", 60, counting(tmp_path / "x", 0 if mended.exists() else 3))], [third]]

    def made() -> list[int]:
        return [len(file.read_text().splitlines()) if file.exists() else 0 for file in files]

    assert (carry_out(calls(), tmp_path, None), made()) == (2, [1, 1, 0])
    assert json.loads((tmp_path / "parts.json").read_text())["2-x"]["outcome"] == "ended with status 3"
    mended.touch()
    assert (carry_out(calls(), tmp_path, None), made()) == (0, [1, 1, 1])
    assert (carry_out(calls(), tmp_path, None), made()) == (0, [1, 1, 1])
    assert (carry_out(calls(), tmp_path, 2), made()) == (0, [1, 2, 2])


@pytest.mark.thorough
def test_no_part_is_begun_that_could_outlast_the_seconds_that_are_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [tmp_path / name for name in ("a", "b", "c")]
    calls = [[Part(file.name, limit, counting(file))] for file, limit in zip(files, (60, 600, 60), strict=True)]
    assert carry_out(calls, tmp_path, None, seconds=300) == 2
    assert [file.exists() for file in files] == [True, False, False]
    assert re.search(r"^2-b: not begun, as it may take 600 s and (29\d|300) are left$", capsys.readouterr().out, re.M)
    assert carry_out(calls, tmp_path, None, seconds=700) == 0
    assert [len(file.read_text().splitlines()) for file in files] == [1, 1, 1]


def test_each_call_fits_in_ten_minutes() -> None:
    assert all(sum(part.seconds for part in parts(Path("/out"), False)) <= 540 for parts in CALLS)


def test_every_test_that_needs_a_gpu_is_among_those_of_the_first_call() -> None:
    files = [path for path in (ROOT / "spec/harness").rglob("test_*.py") if path != Path(__file__)]
    need = {path for path in files if 'reason="no CUDA device"' in path.read_text(encoding="utf-8")}
    assert need == {ROOT / f"spec/harness/{name}.py" for name in GPU_TESTS}


def test_what_is_not_installed_is_named_with_the_version_that_it_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lacking(tmp_path) == []
    old = tmp_path / "rich-1.0.dist-info"
    old.mkdir()
    (old / "METADATA").write_text("Metadata-Version: 2.1\nName: rich\nVersion: 1.0\n")
    named = re.search(r'"(rich>=\d+)"', (ROOT / "pyproject.toml").read_text())
    assert named
    assert lacking(tmp_path) == [named[1]]  # beside the logs it comes first
    monkeypatch.setattr(sys, "path", [])
    lacks = lacking(tmp_path)
    assert {"torch>=2.11", "nvidia-ml-py>=12.535.108", "hypothesis>=6.100", named[1]} <= set(lacks)
    assert not any(one.startswith(("ray", "playwright")) for one in lacks)


COMMANDS = [
    pytest.param(part.command, id=f"{number}-{part.name}{'-small' if small else ''}")
    for small in (False, True)
    for number, parts in enumerate(CALLS, 1)
    for part in parts(Path("/out"), small)
]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_word_of_a_command_exists(command: Sequence[str]) -> None:
    if command[0] == "sh":
        return
    if command[1] == "-c":
        compile(command[2], "command", "exec")
        return
    module, words = command[2], command[3:]
    if module == "harness":
        arguments = vars(_parser(words[0]).parse_args(words))
        for step_id in [*arguments.get("ids", ()), *([arguments["id"]] if "id" in arguments else [])]:
            find(step_id)
    elif module == "pytest":
        assert all((ROOT / word).exists() for word in words if word.startswith("spec"))
    else:
        assert (ROOT / f"{module.replace('.', '/')}.py").exists()


@pytest.mark.parametrize("small", [False, True])
def test_a_verdict_against_a_step_is_no_failure_of_its_training(small: bool) -> None:
    parts = [part for parts in CALLS for part in parts(Path("/out"), small) if "train" in part.command]
    trained = [part for part in parts if "--profile" not in part.command and part.kill is None]
    assert {tuple(part.statuses) for part in trained} == {(0, 1)}


def test_no_two_parts_of_a_call_have_one_name() -> None:
    for parts in CALLS:
        names = [part.name for part in parts(Path("/out"), False)]
        assert len(set(names)) == len(names)


def test_the_steps_of_stacked_networks_are_a_line_each_and_so_is_what_fails(
    call: Call, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stacked_steps, "STEPS", {"cpu": 1})
    assert stacked_steps.main(["small/plain", "--seeds", "1", "2", "--device", "cpu"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["precision"], line["step"], line["seeds"]) for line in lines] == [
        ("ieee", "small/plain", 1),
        ("ieee", "small/plain", 2),
    ]
    assert all(0 < line["host_us"] <= line["step_us"] for line in lines)
    assert stacked_steps.main(["mine/none", "--seeds", "1", "--device", "cpu"]) == 1
    assert "unknown step 'mine/none'" in json.loads(capsys.readouterr().out)["error"]


def test_runs_stand_beside_those_of_the_cpu_and_nothing_is_recorded(
    call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    from harness.__main__ import main

    for seed, missed in enumerate((60, 70, 80)):
        put(seed, missed, CPU)
    main(["adopt", "made"])
    for path in Path("made/small/plain").iterdir():
        path.unlink()
    for seed, missed in enumerate((30, 40, 50)):
        put(seed, missed)
    Path("made/small/plain/seed9-20260101T000000.000000Z.jsonl").with_suffix(".txt").touch()
    capsys.readouterr()
    before = sorted(Path("small").rglob("*"))
    assert beside_cpu.main(Path("made")) == 0
    assert capsys.readouterr().out == (
        "small/plain: 99.60 [99.35, 99.85] % by 3 runs; held by 3 of 3 [0.29, 1.00]; 18 s in all; "
        "GPU minus CPU: +0.300 [+0.073, +0.527] points, 95 % interval of Welch, 3 and 3 runs\n"
    )
    assert sorted(Path("small").rglob("*")) == before
    assert Plain.id == "small/plain"
    assert beside_cpu.main(Path("small")) == 1


def test_runs_that_were_made_twice_are_compared_number_by_number(
    call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed, missed in enumerate((60, 70)):
        put(seed, missed)
    shutil.copytree("made", "again")
    put(2, 80)
    change(Path("again/small/plain/seed1-20260101T000000.000000Z.jsonl"), 3, train_loss=0.2, seconds=9.0)
    assert same_again.main(Path("made"), Path("again")) == 0
    assert capsys.readouterr().out.splitlines() == [
        "small/plain seed 0: 4 of 4 epochs the same",
        "small/plain seed 1: 2 of 4 epochs the same; epoch 3 has train_loss 0.1 in the record and 0.2 here",
    ]
    assert same_again.main(Path("made"), Path("nowhere")) == 1
