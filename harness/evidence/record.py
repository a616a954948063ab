"""Records: the committed evidence of a step, made of complete runs only.

What a CPU made is in spec/<ladder>/records/<step>.json, by which claims are decided; what a GPU made is beside it, in
<step>.cuda.json. Neither ever takes the place of the other.
"""

import functools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from os.path import lexists
from pathlib import Path
from typing import Any

from harness import files, strict_json
from harness.device import device_of
from harness.errors import Failures, HarnessError
from harness.provenance import (
    NATIVE_BINDING,
    Device,
    binding,
    device_type,
    differences,
    fingerprint,
    is_native,
)
from harness.run import Run, run_of_json, trainer_of_json
from harness.step import Step

_LATER = "its run stays in its run file, from which python -m harness adopt FOLDER records it, once that is mended"

_CONFLICT = (
    "git could not merge it; take one side, git checkout --ours FILE, and add the runs of the other: "
    "git show :3:./FILE > theirs.json, and python -m harness adopt theirs.json"
)


@dataclass(frozen=True)
class Record:
    """Runs of one step, of different seeds, that were made with the same."""

    step: type[Step]
    provenance: Mapping[str, Any]
    """What all runs were made with: as much of it as binds them. Each run has the whole of its own."""
    runs: tuple[Run, ...]

    @property
    def outdated(self) -> bool:
        """Whether it is of another network or recipe than its step has now."""
        return bool(self.provenance["fingerprint"] != fingerprint(self.step))


def path_of(step: type[Step], device: Device = "cpu") -> Path:
    """Where the record of a step is, whether it exists or not."""
    return step.file_in("records", ".cuda.json" if device == "cuda" else ".json")


def runs(step: type[Step], device: Device = "cpu") -> tuple[Run, ...]:
    """The runs in the record of a step; none without a record."""
    record = read(step, device)
    return record.runs if record else ()


def existing(step: type[Step]) -> Record:
    """The record of a step; HarnessError that says how to make one if it has none, or why it can have none."""
    if record := read(step):
        return record
    check_images(step)
    of_gpu = f", but one of a GPU, {path_of(step, 'cuda').name}" if lexists(path_of(step, "cuda")) else ""
    raise HarnessError(f"{step.id} has no record{of_gpu}; make one with: {_train_command(step, 'cpu')} --record")


def run_of(step: type[Step], seed: int) -> Run:
    """The run of a seed in the record of a step; HarnessError that names the seeds there are if it has none."""
    of_seed = {run.seed: run for run in existing(step).runs}
    if seed not in of_seed:
        raise HarnessError(f"{path_of(step)} has no seed {seed}; it has {', '.join(map(str, of_seed))}")
    return of_seed[seed]


def read(step: type[Step], device: Device = "cpu") -> Record | None:
    """The record of a step, or None if it has none; HarnessError if the file is none of this step on that device."""
    path = path_of(step, device)
    if not lexists(path):
        return None
    record = read_file(path, step)
    if other := {device_type(run.provenance) for run in record.runs} - {device}:
        raise HarnessError(f"{path} has runs made on {min(other)}, which belong in {path_of(step, min(other)).name}")
    return record


def read_file(path: Path, step: type[Step]) -> Record:
    """The record in a file, wherever it is; HarnessError if it is no record of that step."""
    try:
        return _record(step, step.id, files.read(path))  # type: ignore[arg-type]  # a class is hashable
    except (ValueError, OSError) as error:
        raise HarnessError(f"{path} is not a record of {step.id}: {error}") from error


