"""A recipe is a value; one that no training can use is refused where it is written, in one line."""

import math
from typing import Any

import pytest

from harness.discovery import steps
from harness.evidence import record
from harness.provenance import fingerprint
from harness.recipe import (
    Adadelta,
    Adam,
    AdamW,
    Constant,
    CosineAnnealingLR,
    ExponentialLR,
    LinearLR,
    MultiStepLR,
    OneCycleLR,
    RandomAffine,
    RandomApply,
    Recipe,
    ReduceLROnPlateau,
    RMSprop,
    SequentialLR,
    StepLR,
    Teacher,
)
from harness.recipe import recipe as module
from harness.recipe.transform import Transform

GOOD = {"lr": 0.1, "batch_size": 64, "epochs": 15}
NOT_NUMBERS = [math.nan, math.inf, -math.inf, 10**400, True, "0.1", None, (0.1,)]


def line_of(make: Any, **arguments: Any) -> str:
    """The message of the ValueError, which is one line."""
    with pytest.raises(ValueError, match=".") as caught:
        make(**arguments)
    line = str(caught.value)
    assert "\n" not in line
    return line


@pytest.mark.parametrize("wrong", [*NOT_NUMBERS, 0, -0.1])
def test_a_rate_is_a_finite_number_above_0(wrong: object) -> None:
    assert line_of(Recipe, **GOOD | {"lr": wrong}).startswith("Recipe.lr must be a number above 0, not ")


@pytest.mark.parametrize("name", ["batch_size", "epochs"])
@pytest.mark.parametrize("wrong", [*NOT_NUMBERS[:3], *NOT_NUMBERS[4:], 64.0, 1.5, 0, -1, 10**20])
def test_batches_and_epochs_are_counted(name: str, wrong: object) -> None:
    assert line_of(Recipe, **GOOD | {name: wrong}).startswith(
        f"Recipe.{name} must be a whole number of at least 1 and at most 2147483647, not "
    )


@pytest.mark.parametrize(
    ("setting", "wrong"),
    [
        ("momentum", [*NOT_NUMBERS, -0.1, 1, 1.5]),
        ("nesterov", [1, 0, None, "yes"]),
        ("weight_decay", [*NOT_NUMBERS, -1e-9]),
        ("average", [0, 1, 1.0, 2, True, math.nan, "0.9"]),
        ("label_smoothing", [*NOT_NUMBERS, -0.1, 1]),
        ("l1", [*NOT_NUMBERS, -0.1]),
        ("clip_grad_norm", [0, -1, True, math.nan, math.inf, "1"]),
        ("clip_grad_value", [0, -1, True, math.nan, math.inf, "1"]),
        ("drop_last", [1, None, "yes"]),
        ("average_buffers", [1, None, "yes"]),
        ("average_warmup", [1, None, "yes"]),
        ("validation", [*NOT_NUMBERS, -0.1, 1]),
        ("schedule", ["onecycle", StepLR, None, 0.1]),
        ("optimizer", ["adam", Adam, 0.1]),
        ("augmentation", ["affine", RandomAffine, 7]),
        ("normalize", [(0.1307, 0.3081), None]),
        ("teacher", ["frontier/step10"]),
    ],
)
def test_each_setting_is_checked_and_named(setting: str, wrong: list[object]) -> None:
    for value in wrong:
        assert line_of(Recipe, **GOOD, **{setting: value}).startswith(f"Recipe.{setting} must be ")


@pytest.mark.parametrize(
    ("make", "arguments", "start"),
    [
        (StepLR, {"step_size": 0}, "StepLR.step_size must be a whole number of at least 1 and at most"),
        (StepLR, {"step_size": 2.0}, "StepLR.step_size must be"),
        (StepLR, {"step_size": 2, "gamma": math.nan}, "StepLR.gamma must be a number above 0, not nan"),
        (MultiStepLR, {"milestones": 5}, "MultiStepLR.milestones must be a tuple of any number, each a whole number"),
        (MultiStepLR, {"milestones": [5]}, "MultiStepLR.milestones must be"),
        (MultiStepLR, {"milestones": (5, 0)}, "MultiStepLR.milestones must be"),
        (CosineAnnealingLR, {"T_max": 0}, "CosineAnnealingLR.T_max must be"),
        (LinearLR, {"start_factor": 0}, "LinearLR.start_factor must be a number above 0 and at most 1, not 0"),
        (OneCycleLR, {"pct_start": 1.1}, "OneCycleLR.pct_start must be a number of at least 0 and at most 1, not 1.1"),
        (OneCycleLR, {"anneal_strategy": "exp"}, "OneCycleLR.anneal_strategy must be 'cos' or 'linear', not 'exp'"),
        (OneCycleLR, {"base_momentum": 0.99}, "OneCycleLR.base_momentum must be at most max_momentum"),
        (ReduceLROnPlateau, {"factor": 1.0}, "ReduceLROnPlateau.factor must be a number above 0 and below 1, not 1.0"),
        (SequentialLR, {"schedulers": (LinearLR(),), "milestones": (2,)}, "SequentialLR has one schedule more"),
        (SequentialLR, {"schedulers": (LinearLR(),) * 3, "milestones": (4, 2)}, "SequentialLR has one schedule more"),
        (SequentialLR, {"schedulers": (OneCycleLR(),), "milestones": ()}, "SequentialLR.schedulers must be"),
        (
            Adam,
            {"betas": (0.9,)},
            "Adam.betas must be a tuple of 2, each a number of at least 0 and below 1, not",
        ),
        (AdamW, {"betas": [0.9, 0.999]}, "AdamW.betas must be"),
        (Adadelta, {"rho": 1.0}, "Adadelta.rho must be"),
        (RMSprop, {"alpha": 1}, "RMSprop.alpha must be"),
        (Teacher, {"step": "a/b", "weights": 7}, "Teacher.weights must be a text, not 7"),
    ],
)
def test_so_are_those_of_its_parts(make: Any, arguments: dict[str, Any], start: str) -> None:
    assert line_of(make, **arguments).startswith(start)


