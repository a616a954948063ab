"""A picture of receptive fields: the field of one unit per layer, drawn on an image."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from harness.receptive_field.analysis import receptive_field, receptive_fields
from harness.receptive_field.boxes import counted

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def picture(model: nn.Module, image: Tensor) -> Figure:
    """Draw the field of the middle unit of each layer that enlarges it as a rectangle, clipped to the pixels it reads.

    Args:
        model: any module that takes one image of this size.
        image: channels x rows x columns, or rows x columns; any range of values.

    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    channels = image if image.ndim == 3 else image[None]
    fields = _middle_fields(model, tuple(channels.shape))
    figure = Figure(figsize=(7.5, 4.5), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(channels.float().mean(dim=0).cpu().numpy(), cmap="gray_r", alpha=0.6)
    colours = _colours(len(fields))
    for (name, (rows, columns), size), colour in zip(fields, colours, strict=True):
        corner = (columns[0] - 0.5, rows[0] - 0.5)
        extent = (columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1)
        label = f"{name}: {' x '.join(map(str, size))}"
        axes.add_patch(Rectangle(corner, *extent, fill=False, edgecolor=colour, linewidth=1.6, label=label))
    axes.set_xlim(-1, channels.shape[2])
    axes.set_ylim(channels.shape[1], -1)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False, title="field of a middle unit")
    return figure


def _middle_fields(
    model: nn.Module, input_size: tuple[int, ...]
) -> list[tuple[str, tuple[list[int], ...], tuple[int, ...]]]:
    """Per layer: its name, the rows and columns that its middle unit reads, and the size of its field in pixels."""
    rows = receptive_field(model, input_size, strict=False).layers
    names = [row.name for row in rows if row.rf_out != row.rf_in]
    found = []
    fields = receptive_fields(model, input_size, names, strict=False)
    for name, field in zip(names, fields, strict=True):
        without_gates = replace(field, boxes=counted(field.boxes))
        region = without_gates.region([count // 2 for count in field.shape])
        if all(region):
            found.append((name, region, field.size))
    return found


def _colours(count: int) -> list[Any]:
    """Evenly spaced colours that stay apart in print and for colour-blind readers."""
    from matplotlib import colormaps

    return [colormaps["viridis"](i / max(1, count - 1) * 0.9) for i in range(count)]