@functools.lru_cache(maxsize=64)  # every claim about a step asks for its record, and most of the time is the parsing
def _record(step: type[Step], step_id: str, raw: bytes) -> Record:
    """The record of a step in the bytes of a file; ValueError if it is none."""
    if re.search(rb"^<{7} ", raw, flags=re.MULTILINE):
        raise ValueError(_CONFLICT)
    value = strict_json.parse(raw)
    named, made = strict_json.text(value, "step"), strict_json.facts(strict_json.field(value, "provenance"))
    _check_binding(made)
    if named != step_id and made["fingerprint"] != fingerprint(step):  # else it is the same step under another name
        raise ValueError(f"it is of {named[:80]}")
    entries = strict_json.objects(value, "runs")
    saved = tuple(run_of_json(step, run, {**made, **_own_provenance(run, made)}) for run in entries)
    if not saved or len({run.seed for run in saved}) < len(saved):
        raise ValueError("it has no run, or a seed twice")
    return Record(step, made, saved)


def _check_binding(made: Mapping[str, Any]) -> None:
    """Raise ValueError unless the provenance of a record says what its trainer has to say."""
    trainer_of_json(made)
    for key in ("fingerprint",) if is_native(made) else ("hardware", "torch", "fingerprint"):
        strict_json.text(made, key)
    if is_native(made):
        strict_json.whole(made, "numerics", 0, 1 << 31)
        if odd := made.keys() - set(NATIVE_BINDING):
            raise ValueError(f"{min(odd)!r} is of each run and not of all")


def _own_provenance(run: Mapping[str, Any], common: Mapping[str, Any]) -> dict[str, Any]:
    """What a run of a record was made with besides what all were; ValueError if it does not say or contradicts."""
    if not is_native(common):
        return {}
    made = strict_json.facts(strict_json.field(run, "made"))
    for key in ("hardware", "torch"):
        strict_json.text(made, key)
    if odd := made.keys() & set(NATIVE_BINDING):
        raise ValueError(f"{min(odd)!r} is of all runs and not of each")
    return made


def check(step: type[Step], provenance: Mapping[str, Any], seeds: Iterable[int]) -> None:
    """Raise HarnessError if the record of a step was made with something else, or has one of the seeds already.

    The record is that of the device in the provenance. It raises also if the step is not judged on test images, of
    which all records are.
    """
    check_images(step)
    for reason in refusals(step, provenance, seeds).values():
        raise HarnessError(reason)


def refusals(step: type[Step], provenance: Mapping[str, Any], seeds: Iterable[int]) -> dict[int, str]:
    """Why runs of some of the seeds could not be added to the record of a step, by seed; HarnessError as `read`."""
    device = device_type(provenance)
    path, record = path_of(step, device), read(step, device)
    if record is None:
        return {}
    wanted, recorded = sorted(seeds), {run.seed for run in record.runs}
    again = f"{_train_command(step, device)} --seed"
    if other := differences(record.provenance, provenance):
        trainer = record.provenance.get("trainer")
        another = trainer is not None and trainer != provenance.get("trainer", trainer)
        reason = (
            f"{path} was made with {other}; "
            f"{f'add to it with --trainer {trainer}, or ' if another else ''}start it anew with: "
            f"{again} {' '.join(map(str, sorted(recorded | set(wanted))))} --record --replace"
        )
        return dict.fromkeys(wanted, reason)
    return {
        seed: f"{path} has seed {seed} already; replace it with: {again} {seed} --record --replace"
        for seed in wanted
        if seed in recorded
    }


def _train_command(step: type[Step], device: Device) -> str:
    """What trains a step on a device, which it names where another would be taken; but for the seeds."""
    return f"python -m harness train {step.id}{f' --device {device}' if device != device_of().type else ''}"


def dropped(step: type[Step], provenance: Mapping[str, Any], seeds: Iterable[int]) -> list[int]:
    """The seeds whose runs leave the record of a step where those of other seeds replace it; HarnessError as `read`.

    A record has one provenance: what was made with something else cannot stay beside them.
    """
    record = read(step, device_type(provenance))
    if record is None or not differences(record.provenance, provenance):
        return []
    return sorted({run.seed for run in record.runs} - set(seeds))


def check_images(step: type[Step]) -> None:
    """Raise HarnessError if the step is not judged on test images, of which all records are."""
    if step.recipe.validation > 0:
        raise HarnessError(
            f"{step.id} is judged on training images that its recipe holds out, and records are of the test images; "
            "leave out --record, or validation"
        )


