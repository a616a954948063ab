"""The unit of a ladder: what one step declares, and nothing more. Imports no torch."""

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from harness import docstring
from harness.recipe import Recipe

if TYPE_CHECKING:
    from torch import nn

TEST_IMAGES = 10_000
GOAL = 99.40  # percent of the test images


class Step:
    """What one step of a ladder declares, in spec/<ladder>/test_<nn>_<step>.py.

    The path of the file gives the id "<ladder>/<step>" and, with `<nn>`, the order of the steps. The docstring has a
    title and the sections Target, Result and Analysis.
    """

    model: "ClassVar[Callable[[], nn.Module]]"
    """Called without arguments, it returns a network from N x 1 x 28 x 28 images to N x 10 log-probabilities."""
    parameters: ClassVar[int]
    """The number of trainable parameters, written by hand."""
    receptive_field: ClassVar[int]
    """The side in pixels of the field of an output, written by hand; global pooling counts as a kernel of its map."""
    recipe: ClassVar[Recipe]
    follows: ClassVar[str | None] = None
    """The id of the step that this one changes; None for the first of a ladder."""
    goal: ClassVar[bool] = False
    """Whether the step claims that every seed holds 99.40 % over the final epochs."""
    final_epochs: ClassVar[int] = 3
    claims: ClassVar[dict[str, str]] = {}
    """The verdict on each claim of the Analysis: supported, refuted or undecided; see `harness.claims`."""

    id: ClassVar[str]
    ladder: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[Path]
    """The file that defines the step."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.source = Path(inspect.getfile(cls))
        cls.ladder = cls.source.parent.name
        cls.id = f"{cls.ladder}/{re.sub(r'^test_[0-9]+_', '', cls.source.stem)}"
        cls.title = inspect.cleandoc(cls.__doc__ or "").partition("\n")[0].rstrip(".")

    @classmethod
    def document(cls) -> docstring.Docstring:
        """The parsed docstring; HarnessError if a section is missing."""
        return docstring.parse(cls.__doc__, cls.id)
