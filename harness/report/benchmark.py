"""The results of the benchmark as Markdown: docs/benchmark.md is generated from docs/benchmark.json alone."""

import json
from collections.abc import Callable
from itertools import combinations
from os.path import lexists
from pathlib import Path
from typing import Any

from harness import files, strict_json
from harness.discovery import root
from harness.errors import HarnessError
from harness.escape import markdown, markdown_code
from harness.report.markdown import table
from harness.run import EAGER, NATIVE

# The file calls an implementation "way", and several "ways": the results that are saved have these keys.
IMPLEMENTATIONS = ("notebook", EAGER, NATIVE)
PAIRS = tuple(f"{one} / {other}" for one, other in combinations(IMPLEMENTATIONS, 2))
HEAD = """# How fast it trains

Made by `python -m harness bench ID... --record` from `benchmark.json`; do not edit.

A *step* is one batch: its preparation, forward, backward and the optimizer. An *epoch* is the steps of 60,000 images
and one test on 10,000. *Notebook* is the published way: a DataLoader over PIL images with torchvision's transforms,
autograd, and the loss read after every step; it averages no weights, and has no teacher, no distortions and no loss but
that of the labels, at one rate; on a GPU its convolutions are in TF32, as by default, and all others in float32.
*Eager* is what `harness train --trainer eager` does in torch, *native* what `--trainer native` does in C++. They take
turns in one run, on a CPU with one thread; figures are medians over the turns, with the range of a step, and those of a
test over three. A cell is empty where a step cannot be trained that way. The *floor* is what the multiplications and
additions of convolutions and matrix products, those of a teacher included, would take at the best rate of a float32
matrix product in the same turns.
"""


def path() -> Path:
    """Where the results are saved, beside the page that is made of them."""
    return root() / "docs" / "benchmark.json"


def recorded() -> list[dict[str, Any]]:
    """The saved results, by hardware and step; HarnessError if the file is damaged."""
    if not lexists(path()):
        return []
    try:
        results = strict_json.objects({"results": strict_json.parse(files.read(path()))}, "results")
        for one in results:
            strict_json.text(one, "step")
            strict_json.text(strict_json.facts(one["made"]), "hardware")
            sections([one]), overview([one])
    except (ValueError, LookupError, TypeError, AttributeError, OSError) as error:
        raise HarnessError(f"{path()} is not what the benchmark wrote: {error}") from error
    return results


def check() -> None:
    """Raise HarnessError if results could not be saved, which takes hours less to hear before they are measured."""
    if not path().parent.is_dir():
        raise HarnessError(f"--record writes to {path().parent}, which does not exist; make that folder")
    if path().with_suffix(".md").is_dir():
        raise HarnessError(f"cannot write {path().with_suffix('.md')}: it is a folder; move it")
    with files.locked(path()):
        recorded()


def save(results: list[dict[str, Any]]) -> None:
    """Replace the saved results of the same steps and hardware, if any, and write the page anew."""
    with files.locked(path()):
        saved = {(one["made"]["hardware"], one["step"]): one for one in [*recorded(), *results]}
        ordered = [saved[key] for key in sorted(saved)]
        files.write(path(), (json.dumps(ordered, indent=1) + "\n").encode())
        files.remove_unfinished(path().with_suffix(".md"))
        files.write(path().with_suffix(".md"), page(ordered).encode())


def page(results: list[dict[str, Any]]) -> str:
    """The whole page."""
    return "\n".join([HEAD, sections(results)])


def overview(results: list[dict[str, Any]]) -> str:
    """The table of the README: one row per result."""
    rows = []
    for one in results:
        best: dict[str, int] = {}
        for row in one["cores"]:
            best[row["way"]] = max(row["images_per_s"], best.get(row["way"], 0))
        fastest = min(one["ways"].values(), key=lambda figures: figures["epoch_s"])
        rows.append(
            (
                markdown_code(one["step"]),
                markdown(one["made"]["hardware"]),
                *(f"{one['ways'][name]['epoch_s']:.1f}" if name in one["ways"] else "" for name in IMPLEMENTATIONS),
                *(f"{one['ratios'][pair]:.2f}" if pair in one["ratios"] else "" for pair in PAIRS[1:]),
                f"{fastest['over_floor']:.2f}",
                *(f"{best[name]:,}" if name in best else "" for name in IMPLEMENTATIONS),
            )
        )
    head = (
        "step",
        "hardware",
        *(f"{name}, seconds per epoch" for name in IMPLEMENTATIONS),
        *(f"{pair}, ratio of seconds" for pair in PAIRS[1:]),
        "fastest / arithmetic floor, ratio of seconds",
        *(f"{name} on all cores, images per second" for name in IMPLEMENTATIONS),
    )
    return table(head, rows) + "\n"


