"""The results of the benchmark as Markdown: docs/benchmark.md is generated from docs/benchmark.json alone."""

import json
from pathlib import Path
from typing import Any

from harness import files, strict_json
from harness.errors import HarnessError
from harness.escape import markdown, markdown_code
from harness.report.markdown import table

RESULTS = Path(__file__).parents[2] / "docs" / "benchmark.json"
WAYS = ("notebook", "ours")
HEAD = """# How fast it trains

Made by `python -m harness bench ID --record` from `benchmark.json`; do not edit.

A *step* is one batch: its preparation, forward, backward and the optimizer. An *epoch* is the steps of 60,000 images
and one test on 10,000. *Notebook* is the published way: a DataLoader over PIL images with torchvision's transforms,
eager autograd, the loss read after every step. *Eager* keeps tensors in memory and augments a batch at a time. *Ours*
is what `harness train` does. The three take turns in one run; figures are medians. The *floor* is what the
multiplications and additions of convolutions and matrix products would take at the rate of a float32 matrix product,
measured in the same turns with the same threads.
"""


def recorded() -> list[dict[str, Any]]:
    """The saved results, by hardware and step; HarnessError if the file is damaged."""
    if not RESULTS.exists():
        return []
    try:
        results = strict_json.objects({"results": strict_json.parse(files.read(RESULTS))}, "results")
        for one in results:
            strict_json.text(one, "step")
            strict_json.text(strict_json.facts(one["made"]), "hardware")
            section(one), overview([one])
    except (ValueError, LookupError, TypeError, AttributeError, OSError) as error:
        raise HarnessError(f"{RESULTS} is not what the benchmark wrote: {error}") from error
    return results


def save(result: dict[str, Any]) -> None:
    """Replace the saved result of the same step and hardware, if any, and write the page anew."""
    key = (result["made"]["hardware"], result["step"])
    saved = {(one["made"]["hardware"], one["step"]): one for one in recorded()} | {key: result}
    results = [saved[key] for key in sorted(saved)]
    files.write(RESULTS, (json.dumps(results, indent=1) + "\n").encode())
    files.write(RESULTS.with_suffix(".md"), page(results).encode())


def page(results: list[dict[str, Any]]) -> str:
    """The whole page."""
    return "\n".join([HEAD, *map(section, results)])


def overview(results: list[dict[str, Any]]) -> str:
    """The table of the README: one row per result."""
    rows = []
    for one in results:
        best = {way: max((row["images_per_s"] for row in one["cores"] if row["way"] == way), default=0) for way in WAYS}
        whole = [f"{best[way]:,}" if best[way] else "" for way in WAYS]
        notebook, ours = (one["ways"][way]["epoch_s"] for way in WAYS)
        ratio, over = f"{one['ratios']['notebook']:.2f}", f"{one['floor']['ours_over_floor']:.2f}"
        rows.append(
            (
                markdown_code(one["step"]),
                markdown(one["made"]["hardware"]),
                f"{notebook:.1f}",
                f"{ours:.1f}",
                ratio,
                over,
                *whole,
            )
        )
    head = ("step", "hardware", "notebook, s an epoch", "ours", "ratio", "ours over the floor")
    return table((*head, "all cores, notebook, images/s", "ours"), rows) + "\n"


def section(result: dict[str, Any]) -> str:
    """One result: what it was made with, and its tables."""
    made, floor = result["made"], result["floor"]
    threads = f", {made['threads']} thread{'s' if made['threads'] > 1 else ''}" if made["threads"] else ""
    parts = [
        f"## {markdown(result['step'])} on {markdown(made['hardware'])}{threads}",
        markdown(
            f"Batch {made['batch_size']}, {made['turns']} turns; torch {made['torch']}, Python {made['python']}, "
            f"{made['platform']}."
        ),
        _ways(result),
        f"Floor: {floor['operations'] / 1e9:.0f} GFLOP at {floor['matrix_gflops']:.0f} GFLOP/s, "
        f"{floor['epoch_s']:.2f} s an epoch; ours takes {floor['ours_over_floor']:.2f} times that.",
        "Where a step of ours goes, by operator (`torch.profiler`):",
        _operators(result["operators"]),
    ]
    if result["cores"]:
        parts += ["The whole machine:", _cores(result["cores"])]
    parts += ["Many seeds, a step of all of them:", _seeds(result["seeds"])]
    parts += ["Batch sizes:", _batches(result["batches"])]
    return "\n\n".join(parts) + "\n"


def _ways(result: dict[str, Any]) -> str:
    head = ("way", "step, ms", "range, ms", "test, s", "epoch, s", "images/s", "times ours")
    rows = [
        (
            markdown(name),
            f"{way['step_ms']:.2f}",
            "{:.2f} to {:.2f}".format(*way["step_ms_range"]),
            f"{way['test_s']:.2f}",
            f"{way['epoch_s']:.2f}",
            f"{way['images_per_s']:,}",
            f"{result['ratios'].get(name, 1):.2f}",
        )
        for name, way in result["ways"].items()
    ]
    return table(head, rows)


def _operators(operators: list[dict[str, Any]]) -> str:
    rows = [(markdown_code(one["operator"]), f"{one['ms']:.2f}", f"{one['share']:.0f}") for one in operators]
    return table(("operator", "ms", "share, %"), rows)


def _cores(cores: list[dict[str, Any]]) -> str:
    rows = [
        (markdown(one["way"]), f"{one['processes']:d}", f"{one['threads']:d}", f"{one['images_per_s']:,}")
        for one in cores
    ]
    return table(("way", "processes", "threads each", "images/s in all"), rows)


def _seeds(seeds: list[dict[str, Any]]) -> str:
    rows = [(f"{one['seeds']:d}", f"{one['together_ms']:.2f}", f"{one['one_by_one_ms']:.2f}") for one in seeds]
    return table(("seeds", "together, ms", "one by one, ms"), rows)


def _batches(batches: list[dict[str, Any]]) -> str:
    return table(("batch", "images/s"), [(f"{one['batch_size']:d}", f"{one['images_per_s']:,}") for one in batches])
