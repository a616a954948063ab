"""The review of a network on the console and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table

from harness.commands import fields
from harness.commands.console import bare_table, console

if TYPE_CHECKING:
    from harness.review import Review


def show(found: Review, returned: str, target: str, limit: int | None) -> None:
    """Print the layers, the sizes, what the network returns, its field and what there is to remark."""
    from harness.review.remarks import remarks

    out = console()
    out.print(_layers(found, target))
    out.print(
        f"\n{_parameters(found, limit)}; {found.multiplications:,} multiplications and "
        f"{found.activations:,} activations per image"
    )
    for line in (f"returns {returned}", *_places(found)):
        out.print(line)
    out.print()
    if found.field is not None:
        out.print(fields.table(found.field))
        out.print(f"receptive field: {fields.summary(found.field)}; the image has 28 x 28")
    if found.no_field:
        out.print(f"no receptive field: {found.no_field}")
    out.print()
    for what, why in remarks(found):
        out.print(f"- {what}: {why}")


def _parameters(found: Review, limit: int | None) -> str:
    counted = f"{found.parameters:,} parameters"
    if limit is not None:
        more = found.parameters - limit
        counted += f", {f'{more:,} MORE than' if more > 0 else 'within'} the limit of {limit:,}"
    return counted + (f", and {found.frozen:,} that are frozen" if found.frozen else "")


def _layers(found: Review, title: str) -> Table:
    """One row per operation that has weights or writes numbers."""
    result = bare_table(title)
    for column in ("layer", "operation"):
        result.add_column(column, no_wrap=True)
    for column in ("output", "parameters", "multiplications"):
        result.add_column(column, justify="right", no_wrap=True)
    for one in found.operations:
        if one.weights or one.activations:
            numbers = (f"{number:,}" if number else "" for number in (one.parameters, one.multiplications))
            result.add_row(one.module, one.function, " x ".join(map(str, one.shape)), *numbers)
    return result


def _places(found: Review) -> list[str]:
    """Where normalization, dropout, pools and global averages stand, by the convolutions before them."""
    from harness.review.remarks import DROPOUTS, NORMALIZATIONS

    pools = found.places("max_pool", "avg_pool", "adaptive_max_pool", "adaptive_avg_pool")
    kinds = {
        "normalization": found.places(*NORMALIZATIONS),
        "dropout": found.places(*DROPOUTS),
        "pool": [place for place in pools if place not in found.global_averages],
        "global average": found.global_averages,
        "fully connected": found.places("linear"),
    }
    lines = []
    for kind, places in kinds.items():
        before = dict.fromkeys(sum(one < place for one in found.convolutions) for place in places)
        where = ["at the start" if found.convolutions else "without a convolution"] if 0 in before else []
        if any(before):
            where.append(f"after convolution {', '.join(str(n) for n in before if n)}")
        lines.append(f"{kind}: {' and '.join(where) or 'none'}")
    return [f"convolutions: {len(found.convolutions)}", *lines]


def as_json(found: Review, target: str, limit: int | None) -> dict[str, Any]:
    """The same in JSON's types."""
    from harness.review.remarks import remarks

    return {
        "target": target,
        "parameters": found.parameters,
        "frozen": found.frozen,
        "limit": limit,
        "multiplications": found.multiplications,
        "activations": found.activations,
        "layers": [
            {
                "layer": one.module,
                "operation": one.function,
                "output": one.shape,
                "parameters": one.parameters,
                "multiplications": one.multiplications,
                "activations": one.activations,
            }
            for one in found.operations
        ],
        "receptive_field": fields.as_json(found.field) if found.field else None,
        "no_receptive_field": found.no_field or None,
        "remarks": [remark._asdict() for remark in remarks(found)],
    }