@pytest.mark.parametrize(
    ("together", "word"),
    [
        ({"nesterov": True, "momentum": 0}, "nesterov"),
        ({"optimizer": Adam(), "nesterov": True}, "momentum and nesterov"),
        ({"optimizer": Adam(), "momentum": 0.5}, "momentum and nesterov"),
        ({"average_warmup": True}, "average"),
        ({"average_buffers": False}, "average"),
        ({"clip_grad_norm": 1, "clip_grad_value": 1}, "clip_grad_norm and clip_grad_value"),
        ({"optimizer": Adadelta(), "schedule": OneCycleLR()}, "schedule"),
        ({"schedule": ReduceLROnPlateau()}, "validation"),
        ({"schedule": ExponentialLR(1e200)}, "schedule gives no finite rate in epoch 3: ExponentialLR("),
        ({"schedule": StepLR(1, 1e200)}, "schedule gives no finite rate in epoch 3: StepLR("),
        (
            {"schedule": SequentialLR((ExponentialLR(1e100), Constant()), (5,))},
            "schedule gives no finite rate in epoch 5: SequentialLR(",
        ),
        ({"schedule": OneCycleLR(div_factor=1e-320)}, "schedule gives no finite rate in epoch 1: OneCycleLR("),
        ({"validation": 0.1, "teacher": Teacher("a/b", "0" * 16)}, "validation"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(together: dict[str, Any], word: str) -> None:
    assert line_of(Recipe, **GOOD, **together).startswith(f"Recipe.{word}{'' if '(' in word else ' '}")


class Mine(Transform):
    pass


@pytest.mark.parametrize("transform", [Transform(), Mine()])
def test_a_transform_that_no_trainer_knows_is_refused(transform: Transform) -> None:
    expected = f"{transform} is none of the transforms of harness.recipe; trainers know no others"
    assert line_of(Recipe, **GOOD, augmentation=(transform,)) == expected
    assert line_of(RandomApply, transforms=(transform,)) == expected


def test_an_unknown_argument_names_the_nearest_and_all_that_there_are() -> None:
    line = line_of(Recipe, **GOOD, optimiser=Adam())
    assert line.startswith("Recipe has no argument 'optimiser'; nearest: optimizer; it has lr, batch_size, epochs, ")
    assert line_of(OneCycleLR, max_lr=0.1).startswith("OneCycleLR has no argument 'max_lr'; it has pct_start, ")
    assert line_of(Recipe, **GOOD, learning_rate=0.1).startswith("Recipe has no argument 'learning_rate'; it has lr, ")
    assert line_of(StepLR, step_size=1, zzz=1) == "StepLR has no argument 'zzz'; it has step_size, gamma"


def test_a_missing_argument_is_named() -> None:
    assert line_of(Recipe, lr=0.1, epochs=15).startswith("Recipe: missing a required argument: 'batch_size'; ")
    with pytest.raises(ValueError, match="StepLR: too many positional arguments; its arguments are step_size, gamma"):
        StepLR(1, 0.1, 2)  # type: ignore[call-arg]


def test_a_long_value_is_cut_off_in_its_line() -> None:
    assert len(line_of(Recipe, **GOOD | {"lr": "ten\nmillion " * 100})) < 200


def test_whole_numbers_are_numbers() -> None:
    assert Recipe(lr=1, batch_size=64, epochs=15, weight_decay=0, l1=0).lr == 1


def test_a_recipe_is_a_value() -> None:
    assert Recipe(lr=0.1, batch_size=64, epochs=15) == Recipe(lr=0.1, batch_size=64, epochs=15)
    assert Recipe(lr=0.1, batch_size=64, epochs=15) != Recipe(lr=0.1, batch_size=64, epochs=14)


def test_what_came_later_is_not_shown_where_it_changes_nothing() -> None:
    """Records know a recipe by a hash of its repr."""
    assert repr(Recipe(lr=0.1, batch_size=64, epochs=15)) == (
        "Recipe(lr=0.1, batch_size=64, epochs=15, momentum=0.9, nesterov=False, weight_decay=0.0, schedule=Constant(), "
        "augmentation=None, normalize=Normalize(mean=0.1307, std=0.3081), average=None)"
    )
    other = Recipe(lr=0.1, batch_size=64, epochs=15, drop_last=True, optimizer=RMSprop())
    assert repr(other).endswith(
        "average=None, optimizer=RMSprop(alpha=0.99, eps=1e-08, momentum=0.0, centered=False), drop_last=True)"
    )
    assert eval(repr(other), vars(module)) == other


def test_every_record_is_of_the_recipe_that_its_step_has() -> None:
    saved = {step: found for step in steps().values() if (found := record.read(step)) is not None}
    assert saved.keys() == set(steps().values())
    for step, found in saved.items():
        assert found.provenance["fingerprint"] == fingerprint(step)
