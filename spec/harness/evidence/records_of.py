"""Steps whose record, and whose published run, are made of numbers that a test writes down."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness import Recipe, StepSpec
from harness.evidence import published, record
from harness.evidence.record_folder import SUMS, checksums
from harness.step import Step

Errors = Sequence[tuple[int, int, int]]


def step_with(folder: Path, step_id: str, analysis: str = "- It is small.", **attributes: Any) -> type[StepSpec]:
    """A step of six epochs whose spec would lie in that folder."""
    document = f"A title.\n\nTarget:\n    x\n\nResult:\n    y\n\nAnalysis:\n    {analysis}\n"
    recipe = Recipe(lr=0.1, batch_size=64, epochs=6)
    own = {"__doc__": document, "__module__": __name__, "parameters": 7, "recipe": recipe, **attributes}
    step: type[StepSpec] = type("TestStep", (StepSpec,), own)
    step.id, step.source = step_id, folder / step_id.partition("/")[0] / "test_01_step.py"
    step.ladder = step_id.partition("/")[0]
    return step


def keep(
    step: type[Step],
    runs: Mapping[int, tuple[Sequence[float], Sequence[float]]],
    errors: Errors = (),
    losses: Sequence[float] | Mapping[int, Sequence[float]] | None = None,
    clean: Mapping[int, float] | None = None,
    **made: Any,
) -> Path:
    """Write a record of the step: for each seed its training and its test accuracy after each epoch.

    `losses` are the test losses of every run or by seed, and `clean` is by seed the accuracy on training images as they
    are, the same in all epochs; a record of an older version has neither. `made` is of the provenance.
    """
    machine, native = {"hardware": "a processor", "torch": "2.15.0"}, made.get("trainer") == "native"
    of_seed = losses if isinstance(losses, Mapping) else dict.fromkeys(runs, losses)
    kept = [
        {
            "seed": seed,
            "epochs": [
                {
                    "epoch": epoch,
                    "train_accuracy": train,
                    "test_accuracy": test,
                    "train_loss": 0.1,
                    "seconds": 1.0,
                    **({"test_loss": lost[epoch - 1]} if (lost := of_seed[seed]) else {}),
                    **({"clean_train_accuracy": clean[seed]} if clean else {}),
                }
                for epoch, (train, test) in enumerate(zip(*both, strict=True), 1)
            ],
            "errors": list(errors),
            **({"made": machine} if native else {}),
        }
        for seed, both in runs.items()
    ]
    made = {**({} if native else machine), "fingerprint": "0123", **made}
    path = record.path_of(step)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"step": step.id, "parameters": 7, "provenance": made, "runs": kept}))
    return path


def list_checksums(step: type[Step]) -> None:
    """Write the checksums beside the record of the step and the others there, as they are written with the texts."""
    folder = record.path_of(step).parent
    (folder / SUMS).write_text(checksums(folder))


def publish(step: type[Step], train: Sequence[float], test: Sequence[float], sentences: int = 1, **more: Any) -> Path:
    """Write what was published of the step: the accuracies of its one run, and how long its Analysis is."""
    epochs = [
        {"epoch": epoch, "train_accuracy": one, "test_accuracy": other, "test_loss": round(1 / epoch, 4)}
        for epoch, (one, other) in enumerate(zip(train, test, strict=True), 1)
    ]
    value = {"step": step.id, "source": "a notebook", "sentences": sentences, "epochs": epochs, **more}
    path = published.path_of(step)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    return path