def sections(results: list[dict[str, Any]]) -> str:
    """A section for each environment: what it was, and its tables with a column for each step."""
    environments: dict[str, list[dict[str, Any]]] = {}
    for one in results:
        environments.setdefault(json.dumps(one["made"], sort_keys=True), []).append(one)
    return "\n".join(_section(group[0]["made"], group) for group in environments.values())


def _section(made: dict[str, Any], results: list[dict[str, Any]]) -> str:
    software = [f"{made['turns']} turns; torch {made['torch']}", f"Python {made['python']}", made["platform"]]
    software += [str(made[name]) for name in ("cpu", "capability") if name in made]
    if "compiler" in made:
        software.append(f"native: numerics {made['numerics']}, {made['compiler']}, {made['flags']}")
    threads = f", {_counted(made['threads'], 'thread')}" if made["threads"] else ""
    parts = [f"## {markdown(made['hardware'])}{threads}", markdown(f"{', '.join(software)}.")]
    parts += [_columns(results, _figures)]
    if any(one["cores"] for one in results):
        parts += ["Training images per second in all:", _columns(results, _cores)]
    if any(one["seeds"] for one in results):
        parts += ["A step of many seeds, ms, stacked and one by one:", _columns(results, _seeds)]
    return "\n\n".join(parts) + "\n"


def _columns(results: list[dict[str, Any]], figures: Callable[[dict[str, Any]], dict[str, str]]) -> str:
    """A row for each figure, and a column for each result."""
    columns = [figures(one) for one in results]
    labels = dict.fromkeys(label for column in sorted(columns, key=len, reverse=True) for label in column)
    head = ("", *(markdown_code(one["step"]) for one in results))
    return table(head, [(label, *(column.get(label, "") for column in columns)) for label in labels])


def _figures(result: dict[str, Any]) -> dict[str, str]:
    measured, floor = result["ways"], result["floor"]

    def of_each(label: str, form: str) -> dict[str, str]:
        return {label.format(name): form.format(**measured[name]) for name in IMPLEMENTATIONS if name in measured}

    return {
        **of_each("{}: a step, ms", "{step_ms:.2f} ({step_ms_range[0]:.2f} to {step_ms_range[1]:.2f})"),
        **of_each("{}: images per second", "{images_per_s:,}"),
        **of_each("{}: a test, s", "{test_s:.2f}"),
        **of_each("{}: an epoch, s", "{epoch_s:.2f}"),
        **{f"{pair}, epochs": f"{result['ratios'][pair]:.2f}" for pair in PAIRS if pair in result["ratios"]},
        **of_each("{} / floor, epochs", "{over_floor:.2f}"),
        "floor: an epoch, s": f"{floor['epoch_s']:.2f}",
        "operations of an epoch, GFLOP": f"{floor['operations'] / 1e9:.0f}",
        "a matrix product, GFLOP/s": f"{floor['matrix_gflops']:.0f}",
        "images in a batch": f"{result['batch_size']:d}",
    }


def _cores(result: dict[str, Any]) -> dict[str, str]:
    return {
        f"{markdown(row['way'])}: {_counted(row['processes'], 'process')} of {_counted(row['threads'], 'thread')}": (
            f"{row['images_per_s']:,}"
        )
        for row in result["cores"]
    }


def _seeds(result: dict[str, Any]) -> dict[str, str]:
    return {
        _counted(row["seeds"], "seed"): f"{row['together_ms']:.2f}, {row['one_by_one_ms']:.2f}"
        for row in result["seeds"]
    }


def _counted(n: int, noun: str) -> str:
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{n:d} {noun if n == 1 else plural}"
