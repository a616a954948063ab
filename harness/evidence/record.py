"""Records: the committed evidence of a step, spec/<ladder>/records/<step>.json, made of complete runs only."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from filelock import FileLock

from harness import files, strict_json
from harness.errors import HarnessError
from harness.files import write
from harness.provenance import differences
from harness.run import epoch_of_json, errors_of_json
from harness.step import Step


def path_of(step: type[Step]) -> Path:
    """Where the record of a step is, whether it exists or not."""
    return step.source.parent / "records" / f"{step.id.partition('/')[2]}.json"


def read(step: type[Step]) -> dict[str, Any] | None:
    """The record of a step, or None if it has none; HarnessError if the file is no record of this step."""
    path = path_of(step)
    return read_file(path, step.id) if path.exists() else None


def read_file(path: Path, step_id: str) -> dict[str, Any]:
    """The record in a file, wherever it is; HarnessError if it is no record of that step."""
    try:
        record: dict[str, Any] = strict_json.parse(files.read(path))
        if strict_json.text(record, "step") != step_id:
            raise ValueError(f"it is of {record['step'][:80]}")
        strict_json.whole({"parameters": 0, **record}, "parameters", 0, 10**12)
        made = strict_json.facts(strict_json.field(record, "provenance"))
        for key in ("hardware", "torch", "fingerprint"):
            strict_json.text(made, key)
        _check_runs(strict_json.objects(record, "runs"))
    except (ValueError, OSError) as error:
        raise HarnessError(f"{path} is not a record of {step_id}: {error}") from error
    return record


def _check_runs(runs: list[dict[str, Any]]) -> None:
    """Raise ValueError unless there are runs, of different seeds, whose epochs are whole and in order."""
    seeds = {strict_json.whole(run, "seed", 0, strict_json.SEEDS) for run in runs}
    if not runs or len(seeds) < len(runs):
        raise ValueError("it has no run, or a seed twice")
    for run in runs:
        epochs = strict_json.objects(run, "epochs")
        if not epochs:
            raise ValueError(f"seed {run['seed']} has no epochs")
        for number, epoch in enumerate(epochs, 1):
            # What records of older versions do not have is made up for here only.
            epoch_of_json({"train_loss": 0.0, **epoch, "errors": []}, number)
        errors_of_json(run.get("errors", []))
        strict_json.whole({"together": 1, **run}, "together", 1, strict_json.SEEDS)


def check(step: type[Step], provenance: dict[str, Any], seeds: Iterable[int]) -> None:
    """Raise HarnessError if the record of a step was made with something else, or has one of the seeds already."""
    record = read(step)
    if record is None:
        return
    wanted = list(seeds)
    twice = {run["seed"] for run in record["runs"]} & set(wanted)
    if twice:
        raise HarnessError(
            f"{path_of(step)} has seed {min(twice)} already; replace it with: "
            f"python -m harness train {step.id} --seeds {min(twice)} --record --replace"
        )
    if other := differences(record["provenance"], provenance):
        raise HarnessError(
            f"{path_of(step)} was made with {other}; start it anew with: "
            f"python -m harness train {step.id} --seeds {' '.join(map(str, wanted))} --record --replace"
        )


def add(step: type[Step], provenance: dict[str, Any], run: dict[str, Any], *, replace: bool = False) -> None:
    """Put one complete run into the record of its step, under a lock, and replace the file in one move.

    A run that is there already, the very same, is left as it is: whoever was killed after adding it adds it again.
    To `replace` is to put it in the place of the run of its seed, or of all runs where they were made with something
    else: a record has one provenance. Otherwise that raises HarnessError as `check` does.
    Raises HarnessError also if the file cannot be written, which is then as it was.
    """
    path = path_of(step)
    try:
        path.parent.mkdir(exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            record = read(step)
            if record is None or (replace and differences(record["provenance"], provenance)):
                record = {"step": step.id, "parameters": step.parameters, "provenance": provenance, "runs": []}
            if json.loads(json.dumps(run)) in record["runs"]:
                return
            if not replace:
                check(step, provenance, [run["seed"]])
            others = [there for there in record["runs"] if there["seed"] != run["seed"]]
            record["runs"] = sorted([*others, run], key=lambda there: int(there["seed"]))
            write(path, _text(record).encode())
    except OSError as error:
        raise HarnessError(f"cannot write {path}: {error.strerror or error}; it is as it was") from error


def _text(record: dict[str, Any]) -> str:
    """JSON with one line an epoch, so that a difference shows the epochs that came and went."""
    head = json.dumps({key: value for key, value in record.items() if key != "runs"}, indent=1)
    runs = []
    for run in record["runs"]:
        epochs = ",\n".join("   " + json.dumps(epoch) for epoch in run["epochs"])
        rest = json.dumps({key: value for key, value in run.items() if key != "epochs"})
        runs.append(f'  {rest.removesuffix("}")}, "epochs": [\n{epochs}\n  ]}}')
    return head.removesuffix("\n}") + ',\n "runs": [\n' + ",\n".join(runs) + "\n ]\n}\n"
