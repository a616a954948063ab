"""Runs that were trained elsewhere, taken from their run files, or from a record, into the records of this checkout.

Nothing that a file says is believed before it was checked. A record is that of the device which a run was made on, and
its runs were made with the same; what does not fit stops nothing else.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import data, discovery, files, strict_json
from harness.discovery import find
from harness.errors import HarnessError
from harness.evidence import record
from harness.evidence.replica import difference
from harness.jobs import run_file
from harness.jobs.run_folder import NAME, RUN
from harness.provenance import Device, binding, device_type, differences, fingerprint, is_native
from harness.run import NATIVE, Run
from harness.step import TEST_IMAGES, Step
from harness.training.evaluation import percent
from harness.training.native import NUMERICS


@dataclass(frozen=True)
class Adopted:
    """The runs of one step on one device that its record has now."""

    step: type[Step]
    device: Device
    added: list[Run] = field(default_factory=list)
    existing: list[Run] = field(default_factory=list)
    """Those that the record had already, digit by digit but for their seconds."""


@dataclass(frozen=True)
class Adoption:
    """What was added to the records, and why each of the other runs was refused."""

    adopted: list[Adopted]
    refused: list[HarnessError]


def adopt(place: Path) -> Adoption:
    """Add every run that fits to the record of its step and device: of a record, or of all run files below a folder.

    Raises HarnessError if there are none.
    """
    adoption = Adoption([], [])
    sound: dict[tuple[type[Step], Device], dict[str, Run]] = {}
    for path in _files(place):
        in_record = path.suffix == ".json"
        try:
            found = _recorded(path) if in_record else {str(path): _trained(path)}
        except HarnessError as error:
            adoption.refused.append(error)
            continue
        for name, run in found.items():
            if fault := next(_faults(run, in_record), None):
                adoption.refused.append(HarnessError(f"{name} {fault}"))
            else:
                sound.setdefault((run.step, device_type(run.provenance)), {})[name] = run
    for (step, device), runs in sound.items():
        adopted = Adopted(step, device)
        adoption.refused.extend(_add(adopted, runs))
        adoption.adopted.append(adopted)
    return adoption


def _files(place: Path) -> list[Path]:
    """The run files below a folder, or the one file; HarnessError if there is none."""
    with files.readable(place):
        paths = [place] if place.is_file() else sorted(place.rglob(f"*{RUN}"))
    if not paths:
        raise HarnessError(f"{place} has no run files; name a folder that --out of a training has filled, or a record")
    return paths


def _recorded(path: Path) -> dict[str, Run]:
    """The runs in a record, each by a name for it; HarnessError if it is none of a step here.

    Its step is the one that it names, or, if that has another name here, the one of its network and recipe.
    """
    try:
        value = strict_json.parse(files.read(path))
        named, made = strict_json.text(value, "step"), strict_json.mapping(value, "provenance")
    except (ValueError, OSError) as error:
        raise HarnessError(f"{path} is not a record: {error}") from error
    try:
        step = find(named)
    except HarnessError as error:
        known = [one for step in discovery.steps().values() for one in step.with_variants()]
        same = [one for one in known if fingerprint(one) == made.get("fingerprint")]
        if len(same) != 1:
            raise HarnessError(f"{path} is of no step here: {error}") from error
        [step] = same
    return {f"{path}, seed {run.seed},": run for run in record.read_file(path, step).runs}


def _trained(path: Path) -> Run:
    """The run in a run file, if its name fits and it is whole; HarnessError that says what is wrong."""
    place, name = path.absolute().parent, NAME.fullmatch(path.name)
    if name is None:
        raise HarnessError(f"{path} is not named as a run file is, with its seed and the moment of its start")
    try:
        step = find(f"{place.parent.name}/{place.name}")
    except HarnessError as error:
        raise HarnessError(f"{path} is in the folder of no step here: {error}") from error
    run = run_file.read(path, step)
    if run.seed != int(name[1]):
        raise HarnessError(f"{path} is of seed {run.seed}")
    if run.complete and not files.read(path).endswith(b"\n"):
        raise HarnessError(f"{path} is of no complete run: it has more behind its {len(run.epochs)} epochs")
    return run


def _faults(run: Run, in_record: bool) -> Iterator[str]:
    """What keeps a run out of the records, whatever they have. A record names the misses of its last epoch, or none."""
    step, made = run.step, run.provenance
    if run.failed is not None:
        yield f"is of a run that failed: {run.failed}"
    if not run.complete:
        yield f"is of no complete run: it has {len(run.epochs)} of {step.recipe.epochs} epochs"
    if made.get("device") not in ("cpu", "cuda"):
        yield "does not say whether a CPU or a GPU made it"
    native = {"trainer": NATIVE, "numerics": NUMERICS} if is_native(made) else {}
    if other := differences(made, {"fingerprint": fingerprint(step), "data": data.digest(), **native}):
        yield f"was made with {other}; adopt it where all is as it was then"
    naming_misses = run.epochs if not in_record else run.epochs[-1:] if run.errors else ()
    for epoch in naming_misses if step.recipe.validation == 0 else ():
        if epoch.test_accuracy != percent(TEST_IMAGES - len(epoch.errors), TEST_IMAGES):
            yield f"has {len(epoch.errors)} misses and {epoch.test_accuracy} % in epoch {epoch.epoch}, which differ"


def _add(adopted: Adopted, runs: Mapping[str, Run]) -> Iterator[HarnessError]:
    """Add the runs of one step and device to its record; yield why those are refused that do not fit."""
    try:
        existing = record.read(adopted.step, adopted.device)
        recorded = {run.seed: run for run in existing.runs} if existing else {}
        common = existing.provenance if existing else _common(runs.values())
    except HarnessError as error:
        yield from (HarnessError(f"{name} is not added: {error}") for name in runs)
        return
    for name, run in runs.items():
        try:
            _add_one(adopted, run, recorded, common)
        except HarnessError as error:
            yield HarnessError(f"{name} is not added: {error}")


def _add_one(adopted: Adopted, run: Run, recorded: dict[int, Run], common: Mapping[str, Any]) -> None:
    """Add a run to the record, whose runs by seed are `recorded`; HarnessError if it does not fit."""
    where = record.path_of(adopted.step, adopted.device)
    if other := differences(run.provenance, common):
        raise HarnessError(f"it was made with {other}, and {where} takes runs of one kind")
    if run.seed not in recorded:
        record.add(run)
        recorded[run.seed] = run
        adopted.added.append(run)
    elif difference(recorded[run.seed], run) is not None:
        raise HarnessError(f"{where} has another run of seed {run.seed}, which stays")
    elif all(run.seed != one.seed for one in (*adopted.added, *adopted.existing)):  # a file may be there twice
        adopted.existing.append(run)


def _common(runs: Iterable[Run]) -> dict[str, Any]:
    """What binds all of the runs; HarnessError if not all were made with the same: which are meant is not known."""
    first, *rest = (run.provenance for run in runs)
    for made in rest:
        if other := differences(made, binding(first)):
            raise HarnessError(f"not all runs of the step were made with the same: {other}; move one kind elsewhere")
    return binding(first)
