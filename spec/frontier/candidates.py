"""What was tried for the small steps of `frontier`: `python -m harness search frontier` trains what is not in its log.

A candidate is a network in one line (see `models.sketch`) and what its recipe changes from that of step 6. Like a
`TypeVar` it is told its own name, by which worker processes find it. Those of five epochs are looks ahead, over a whole
cycle of the rate.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from harness import StepSpec
from harness.jobs.search import Rung
from harness.recipe import RandomAffine
from models.sketch import Sketch
from spec.frontier import test_06_step6 as step6

LOG = Path(__file__).with_name("search.jsonl")
RUNGS = [Rung(candidates=100, seeds=1), Rung(candidates=3, seeds=2)]


def candidate(name: str, line: str, **changes: Any) -> type[StepSpec]:
    """The candidate that is to be a variable of that name here."""
    recipe = step6.TestFunnel.recipe
    affine: dict[str, Any] = {key: changes.pop(key) for key in ("degrees", "scale") if key in changes}
    if affine and isinstance(recipe.augmentation, RandomAffine):
        changes["augmentation"] = replace(recipe.augmentation, **affine)
    told = {key: value for key, value in {**changes, **affine}.items() if key != "augmentation"}
    attributes: dict[str, Any] = {
        "__module__": __name__,
        "__doc__": " ".join([line, *(f"{key}={value}" for key, value in told.items())]),
        "model": partial(Sketch, line),
        "parameters": sum(weight.numel() for weight in Sketch(line).parameters()),
        "recipe": replace(recipe, **changes),
    }
    return type(name, (StepSpec,), attributes)


SHARED_THREE_5 = candidate("SHARED_THREE_5", "c8 s16 | s24 s24*3 | s24", epochs=5)
SHARED_RESIDUAL_5 = candidate("SHARED_RESIDUAL_5", "c8 s16 | s24+ s24+*3", epochs=5)
TRUNK_5 = candidate("TRUNK_5", "c8v s16v | s20v s24v s28v", epochs=5)
TWO_POOLS_SEVEN_5 = candidate("TWO_POOLS_SEVEN_5", "c8 s12 s16 | s20 s24 s24 | s24", epochs=5)
PADDED_5 = candidate("PADDED_5", "c8 s16 | s24 s24 s28", epochs=5)
DENSE_TRUNK_5 = candidate("DENSE_TRUNK_5", "c8 c8v | c10v c12v c12v", epochs=5)
SHARED_LAST_5 = candidate("SHARED_LAST_5", "c12 s16 | s20 s24 | s24*3", epochs=5)
STRIDED_5 = candidate("STRIDED_5", "c8/2 s24+ s24+*3 | s24", epochs=5)
TRUNK_RATE_10_5 = candidate("TRUNK_RATE_10_5", "c8v s16v | s20v s24v s28v", lr=0.1, epochs=5)
TRUNK_RATE_20_5 = candidate("TRUNK_RATE_20_5", "c8v s16v | s20v s24v s28v", lr=0.2, epochs=5)
TRUNK_BATCH_32_5 = candidate("TRUNK_BATCH_32_5", "c8v s16v | s20v s24v s28v", batch_size=32, epochs=5)
TWO_POOLS_SIX_5 = candidate("TWO_POOLS_SIX_5", "c8 s16 | s20 s24v | s24 s24", epochs=5)
SHARED_TWO_5 = candidate("SHARED_TWO_5", "c8v s16v | s24v s24v*2 s24v", epochs=5)
SLIM_5 = candidate("SLIM_5", "c6v s12v s16 | s20 s24v s28v", epochs=5)
TRUNK_RATE_40_5 = candidate("TRUNK_RATE_40_5", "c8v s16v | s20v s24v s28v", lr=0.4, epochs=5)
SHARED_WIDE_5 = candidate("SHARED_WIDE_5", "c16 s16+*2 | s28 s28+*3", epochs=5)
SLIM_RATE_20_5 = candidate("SLIM_RATE_20_5", "c6v s12v s16 | s20 s24v s28v", lr=0.2, epochs=5)
SHARED_LAST_RATE_20_5 = candidate("SHARED_LAST_RATE_20_5", "c12 s16 | s20 s24 | s24*3", lr=0.2, epochs=5)
TRUNK_WIDE_RATE_20_5 = candidate("TRUNK_WIDE_RATE_20_5", "c10v s16v | s24v s24v s24v", lr=0.2, epochs=5)
TWO_POOLS_PADDED_RATE_20_5 = candidate("TWO_POOLS_PADDED_RATE_20_5", "c8 s14 | s18 s20 | s22 s22", lr=0.2, epochs=5)
DENSE_RATE_20_5 = candidate("DENSE_RATE_20_5", "c6v c7v | c9v c10v c10v", lr=0.2, epochs=5)
SLIM_DEEP_RATE_20_5 = candidate("SLIM_DEEP_RATE_20_5", "c8 s12v s16 | s18 s20v s24 s24v", lr=0.2, epochs=5)
TRUNK_RATE_20_AVERAGE_5 = candidate(
    "TRUNK_RATE_20_AVERAGE_5", "c8v s16v | s20v s24v s28v", lr=0.2, average=0.998, epochs=5
)
TRUNK_RATE_20_AUGMENTED_5 = candidate(
    "TRUNK_RATE_20_AUGMENTED_5", "c8v s16v | s20v s24v s28v", lr=0.2, degrees=10, scale=(0.9, 1.1), epochs=5
)
TWO_POOLS_WIDE_RATE_20_5 = candidate("TWO_POOLS_WIDE_RATE_20_5", "c8 s16 | s20 s20 | s24 s24", lr=0.2, epochs=5)
SHARED_FOUR_RATE_20_5 = candidate("SHARED_FOUR_RATE_20_5", "c6v s12v s16 | s16+*4 s28v", lr=0.2, epochs=5)
SHARED_DEEP_RATE_20_5 = candidate("SHARED_DEEP_RATE_20_5", "c6v s10v s16 s16+ | s16+*3 s20v s24v", lr=0.2, epochs=5)

TRUNK_RATE_20 = candidate("TRUNK_RATE_20", "c8v s16v | s20v s24v s28v", lr=0.2)
TRUNK_RATE_10 = candidate("TRUNK_RATE_10", "c8v s16v | s20v s24v s28v", lr=0.1)
TRUNK_RATE_20_AUGMENTED = candidate(
    "TRUNK_RATE_20_AUGMENTED", "c8v s16v | s20v s24v s28v", lr=0.2, degrees=10, scale=(0.9, 1.1)
)
FUNNEL = candidate("FUNNEL", "c8v c10v | c14v c16v c18v")
SLIM_RATE_20_AUGMENTED = candidate(
    "SLIM_RATE_20_AUGMENTED", "c6v s12v s16 | s20 s24v s28v", lr=0.2, degrees=10, scale=(0.9, 1.1)
)
SLIM_RATE_20 = candidate("SLIM_RATE_20", "c6v s12v s16 | s20 s24v s28v", lr=0.2)
PLACED_RATE_20 = candidate("PLACED_RATE_20", "c6v s12v s16 | s20 s24v s26v w", lr=0.2)
DENSE_RATE_10 = candidate("DENSE_RATE_10", "c6v c7v | c9v c10v c10v", lr=0.1)
SLIM = candidate("SLIM", "c6v s12v s16 | s20 s24v s28v")
DENSE_SIX_RATE_10 = candidate("DENSE_SIX_RATE_10", "c5v c6v c7 | c8 c9v c10v", lr=0.1)

CANDIDATES = [value for value in list(globals().values()) if isinstance(value, type) and value.__module__ == __name__]
