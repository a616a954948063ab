"""`kernels.cpp` as a library of functions: built at first use, loaded once, called with pointers to tensors."""

import ctypes
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from harness.errors import HarnessError
from harness.recipe import RandomAffine, RandomDistortion, RandomRotation, Recipe
from harness.recipe.sequence import transforms
from harness.recipe.transform import level
from harness.training.native.build import ADVICE, Library, build
from harness.training.native.operations import NotCoveredError
from harness.training.native.plan import Unit

_NONE, _IMAGE, _NEAREST, _BILINEAR = range(4)  # augmentations
_MOST_DEGREES, _LEAST_SCALE = 36_000.0, 0.01  # beyond, whole numbers of the kernels might overflow


class Settings(ctypes.Structure):
    """What the kernels need of a recipe. Mirrors `Settings` in kernels.cpp."""

    _fields_ = [
        *(
            (name, ctypes.c_double)
            for name in (
                *("mean", "deviation", "degrees", "translate", "least_scale", "most_scale", "fill", "shear", "elastic"),
                *("momentum", "weight_decay", "average", "share", "temperature"),
            )
        ),
        ("seed", ctypes.c_uint64),
        ("augmentation", ctypes.c_int32),
        ("nesterov", ctypes.c_int32),
    ]


class Arrays(ctypes.Structure):
    """The arrays of a network. Mirrors `Arrays` in kernels.cpp."""

    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("parameters", "momentum", "average", "buffers", "average_buffers")),
        *((name, ctypes.c_int64) for name in ("n_parameters", "n_buffers")),
    ]


def settings_of(recipe: Recipe, seed: int) -> Settings:
    """A recipe and a seed as the kernels take them; NotCoveredError if they do not."""
    settings = Settings(
        mean=recipe.normalize.mean,
        deviation=recipe.normalize.std,
        least_scale=1.0,
        most_scale=1.0,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
        weight_decay=recipe.weight_decay,
        average=recipe.average or 0.0,
        seed=seed,
    )
    if (teacher := recipe.teacher) is not None:
        settings.share, settings.temperature = teacher.share, teacher.temperature
    if (affine := _affine(recipe)) is not None:
        on_tensor = _BILINEAR if affine.interpolation == "bilinear" else _NEAREST
        settings.augmentation = _IMAGE if affine.on == "image" else on_tensor
        settings.degrees, settings.translate, settings.fill = affine.angles[1], affine.reach[0], level(affine.fill)
        settings.least_scale, settings.most_scale = affine.scale
        if isinstance(affine, RandomDistortion):
            settings.shear, settings.elastic = affine.shear, affine.elastic
    return settings


def _affine(recipe: Recipe) -> RandomAffine | None:
    """The affine map or the distortion of a recipe; NotCoveredError for what the kernels do not do.

    They draw from symmetric ranges, the same across and down, and interpolate in tensors only.
    """
    match transforms(recipe.augmentation):
        case ():
            return None
        case (RandomRotation(degrees=degrees, interpolation=interpolation, on=on, fill=fill),):
            affine = RandomAffine(degrees=degrees, interpolation=interpolation, on=on, fill=fill)
        case (RandomAffine() as affine,):
            pass
        case sequence:
            raise NotCoveredError(f"it augments by {' and '.join(type(one).__name__ for one in sequence)}")
    if sum(affine.angles) != 0 or affine.reach[0] != affine.reach[1]:
        raise NotCoveredError("it augments by an affine map of another range to one side than to the other")
    if affine.on == "image" and affine.interpolation != "nearest":
        raise NotCoveredError("it interpolates in 8-bit images")
    if affine.angles[1] > _MOST_DEGREES or affine.scale[0] < _LEAST_SCALE:
        raise NotCoveredError("it turns or shrinks images out of all proportion")
    if affine.shear != 0 and not isinstance(affine, RandomDistortion):
        raise NotCoveredError("it augments by a shear")
    return affine


@cache
def built() -> Library:
    """The library of this machine; HarnessError if it cannot be built."""
    return build(Path(__file__).with_name("kernels.cpp"))


@cache
def load() -> ctypes.CDLL:
    """The functions of the library; HarnessError if it cannot be built, or not be loaded from where it lies."""
    path = built().path
    try:
        return _functions(ctypes.CDLL(str(path)))
    except (OSError, AttributeError) as error:  # such as on a file system without programs; both name the file
        raise HarnessError(f"cannot load {error}; {ADVICE}") from error


def _functions(library: ctypes.CDLL) -> ctypes.CDLL:
    """The library with the types of its functions; AttributeError if it lacks one."""
    pointer, count, seed = ctypes.c_void_p, ctypes.c_int64, ctypes.c_uint64
    signatures = {
        "use_threads": (None, [ctypes.c_int]),
        "network_new": (pointer, [pointer, ctypes.c_int, count, pointer]),
        "network_delete": (None, [pointer]),
        "train": (count, [*[pointer] * 6, count, count, pointer, count, pointer, pointer]),
        "predict": (ctypes.c_bool, [pointer, ctypes.c_int, pointer, pointer, count, pointer]),
        "judge": (ctypes.c_double, [pointer, pointer, count, pointer]),
        "augment": (None, [pointer, pointer, count, count, pointer]),
        "words": (None, [pointer, seed, pointer]),
        "exponential": (ctypes.c_double, [ctypes.c_double]),
        "logarithm": (ctypes.c_double, [ctypes.c_double]),
        "sine_cosine": (None, [ctypes.c_double, pointer, pointer]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def pointer_to(tensor: Tensor | None) -> int | None:
    """The address of a contiguous tensor on the CPU, which must outlive its use."""
    if tensor is None:
        return None
    assert tensor.is_contiguous()
    assert tensor.device.type == "cpu"
    return tensor.data_ptr()


def new_network(units: Sequence[Unit], batch: int, arrays: Arrays) -> int:
    """A network of the library for batches of up to n images, on the threads that torch would use; never 0."""
    library = load()
    library.use_threads(torch.get_num_threads())
    handle: int | None = library.network_new((Unit * len(units))(*units), len(units), batch, ctypes.byref(arrays))
    if handle is None:
        raise MemoryError(f"no memory for batches of {batch} images")
    return handle
