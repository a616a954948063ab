"""A receptive field as a table, in words and as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.table import Table

if TYPE_CHECKING:
    from harness.receptive_field import ReceptiveField


def table(field: ReceptiveField) -> Table:
    """One row per layer; numbers that are the same for all axes are shown once."""
    result = Table(box=None, padding=(0, 1, 0, 0))
    for column in ("layer", "operation"):
        result.add_column(column, no_wrap=True)
    numbers = ("n_in", "kernel", "padding", "stride", "n_out", "jump_in", "jump_out", "rf_in", "rf_out")
    for column in numbers:
        result.add_column(column.replace("_", "\n"), justify="right", no_wrap=True)
    for row in field.layers:
        result.add_row(row.name, row.operation, *(_per_axis(getattr(row, column)) for column in numbers))
    return result


def summary(field: ReceptiveField) -> str:
    """The numbers in words, then whatever is unusual about the field."""
    size, stride, padding = map(_per_axis, (field.size, field.stride, field.padding))
    remarks = {
        "reads the whole image along a global path": field.is_global,
        "paths with different centres meet": not field.aligned,
        "units differ by more than a shift": field.shift_variant,
        f"{field.holes:,} pixels inside the field are never read": field.holes,
    }
    unusual = [remark for remark, applies in remarks.items() if applies]
    return "; ".join([f"size {size}, stride {stride}, padding {padding} pixels", *unusual])


def _per_axis(numbers: tuple[Any, ...]) -> str:
    texts = ["-" if number is None else str(number) for number in numbers]
    return texts[0] if len(set(texts)) == 1 else " x ".join(texts)


def as_json(field: ReceptiveField) -> dict[str, Any]:
    """The fields of an analysis in JSON's types: a fraction becomes a string such as "1/2"."""
    names = ("size", "stride", "padding", "used", "holes", "is_global", "aligned", "shift_variant", "shape")
    layers = [{key: _plain(value) for key, value in asdict(layer).items()} for layer in field.layers]
    return {**{name: _plain(getattr(field, name)) for name in names}, "layers": layers}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)
