"""A small case for each thing that the kernels do, and one with all of them."""

from dataclasses import replace

from torch import nn

from harness.recipe import RandomAffine, RandomDistortion, Recipe
from models.blocks import Conv, GlobalAverage, LogProbabilities, Separable, WeightedAverage
from spec.harness.training.native.case import Case
from spec.harness.training.native.eager import shaken

PLAIN = Recipe(lr=0.05, batch_size=37, epochs=1)  # two blocks of 16 images, and one of 5


def small(*layers: nn.Module) -> nn.Module:
    """Layers on 4 x 9 x 9 maps, which keep the number of channels, and what makes a network of them."""
    stem = Conv(1, 4, 4, "relu", stride=3)
    return shaken(nn.Sequential(stem, *layers, GlobalAverage(), nn.Conv2d(4, 10, 1), LogProbabilities()))


def everything() -> nn.Module:
    """Padding, stride, depthwise, multiplier, groups, biases, normalization before and after ReLU, dropout, pools."""
    return shaken(
        nn.Sequential(
            Conv(1, 5, 3, "bn", "relu", 0.1, stride=2, padding=1, bias=False),  # 14 x 14
            Separable(5, 8, "relu", "bn", padding=1),
            nn.MaxPool2d(3, 2),  # 6 x 6
            Conv(8, 16, 5, "relu", 0.25, padding=2, groups=4),
            Conv(16, 16, 2, "bn", groups=16),  # 5 x 5
            Conv(16, 13, 1, "bn", "relu"),
            WeightedAverage(5),
            nn.Flatten(),
            nn.Linear(13, 11),
            nn.ReLU(),
            nn.Linear(11, 10),
            nn.LogSoftmax(1),
        )
    )


def taught() -> nn.Module:
    """Another network, as a teacher."""
    return small(Conv(4, 4, 3, "bn", "relu"))


DISTORTION = RandomDistortion(
    degrees=10,
    translate=0.1,
    scale=(0.9, 1.1),
    on="tensor",
    interpolation="bilinear",
    fill=-0.4242,
    shear=0.1,
    elastic=0.7,
)
AFFINE = RandomAffine(degrees=15, translate=0.1, scale=(0.9, 1.1))
ALL = Case(
    everything(),
    replace(PLAIN, nesterov=True, weight_decay=1e-3, average=0.9, augmentation=DISTORTION),
    teacher=taught(),
)


def features() -> dict[str, Case]:
    """The cases by name."""
    networks = {
        "plain": small(),
        "padding": small(nn.Conv2d(4, 4, 5, padding=3)),
        "stride": small(nn.Conv2d(4, 4, 3, stride=2, padding=1)),
        "depthwise": small(nn.Conv2d(4, 4, 3, groups=4), nn.Conv2d(4, 4, 5, groups=4, padding=2)),
        "groups": small(nn.Conv2d(4, 12, 3, groups=2), nn.Conv2d(12, 4, 1, groups=4)),
        "wide kernel": small(nn.Conv2d(4, 4, 7, padding=3, bias=False)),
        "many weights": small(nn.Conv2d(4, 48, 3), nn.Conv2d(48, 48, 3), nn.Conv2d(48, 4, 1)),
        "bn, relu": small(nn.Conv2d(4, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU()),
        "relu, bn": small(nn.Conv2d(4, 4, 3), nn.ReLU(), nn.BatchNorm2d(4)),
        "dropout": small(nn.Conv2d(4, 4, 3), nn.ReLU(), nn.Dropout(0.1)),
        "pool": small(nn.MaxPool2d(2)),
        "overlapping pool": small(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(3, 2)),
        "weighted average": small(WeightedAverage(9)),
        "linear": shaken(
            nn.Sequential(nn.Flatten(), nn.Linear(784, 12), nn.ReLU(), nn.Linear(12, 10), nn.LogSoftmax(1))
        ),
        "wide linear": shaken(
            nn.Sequential(nn.Flatten(), nn.Linear(784, 24), nn.ReLU(), nn.Linear(24, 10), nn.LogSoftmax(1))
        ),
    }
    recipes = {
        "nesterov": replace(PLAIN, nesterov=True),
        "weight decay": replace(PLAIN, weight_decay=1e-2),
        "average": replace(PLAIN, average=0.9),
        "image": replace(PLAIN, augmentation=AFFINE),
        "nearest": replace(PLAIN, augmentation=replace(AFFINE, on="tensor")),
        "bilinear": replace(PLAIN, augmentation=replace(AFFINE, on="tensor", interpolation="bilinear")),
        "distortion": replace(PLAIN, augmentation=DISTORTION),
    }
    return {
        **{name: Case(network, PLAIN) for name, network in networks.items()},
        **{name: Case(small(nn.BatchNorm2d(4)), recipe) for name, recipe in recipes.items()},
        "teacher": Case(small(), PLAIN, teacher=taught()),
        "everything": ALL,
    }