def stale(step: type[Step]) -> str:
    """Which record of a step is none of its network and recipe as they are now, and what to do; empty if all are.

    Raises HarnessError as `read` does.
    """
    devices: tuple[Device, ...] = ("cpu", "cuda")
    for device in devices:
        if (record := read(step, device)) is None:
            continue
        whole = all(run.complete for run in record.runs)
        if not whole or record.outdated:
            seeds = " ".join(str(run.seed) for run in record.runs)
            return (
                f"{path_of(step, device)} is of another network or recipe than "
                f"{step.id} has now; take the change back, or train it again with: "
                f"{_train_command(step, device)} --seed {seeds} --record --replace"
            )
    return ""


def unrecorded(step: type[Step], provenance: Mapping[str, Any], seeds: Iterable[int]) -> list[int]:
    """Those of the seeds that the record of a step does not have, in order.

    Raises HarnessError if their runs could not be added to it, as it was made with something else.
    """
    new = sorted(set(seeds) - {run.seed for run in runs(step, device_type(provenance))})
    if new:
        check(step, provenance, new)
    return new


def add(*runs: Run, replace: bool = False) -> None:
    """Put complete runs of one step into its record, under a lock, and replace the file in one move.

    They are made with the same, and are all in it or none. The very same runs again change nothing: whoever was killed
    after adding one adds it again. To `replace` is to put them in the place of the runs of their seeds, or of all runs
    where those were made with something else: a record has one provenance. Otherwise that raises HarnessError as
    `check` does.
    Raises HarnessError also if the file cannot be written, which is then as it was.
    """
    step, made = runs[0].step, runs[0].provenance
    device = device_type(made)
    path = path_of(step, device)
    check_images(step)
    with files.writable(path):
        path.parent.mkdir(exist_ok=True)
    with files.locked(path):
        record = read(step, device)
        if record is None or (replace and differences(record.provenance, made)):
            record = Record(step, binding(made), ())
        recorded = [saved.as_json() for saved in record.runs]
        new = {run.seed: run for run in runs if run.as_json() not in recorded}
        if not new:
            return
        if not replace:
            check(step, made, new)
        merged = sorted(({run.seed: run for run in record.runs} | new).values(), key=lambda saved: saved.seed)
        raw = _text(Record(step, record.provenance, tuple(merged))).encode()
        try:
            _record(step, step.id, raw)  # type: ignore[arg-type]  # what could not be read again is not written
        except ValueError as error:
            seeds = ", ".join(map(str, new))
            raise HarnessError(f"seed {seeds} of {step.id} cannot be recorded: {error}") from error
        files.write(path, raw)


def added(runs: Iterable[Run], *, replace: bool = False) -> Iterator[Run]:
    """Put each run that did not fail into the record of its step, and yield all of them.

    Raises HarnessError after the last, for those that could not be added as well as for what `runs` raises: a run that
    cannot be recorded stops no other.
    """
    with Failures() as failures:
        for run in runs:
            if run.failed is None:
                try:
                    add(run, replace=replace)
                except HarnessError as error:
                    failures.add(f"seed {run.seed} is not recorded: {error}; {_LATER}")
            yield run


def _text(record: Record) -> str:
    """JSON with one line per epoch, so that a difference shows the epochs that came and went."""
    head = {"step": record.step.id, "parameters": record.step.parameters, "provenance": dict(record.provenance)}
    texts = []
    for run in record.runs:
        rest = run.as_json()
        if own := {key: value for key, value in run.provenance.items() if key not in record.provenance}:
            rest = {"seed": rest.pop("seed"), "together": rest.pop("together"), "made": own, **rest}
        epochs = ",\n".join("   " + json.dumps(epoch) for epoch in rest.pop("epochs"))
        texts.append(f'  {json.dumps(rest).removesuffix("}")}, "epochs": [\n{epochs}\n  ]}}')
    return json.dumps(head, indent=1).removesuffix("\n}") + ',\n "runs": [\n' + ",\n".join(texts) + "\n ]\n}\n"
