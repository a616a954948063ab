"""What the benchmark came to, as Markdown: docs/benchmark.md is made of docs/benchmark.json and of nothing else."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness import files, strict_json
from harness.errors import HarnessError
from harness.escape import markdown, markdown_code
from harness.files import write

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
    """The results that were kept, by hardware and step; HarnessError if they are not such as can be shown."""
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
    """Put a result in the place of the last one of that step and hardware, and write the page anew."""
    key = (result["made"]["hardware"], result["step"])
    kept = {(one["made"]["hardware"], one["step"]): one for one in recorded()} | {key: result}
    results = [kept[key] for key in sorted(kept)]
    write(RESULTS, (json.dumps(results, indent=1) + "\n").encode())
    write(RESULTS.with_suffix(".md"), page(results).encode())


def page(results: list[dict[str, Any]]) -> str:
    """The whole page."""
    return "\n".join([HEAD, *map(section, results)])


def overview(results: list[dict[str, Any]]) -> str:
    """The README's table: a row a result."""
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
    made, floor, ratios = result["made"], result["floor"], result["ratios"]
    threads = f", {made['threads']} thread{'s' if made['threads'] > 1 else ''}" if made["threads"] else ""
    parts = [
        f"## {markdown(result['step'])} on {markdown(made['hardware'])}{threads}",
        markdown(
            f"Batch {made['batch_size']}, {made['turns']} turns; torch {made['torch']}, Python {made['python']}, "
            f"{made['platform']}."
        ),
        table(
            ("way", "step, ms", "range, ms", "test, s", "epoch, s", "images/s", "times ours"),
            [
                (
                    markdown(name),
                    f"{way['step_ms']:.2f}",
                    "{:.2f} to {:.2f}".format(*way["step_ms_range"]),
                    f"{way['test_s']:.2f}",
                    f"{way['epoch_s']:.2f}",
                    f"{way['images_per_s']:,}",
                    f"{ratios.get(name, 1):.2f}",
                )
                for name, way in result["ways"].items()
            ],
        ),
        f"Floor: {floor['operations'] / 1e9:.0f} GFLOP at {floor['matrix_gflops']:.0f} GFLOP/s, "
        f"{floor['epoch_s']:.2f} s an epoch; ours takes {floor['ours_over_floor']:.2f} times that.",
    ]
    parts += [
        "Where a step of ours goes, by operator (`torch.profiler`):",
        table(
            ("operator", "ms", "share, %"),
            [
                (markdown_code(one["operator"]), f"{one['ms']:.2f}", f"{one['share']:.0f}")
                for one in result["operators"]
            ],
        ),
    ]
    if result["cores"]:
        parts += [
            "The whole machine:",
            table(
                ("way", "processes", "threads each", "images/s in all"),
                [
                    (markdown(one["way"]), f"{one['processes']:d}", f"{one['threads']:d}", f"{one['images_per_s']:,}")
                    for one in result["cores"]
                ],
            ),
        ]
    parts += [
        "Many seeds, a step of all of them:",
        table(
            ("seeds", "together, ms", "one by one, ms"),
            [
                (f"{one['seeds']:d}", f"{one['together_ms']:.2f}", f"{one['one_by_one_ms']:.2f}")
                for one in result["seeds"]
            ],
        ),
        "Batch sizes:",
        table(
            ("batch", "images/s"),
            [(f"{one['batch_size']:d}", f"{one['images_per_s']:,}") for one in result["batches"]],
        ),
    ]
    return "\n\n".join(parts) + "\n"


def table(head: tuple[str, ...], rows: Sequence[tuple[object, ...]]) -> str:
    """A Markdown table, its first column to the left and the others to the right."""
    lines = [head, ("---", *["---:"] * (len(head) - 1)), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
