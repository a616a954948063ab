"""Files that are damaged, of another version, or made by an attacker are refused."""

import ast
import json
import os
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from harness.errors import HarnessError
from harness.evidence import record
from harness.jobs import checkpoint, run_file
from harness.jobs.job import Job
from harness.jobs.worker import work
from harness.step import Step
from spec.harness.jobs import small
from spec.harness.jobs.faults import Note
from spec.harness.jobs.faults import note as note
from spec.harness.jobs.packed import EPOCH, packed, text_of
from spec.harness.jobs.small import MADE, Call, run_of
from spec.harness.jobs.small import call as call
from spec.harness.support.paths import ROOT


class Trap:
    """An object whose pickle runs a command when it is loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch trapped",)


def lying(header: bytes, length: int | None = None, body: bytes = b"") -> bytes:
    """A safetensors file with a header, and the length of the header or a wrong one."""
    return (len(header) if length is None else length).to_bytes(8, "little") + header + body


HOSTILE = {
    "nothing": b"",
    "a pickle": pickle.dumps(Trap()),
    "a header longer than the file": lying(b"{}", 1 << 40),
    "a header without end": lying(b"{", (1 << 64) - 1),
    "tensors beyond the end": lying(b'{"x":{"dtype":"F32","shape":[9],"data_offsets":[0,36]}}', body=b"1234"),
    "tensors that overlap": lying(
        b'{"x":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"y":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}',
        body=b"123456",
    ),
    "a shape that is too large": lying(
        b'{"x":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,4]}}', body=b"1234"
    ),
    "no metadata": bytes(save({"x": torch.zeros(1)})),
    "metadata of something else": bytes(save({"x": torch.zeros(1)}, {"format": "pt"})),
    "a wrong SHA-256": bytes(save({"x": torch.zeros(1)}, {"training": text_of(), "sha256": "0" * 64})),
    "another version": packed(text_of(version=2)),
    "NaN": packed(text_of(head={"x": float("nan")})),
    "a number that is too large": packed(text_of().replace('"version": 1', '"version": 1e999')),
    "a whole number without end": packed(text_of().replace('"version": 1', f'"version": {"9" * 5000}')),
    "a key given twice": packed(text_of()[:-1] + ', "step": "small/other"}'),
    "nesting without end": packed("[" * 100_000),
    "control characters": packed(text_of(step="\x1b[2J")),
    "a type to obey": lying(b'{"x":{"dtype":"\\u001b[2J","shape":[1],"data_offsets":[0,4]}}', body=b"1234"),
    "a head that names a seed": packed(text_of(head={"seed": 5})),
    "a seed twice": packed(text_of(runs=[{"seed": 0, "epochs": []}] * 2)),
    "a seed that is none": packed(text_of(runs=[{"seed": -1, "epochs": []}])),
    "a seed that is a truth value": packed(text_of(runs=[{"seed": True, "epochs": []}])),
    "an epoch out of turn": packed(text_of(runs=[{"seed": 0, "epochs": [{**EPOCH, "epoch": 2}]}])),
    "an accuracy beyond 100": packed(text_of(runs=[{"seed": 0, "epochs": [{**EPOCH, "test_accuracy": 101}]}])),
    "a test loss that is no number": packed(text_of(runs=[{"seed": 0, "epochs": [{**EPOCH, "test_loss": None}]}])),
    "a test loss beyond float32": packed(text_of(runs=[{"seed": 0, "epochs": [{**EPOCH, "test_loss": 1e40}]}])),
    "an accuracy above 100": packed(text_of(runs=[{"seed": 0, "epochs": [{**EPOCH, "clean_train_accuracy": 100.5}]}])),
    "errors that are none": packed(text_of(runs=[{"seed": 0, "epochs": [{**EPOCH, "errors": [[0, 0, 10]]}]}])),
    "runs of unequal length": packed(text_of(runs=[{"seed": 0, "epochs": []}, {"seed": 1, "epochs": [EPOCH]}])),
}
ELSEWHERE = {
    "of another step": packed(text_of(step="small/simple")),
    "a path as a step": packed(text_of(step="../../../etc/passwd")),
    "tensors that do not fit": packed(text_of(), weight=torch.zeros(3)),
}


@pytest.mark.thorough
def test_a_hostile_checkpoint_is_refused(call: Call, note: Note) -> None:
    path = Path("runs/small/plain/seed0-20260101T000000.000000Z.safetensors")
    path.parent.mkdir(parents=True)
    for name, raw in {**HOSTILE, **ELSEWHERE}.items():
        path.write_bytes(raw)
        status, runs, err = call("small/plain --resume")
        assert (status, runs) == (2, []), name
        assert err.startswith("python -m harness train: error: ")
        assert err.count("\n") == 1, name
        assert "\x1b" not in err
        assert ("is not a checkpoint" in err) is (name in HOSTILE), name
    assert not Path("trapped").exists()
    assert list(Path("runs").rglob("seed*")) == [path]
    note(
        "a checkpoint made by an attacker",
        "headers that lie, a pickle that would run a command, JSON with NaN, endless numbers and nesting, keys and "
        "seeds given twice, paths as ids, another version",
        len(HOSTILE) + len(ELSEWHERE),
        "each refused with status 2 and one line; nothing was executed",
    )


NUMBERS = ["NaN", "Infinity", "-Infinity", "1e999", "9" * 5000, "true", '"1"', "null", "[]", "{}", "-1", "100.5"]


def test_a_hostile_record_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, note: Note) -> None:
    monkeypatch.setattr(small.Plain, "source", tmp_path / "test_01_small.py")
    record.add(run_of(0))
    path = record.path_of(small.Plain)
    sound = path.read_text()
    one = json.dumps(run_of(0).as_json())
    hostile = [sound.replace('"test_accuracy": 99.4', f'"test_accuracy": {number}', 1) for number in NUMBERS]
    hostile += [
        sound[: len(sound) // 2],
        sound.replace('"step": "small/plain"', '"step": "../plain"'),
        sound.replace('"seed": 0', '"seed": 0, "seed": 0'),
        sound.replace('"small/plain"', '"\\u001b[2J"'),
        sound.replace('"a processor"', "7"),
        sound.replace("[18, 3, 8]", "[18, 3, 88]"),
        sound.replace("[18, 3, 8]", "[18.5, 3, 8]"),
        "[" * 200_000,
        '{"a":' * 100_000,
        json.dumps({**json.loads(sound), "runs": [json.loads(one)] * 2}),
        json.dumps({**json.loads(sound), "runs": []}),
        json.dumps({**json.loads(sound), "runs": {"0": json.loads(one)}}),
    ]
    for text in hostile:
        assert text != sound
        path.write_text(text)
        with pytest.raises(HarnessError, match=r"plain.json is not a record of small/plain: ") as error:
            record.read(small.Plain)
        assert "\x1b" not in str(error.value)
        with pytest.raises(HarnessError):
            record.add(run_of(1))
        assert path.read_text() == text
    path.write_bytes(b"\xff\xfe" + sound.encode("utf-16-le"))
    with pytest.raises(HarnessError):
        record.read(small.Plain)
    note(
        "a record made by an attacker, or cut short",
        "NaN, infinities, endless numbers and nesting, keys and seeds given twice, paths as ids, half a file",
        len(hostile) + 1,
        "each refused with one line that names the file; nothing is added to it",
    )


@pytest.fixture(scope="module")
def sound_checkpoint() -> bytes:
    """A checkpoint after two epochs."""
    last = list(work(Job(small.Simple, (0,), 2), small.images()))[-1].checkpoint
    assert last is not None
    return last


@st.composite
def damage(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """A function that damages a file: bytes overwritten, cut out, put in, or the end lost."""
    position, length = draw(st.floats(0, 1)), draw(st.integers(0, 40))
    new = draw(st.binary(min_size=0, max_size=40))
    near = draw(st.booleans())

    def harm(raw: bytes) -> bytes:
        begin = int(position * (min(400, len(raw)) if near else len(raw)))
        return raw[:begin] + new + raw[begin + length :]

    return harm


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["step", "seed", "runs", "epochs", "epoch", "errors", "provenance", "version", "head"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=15,
)
FUZZED = settings(
    deadline=None,
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    database=None,
)


def test_damage_never_passes_for_a_checkpoint(sound_checkpoint: bytes, note: Note) -> None:
    refused = []

    @FUZZED
    @given(damage())
    def fuzz(harm: Callable[[bytes], bytes]) -> None:
        raw = harm(sound_checkpoint)
        try:
            found = checkpoint.unpack(raw, "it")
        except HarnessError:
            refused.append(raw)
            return
        # What is accepted says the same as before.
        whole = checkpoint.unpack(sound_checkpoint, "it")
        assert found.progress.epochs == whole.progress.epochs
        assert all(torch.equal(value, whole.state[name]) for name, value in found.state.items())

    fuzz()
    assert len(refused) > 100
    note(
        "a damaged checkpoint",
        "bytes overwritten, lost or put in, by Hypothesis",
        FUZZED.max_examples,
        "refused with one line, unless what it says is untouched; no other error, no hang",
    )


def outcome_of(read: Callable[[], object], path: Path) -> str:
    """Whether a reader accepts a file, or refuses it with one line that names the file."""
    try:
        read()
    except HarnessError as error:
        return "refused" if str(path) in str(error) and str(error).isprintable() else f"refused with {error!r}"
    return "accepted"


@pytest.mark.thorough
def test_readers_of_json_raise_no_other_error(tmp_path: Path, note: Note) -> None:
    path = tmp_path / "file"
    step: type[Step] = small.Plain
    head = {"step": step.id, "seed": 0, **MADE}
    lines = "".join(f"{json.dumps(line)}\n" for line in (head, EPOCH, {**EPOCH, "epoch": 2})).encode()
    whole = json.dumps({"step": step.id, "parameters": 7, "provenance": MADE, "runs": [run_of(0).as_json()]}).encode()
    counted = {"accepted": 0, "refused": 0}

    @FUZZED
    @example(None, bytes)
    @given(JSON, damage())
    def fuzz(value: Any, harm: Callable[[bytes], bytes]) -> None:
        for raw in (json.dumps(value).encode(), harm(lines), harm(whole)):
            path.write_bytes(raw)
            readers: list[Callable[[], object]] = [
                lambda: record.read_file(path, step),
                lambda: run_file.read(path, step),
                lambda: checkpoint.read(path),
            ]
            for read in readers:
                counted[outcome_of(read, path)] += 1

    fuzz()
    assert counted["accepted"] > 0
    assert counted["refused"] > 500
    note(
        "damaged or senseless records, run files and checkpoints",
        "any JSON, and sound files with bytes overwritten, lost or put in, by Hypothesis; three readers each",
        3 * FUZZED.max_examples,
        "a value, or one line that names the file; no other error, no hang",
    )


def test_a_run_file_without_its_end_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "seed0.jsonl"
    head = {"step": "small/plain", "seed": 0, "started": "now", "together": 1, **MADE}
    lines = [json.dumps(line) for line in (head, EPOCH, {**EPOCH, "epoch": 2})]
    path.write_text("\n".join(lines))
    run = run_file.read(path, small.Plain)
    assert [epoch.epoch for epoch in run.epochs] == [1]
    assert run.provenance == MADE
    path.write_text("\n".join([*lines[:2], '{"failed": "the loss is nan"}\n']))
    assert run_file.read(path, small.Plain).failed == "the loss is nan"


UNSAFE = {"pickle", "marshal", "shelve", "dill", "joblib"}
RUNS_CODE = {"eval", "exec", "compile", "os.system", "torch.load", "numpy.load", "np.load", "torch.jit.load"}
ASKED_FOR = ROOT / "harness" / "review" / "module.py"
"""Runs a script or a notebook that its user names, as `python script.py` would: code, and no data."""


def dotted(node: ast.expr) -> str:
    """The dotted name of what is called, as it is written."""
    return f"{dotted(node.value)}.{node.attr}" if isinstance(node, ast.Attribute) else getattr(node, "id", "")


@pytest.mark.parametrize("folder", ["harness", "models"])
def test_nothing_is_unpickled_and_no_data_is_executed(folder: str) -> None:
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files
    for path in files:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {alias.name for alias in node.names} | {getattr(node, "module", None)}
                assert not names & UNSAFE, f"{path}:{node.lineno}"
            if isinstance(node, ast.Call):
                assert dotted(node.func) not in RUNS_CODE or path == ASKED_FOR, f"{path}:{node.lineno}"
                assert not any(keyword.arg == "shell" for keyword in node.keywords), f"{path}:{node.lineno}"


def test_workflows_have_the_least_permissions() -> None:
    files = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    assert files
    for path in files:
        text = path.read_text()
        assert "\npermissions:\n  contents: read\n\n" in text, path
        assert text.count("permissions:") == 1, path
        assert text.count("actions/checkout@") == text.count("persist-credentials: false"), path
        assert "pull_request_target" not in text, path
        assert "secrets." not in text, path
        used = re.findall(r"uses: (\S+)", text)
        assert used, path
        assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action) for action in used), path  # a tag can be moved
    own = [path for path in files if "self-hosted" in path.read_text()]
    assert not [path for path in own if "pull_request" in path.read_text()]
