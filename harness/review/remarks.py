"""What an experienced reviewer would remark on a network, each with the reason."""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

from harness.review.inspection import Review

DIGIT = 20
"""The side in pixels of the box that a digit of MNIST is scaled to (LeCun et al., yann.lecun.com/exdb/mnist)."""
MOST = 0.5
NORMALIZATIONS = ("batch_norm", "group_norm", "instance_norm", "layer_norm", "rms_norm")
DROPOUTS = ("dropout", "feature_dropout", "alpha_dropout")


class Remark(NamedTuple):
    """What is so, and why it matters."""

    what: str
    why: str


def remarks(review: Review) -> list[Remark]:
    """All remarks on a network."""
    return [remark for rule in RULES for remark in rule(review)]


def _bias_before_normalization(review: Review) -> Iterator[Remark]:
    spare = dict[str, int]()
    for place in review.places("batch_norm"):
        before = review.operations[review.source(place)] if review.source(place) >= 0 else None
        if before and before.function.startswith(("conv", "linear")):
            spare |= {name: shape[0] for name, shape in before.weights.items() if len(shape) == 1}
    if spare:
        yield Remark(
            f"{_listed(list(spare))} before a batch normalization: {sum(spare.values())} parameters",
            "the normalization subtracts the mean, and whatever was added to all of a channel with it",
        )


def _on_the_logits(review: Review) -> Iterator[Remark]:
    weighted = [place for place in review.places("conv", "linear") if review.operations[place].weights]
    after = range(weighted[-1] + 1, len(review.operations)) if weighted else ()
    reasons = {
        ("relu",): "a class can then not be argued against, and has no gradient where it is below zero",
        DROPOUTS: "classes are then taken out of the decision at random, and nothing after it can make up for that",
        NORMALIZATIONS: "how sure the network is of an image is then scaled by the other images of its batch",
    }
    for functions, why in reasons.items():
        found = [review.operations[place].name for place in review.places(*functions) if place in after]
        if found:
            yield Remark(f"{_listed(found)} after the last layer with weights, on the logits", why)


def _late_pool(review: Review) -> Iterator[Remark]:
    pools = [
        place
        for place in review.places("max_pool")
        if 1 < _positions(review, place) < _positions(review, review.source(place))
    ]
    if pools and not review.reads_places_apart:
        after = [place for place in review.convolutions if place > pools[-1] and _kernel(review, place) > 1]
        if len(after) < 2:
            yield Remark(
                f"{review.operations[pools[-1]].name} is followed by {len(after) or 'no'} convolution wider than 1 x 1",
                "it throws away three of four positions, and too few layers are left to use what remains",
            )


def _positions(review: Review, place: int) -> int:
    return math.prod(review.shape(place)[1:])


def _kernel(review: Review, place: int) -> int:
    shapes = [shape for shape in review.operations[place].weights.values() if len(shape) == 4]
    return max(shapes[0][2:]) if shapes else 1


def _small_field(review: Review) -> Iterator[Remark]:
    if review.field is None or review.reads_places_apart:
        return
    sides = [max(layer.rf_out) for layer in review.field.layers if layer.operation.startswith("conv")]
    if sides and max(sides) < DIGIT:
        yield Remark(
            f"the last convolution sees {max(sides)} pixels",
            f"a digit is up to {DIGIT} pixels wide, so that no feature can be one of a whole digit",
        )


def _heavy_layer(review: Review) -> Iterator[Remark]:
    for place in review.places("linear"):
        one = review.operations[place]
        if one.parameters > MOST * review.parameters:
            yield Remark(
                f"{one.name} has {one.parameters:,} of {review.parameters:,} parameters",
                "fully connected weights are not shared between places; a global average before it needs fewer",
            )


def _dropout_before_normalization(review: Review) -> Iterator[Remark]:
    dropouts = {min(review.operations[place].reads): place for place in review.places(*DROPOUTS)}
    found = [
        review.operations[dropouts[review.source(place)]].name
        for place in review.places("batch_norm")
        if review.source(place) in dropouts and dropouts[review.source(place)] < place
    ]
    if found:
        yield Remark(
            f"{_listed(found)} directly before a batch normalization",
            "dropout changes the variance in training only, so that the running variance is wrong in evaluation "
            "(Li et al., arXiv 1801.05134)",
        )


def _no_normalization(review: Review) -> Iterator[Remark]:
    if review.convolutions and not review.places(*NORMALIZATIONS):
        yield Remark("no normalization", "with it networks of this kind learn faster and end higher at the same size")


def _warned(review: Review) -> Iterator[Remark]:
    for warning in review.warnings:
        yield Remark(warning, "torch says so when the network runs")


def _unused(review: Review) -> Iterator[Remark]:
    if review.unused:
        yield Remark(f"{_listed(review.unused)}: never used", "they count as parameters and are never trained")


def _listed(names: list[str] | tuple[str, ...]) -> str:
    first, others = ", ".join(names[:4]), len(names) - 4
    return f"{first} and {others} more" if others > 0 else first


RULES: tuple[Callable[[Review], Iterator[Remark]], ...] = (
    _bias_before_normalization,
    _on_the_logits,
    _late_pool,
    _small_field,
    _heavy_layer,
    _dropout_before_normalization,
    _no_normalization,
    _unused,
    _warned,
)
