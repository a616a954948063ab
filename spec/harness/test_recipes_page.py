"""docs/recipes.md names all that a recipe can say, as it is and as torch has it, and its examples say it."""

import inspect
import math
import re
from dataclasses import MISSING, fields
from functools import reduce
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torchvision
from torch import nn, optim
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader, TensorDataset
from torchvision import transforms

import harness.recipe as ours
from harness import Recipe
from harness.recipe.schedules import Schedule
from harness.recipe.sequence import transforms as sequence
from harness.recipe.transform import Transform
from spec.harness.support.paths import ROOT

PAGE = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
NAMES = {**vars(ours), "math": math}
NEEDED: dict[str, Any] = {"lr": 0.01, "batch_size": 128, "epochs": 15}
EPOCHS, STEPS = 15, 10  # of the notebooks' training; a step is a batch

Row = list[str]


def rows(text: str) -> list[Row]:
    """The rows of all tables without their heads, as lists of cells."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    heads = {
        index for index, line in enumerate(lines) if index + 1 < len(lines) and lines[index + 1].startswith("| ---")
    }
    return [
        [cell.strip() for cell in line[1:-1].split("|")]
        for index, line in enumerate(lines)
        if index not in heads and not line.startswith("| ---")
    ]


def code(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def between(begin: str, end: str) -> str:
    return PAGE.partition(begin)[2].partition(end)[0]


FIELDS = rows(PAGE.partition("<!-- /fields -->")[0])
CLASSES = rows(between("<!-- /fields -->", "<!-- /classes -->"))
LINES = rows(PAGE.partition("<!-- /classes -->")[2])


def arguments(kind: type) -> dict[str, Any]:
    """The arguments of a dataclass in the order of its fields, with their defaults."""
    order = {one.name: one.default for one in fields(kind)}
    return {name: inspect.Parameter.empty if default is MISSING else default for name, default in order.items()}


def test_every_field_is_named_with_its_default() -> None:
    expected = {
        name: "required"
        if default is inspect.Parameter.empty
        else f"`{default!r}`".replace("mean=0.1307, std=0.3081", "")
        for name, default in arguments(Recipe).items()
    }
    assert {code(row[0])[0]: row[1] for row in FIELDS} == expected


def test_every_class_is_named_with_its_arguments() -> None:
    expected = set()
    for name in set(ours.__all__) - {"Recipe"}:
        known = arguments(getattr(ours, name)).items()
        shown = ", ".join(key if value is inspect.Parameter.empty else f"{key}={value!r}" for key, value in known)
        expected.add(f"`{name}({shown})`")
    assert {row[1] for row in CLASSES} == expected
    assert len(CLASSES) == len(expected)


@pytest.mark.parametrize("row", FIELDS, ids=lambda row: row[0])
def test_the_example_of_a_field_says_that_field(row: Row) -> None:
    [name], [example] = code(row[0]), code(row[3])
    assert example.startswith(f"{name}=")
    recipe = eval(f"Recipe(**{{**NEEDED, **dict({example})}})", {**NAMES, "NEEDED": NEEDED})
    assert row[1] == "required" or getattr(recipe, name) != getattr(Recipe(**NEEDED), name)


@pytest.mark.parametrize("row", CLASSES, ids=lambda row: row[1])
def test_the_example_of_a_class_makes_one(row: Row) -> None:
    [example] = code(row[3])
    made: Any = eval(example, NAMES)
    assert example.startswith(f"{type(made).__name__}(")
    assert row[1].startswith(f"`{type(made).__name__}(")
    match made:
        case Schedule():
            Recipe(**NEEDED | {"schedule": made, "validation": 0.1})
        case Transform() if not isinstance(made, ours.CenterCrop):
            Recipe(**NEEDED | {"augmentation": made})


def test_every_name_of_torch_exists() -> None:
    named = set(re.findall(r"`(torch(?:vision)?\.[\w.]+)`", PAGE))
    assert len(named) > 30
    for name in named:
        reduce(getattr, name.split(".")[1:], {"torch": torch, "torchvision": torchvision}[name.partition(".")[0]])


TECHNICAL = {"params", "lr", "weight_decay", "optimizer", "last_epoch", "inplace"} | {
    "foreach", "fused", "capturable", "maximize", "differentiable",
}  # fmt: skip
SAME = {(None, 0.0), (None, (1.0, 1.0))}
"""What torch and we write where nothing is to happen."""
NOT_REQUIRED = {"Normalize": {"mean", "std"}, "RandomAffine": {"degrees"}}


@pytest.mark.parametrize("row", [row for row in CLASSES if code(row[0])], ids=lambda row: row[1])
def test_a_class_has_the_arguments_and_the_defaults_of_torchs_except_for_those_that_are_named(row: Row) -> None:
    [name] = code(row[0])
    theirs: Any = reduce(getattr, name.split(".")[1:], torch if name.startswith("torch.") else torchvision)
    original = {key: one.default for key, one in inspect.signature(theirs).parameters.items() if key not in TECHNICAL}
    own = arguments(getattr(ours, theirs.__name__))
    assert own.keys() - original.keys() <= {"on"}
    assert set(code(row[2])) == original.keys() - own.keys()
    for key in own.keys() & original.keys() - NOT_REQUIRED.get(theirs.__name__, set()):
        default = getattr(original[key], "value", original[key])
        assert own[key] == default or (default, own[key]) in SAME, key


@pytest.mark.parametrize("kind", [getattr(ours, name) for name in ours.__all__ if hasattr(transforms, name)])
def test_the_first_argument_of_a_transform_needs_no_name_as_in_torchvision(kind: type) -> None:
    first, theirs = (
        next(iter(inspect.signature(one).parameters.values())) for one in (kind, getattr(transforms, kind.__name__))
    )
    assert (first.name, first.kind) == (theirs.name, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Notebook:
    """What lines of a notebook make, in the names that they use."""

    def __init__(self, lines: str) -> None:
        model = nn.Linear(2, 1)
        train = TensorDataset(torch.zeros(128 * STEPS, 2))
        names: dict[str, Any] = {"model": model, "train": train, "train_loader": range(STEPS), **vars(lr_scheduler)}
        names |= {"transforms": transforms, "nn": nn, "optim": optim, "DataLoader": DataLoader}
        if "scheduler =" in lines and "optimizer =" not in lines:
            names["optimizer"] = optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
        exec(lines, names)
        self.made = SimpleNamespace(**names)

    def check(self, recipe: Recipe) -> None:
        """That a recipe says the same."""
        made = vars(self.made)
        if "optimizer" in made:
            self._check_optimizer(recipe)
        if "train_transforms" in made:
            self._check_transforms(recipe)
        if isinstance(loader := made["train_loader"], DataLoader):
            assert (loader.batch_size, loader.drop_last) == (recipe.batch_size, recipe.drop_last)
        if isinstance(criterion := made.get("criterion"), nn.CrossEntropyLoss):
            assert criterion.label_smoothing == recipe.label_smoothing

    def _check_optimizer(self, recipe: Recipe) -> None:
        optimizer, scheduler = self.made.optimizer, getattr(self.made, "scheduler", None)
        assert type(optimizer).__name__ == ("SGD" if recipe.optimizer is None else type(recipe.optimizer).__name__)
        group = optimizer.param_groups[0]
        assert group["weight_decay"] == recipe.weight_decay
        if recipe.optimizer is None:
            assert group["nesterov"] == recipe.nesterov
        per_step = isinstance(scheduler, lr_scheduler.OneCycleLR)
        for step in range(EPOCHS * STEPS):
            assert group["lr"] == pytest.approx(recipe.rate(step // STEPS, step % STEPS, STEPS), rel=1e-9)
            cycled = recipe.cycled_momentum(step // STEPS, step % STEPS, STEPS)
            if "momentum" in group:
                assert group["momentum"] == pytest.approx(recipe.momentum if cycled is None else cycled)
            optimizer.step()
            if scheduler is not None and (per_step or step % STEPS == STEPS - 1) and step < EPOCHS * STEPS - 1:
                scheduler.step()

    def _check_transforms(self, recipe: Recipe) -> None:
        before: list[str] = []
        after: list[str] = []
        for one in self.made.train_transforms.transforms:
            (after if before and before[-1] == "ToTensor" else before).append(type(one).__name__)
        assert before[-1] == "ToTensor"
        names = [*before[:-1], *(name for name in after if name != "Normalize")]
        given = recipe.augmentation if isinstance(recipe.augmentation, tuple) else (recipe.augmentation,)
        assert [type(one).__name__ for one in given] == names
        assert [one.on for one in sequence(recipe.augmentation)][-1] == (
            "tensor" if "RandomErasing" in after else "image"
        )


def block(marker: str) -> str:
    return between(f"<!-- {marker} -->\n```python\n", "```")


def test_the_notebook_and_the_recipe_behind_it_say_the_same() -> None:
    names: dict[str, Any] = {}
    exec(block("recipe"), names)
    notebook = Notebook(block("notebook"))
    notebook.check(names["RECIPE"])
    assert names["RECIPE"].epochs == notebook.made.EPOCHS == EPOCHS


@pytest.mark.parametrize("row", LINES, ids=lambda row: row[0])
def test_each_line_of_a_notebook_has_its_words_in_a_recipe(row: Row) -> None:
    [line] = code(row[0])
    [words] = code(row[1]) or [""]
    Notebook(line).check(eval(f"Recipe(**{{**NEEDED, **dict({words})}})", {**NAMES, "NEEDED": NEEDED}))


def test_every_word_of_torch_in_the_page_is_one_that_is_checked() -> None:
    assert (len(FIELDS), len(CLASSES), len(LINES)) == (len(fields(Recipe)), len(ours.__all__) - 1, 14)
