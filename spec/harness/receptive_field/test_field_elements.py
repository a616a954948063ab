"""Each element of a tensor reads what it has derivatives by: random programs on tensors of any shape."""

import random
from collections.abc import Callable
from itertools import product

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.receptive_field import ReceptiveField, analysis, receptive_field
from harness.receptive_field.combine import alone
from harness.receptive_field.field_map import FieldMap
from spec.harness.receptive_field.field_networks import Net
from spec.harness.receptive_field.gradient_oracle import lines
from spec.harness.receptive_field.random_programs import SIZE, Program, positive


def analysed(model: nn.Module) -> tuple[ReceptiveField, FieldMap]:
    """The field of the output, and what the analysis knows of each element before they are summed up by units."""
    found: list[FieldMap] = []

    def kept(value: FieldMap) -> FieldMap:
        found.append(value)
        return alone(value)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(analysis, "alone", kept)
        field = receptive_field(model, SIZE, strict=False)
    return field, found[0]


def read(value: FieldMap) -> Tensor:
    """(elements, pixels) whether an element reads a pixel, by the map."""
    result = torch.zeros(value.shape.numel(), SIZE[1] * SIZE[2], dtype=torch.bool)
    for term in value.terms:
        kinds, rows, columns = (labels.expand(term.shape).flatten().tolist() for labels in (term.kinds, *term.places))
        for element, (kind, row, column) in enumerate(zip(kinds, rows, columns, strict=True)):
            for box in term.fields[kind]:
                down, across = pixels(box[0].inside(row), SIZE[1]), pixels(box[1].inside(column), SIZE[2])
                result[element] |= torch.outer(down, across).flatten()
    return result


def pixels(mask: int, length: int) -> Tensor:
    return torch.tensor([bool(mask >> place & 1) for place in range(length)])


def derived(model: nn.Module) -> Tensor:
    """(elements, pixels) whether an element has a derivative by a pixel."""
    image = positive(1, *SIZE).requires_grad_()
    with torch.enable_grad():
        elements = model(image).flatten()
    grads = [torch.autograd.grad(one, image, retain_graph=True, allow_unused=True)[0] for one in elements]
    return torch.stack([torch.zeros(SIZE[1] * SIZE[2]) if one is None else one.flatten() for one in grads]) != 0


@pytest.mark.parametrize(
    "slide",
    [lambda x: F.conv1d(x, positive(2, 1, 3), padding=1), lambda x: F.avg_pool1d(x, 2)],
    ids=["convolution", "pooling"],
)
def test_bands_of_an_image_are_slid_over_one_by_one(slide: Callable[[Tensor], Tensor]) -> None:
    net = Net(lambda _, x: slide(x.reshape(3, 1, 10)))
    net.weight = nn.Parameter(positive(1))
    assert torch.equal(read(analysed(net)[1]), derived(net))


def check(seed: int) -> None:
    program = Program(random.Random(seed))
    field, value = analysed(program)
    found, expected = read(value), derived(program)
    assert not (expected & ~found).any(), program.names
    assert not program.exact or torch.equal(found, expected), program.names
    value = alone(value)
    if value.shape[0] == 1 and len(value.shape) == 4 and all(2 + axis in value.dims(axis) for axis in value.axes):
        assert field.shape == value.shape[2:], program.names
        for row, column in product(*map(range, field.shape)):
            read_by_unit = found.reshape(*value.shape, *SIZE[1:])[0, :, row, column].any(0)
            assert field.region((row, column)) == lines(read_by_unit), program.names


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(40))
def test_an_element_reads_what_it_has_derivatives_by(seed: int) -> None:
    check(seed)


@pytest.mark.slow
def test_so_it_is_in_thousands_of_programs() -> None:
    for seed in range(40, 5_000):
        check(seed)
