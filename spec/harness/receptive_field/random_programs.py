"""Random programs on tensors of any shape: operations that move, sum, write, join or slide, one after another."""

import random
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIZE = (1, 6, 5)
LARGEST = 1500  # elements, each of which is differentiated
MODES = ("constant", "reflect", "circular")

Operation = Callable[[Tensor, list[Tensor]], Tensor]
"""The next tensor, of the last one and of all so far."""

VANISHING = {"softmax", "attend", "times", "product"}
"""What may have no derivative by something that it reads: a sum of shares is 1, and a product with 0 is 0."""


class Program(nn.Module):
    """Operations with positive weights, so that nothing else cancels; `names` says what they do."""

    def __init__(self, draws: random.Random) -> None:
        super().__init__()
        self.weight = nn.Parameter(positive(1))  # by which the analysis knows that it computes in double precision
        self.names: list[str] = []
        self.operations: list[Operation] = []
        tensors = [positive(1, *SIZE)]
        for _ in range(draws.randint(2, 10)):
            name, operation = draws.choice(list(candidates(tensors, draws)))
            try:
                found = operation(tensors[-1], tensors)
            except (IndexError, RuntimeError, ValueError):  # it does not fit the shape
                continue
            if 0 < found.numel() <= LARGEST and 0 < found.dim() <= 6:
                self.names.append(name)
                self.operations.append(operation)
                tensors.append(found)

    def forward(self, x: Tensor) -> Tensor:
        """The last tensor."""
        tensors = [x]
        for operation in self.operations:
            tensors.append(operation(tensors[-1], tensors))
        return tensors[-1]

    @property
    def exact(self) -> bool:
        """Whether an element has a derivative by whatever it reads."""
        return VANISHING.isdisjoint(name.split()[0] for name in self.names)


def positive(*shape: int) -> Tensor:
    """Numbers above 0, no two of them the same."""
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 0.2


def candidates(tensors: list[Tensor], draws: random.Random) -> Iterator[tuple[str, Operation]]:
    """Operations on the last tensor, each with its name; not all of them fit."""
    shape = tensors[-1].shape
    yield from moves(shape, draws)
    yield from changes(shape, draws.randrange(len(shape)))
    yield from list(windows(shape, draws)) * 3  # since they seldom fit
    for place in range(len(tensors) - 1):
        yield from joins(place, draws.randrange(len(shape)))


def moves(shape: torch.Size, draws: random.Random) -> Iterator[tuple[str, Operation]]:
    """What computes nothing."""
    dims = len(shape)
    dim, other = draws.randrange(dims), draws.randrange(dims)
    order, sizes = draws.sample(range(dims), dims), factors(shape.numel(), draws.randint(1, 5), draws)
    split, shift, step = factors(shape[dim], 2, draws), draws.randint(1, shape[dim]), draws.randint(1, 2)
    chosen = torch.tensor([draws.randrange(shape[dim]) for _ in range(draws.randint(1, 6))])
    yield f"view {sizes}", lambda x, _: x.reshape(sizes)
    yield f"flatten {dim}", lambda x, _: x.flatten(dim, dim + 1)
    yield f"unflatten {dim} {split}", lambda x, _: x.unflatten(dim, split)
    yield f"permute {order}", lambda x, _: x.permute(order)
    yield f"transpose {dim} {other}", lambda x, _: x.transpose(dim, other)
    yield f"unsqueeze {dim}", lambda x, _: x.unsqueeze(dim)
    yield f"flip {dim}", lambda x, _: x.flip(dim)
    yield f"roll {dim} {shift}", lambda x, _: x.roll(shift, dim)
    yield f"choose {dim} {chosen.tolist()}", lambda x, _: x.index_select(dim, chosen)
    yield f"every second {dim}", lambda x, _: x[(slice(None),) * dim + (slice(None, None, 2),)]
    yield f"all but the first {dim}", lambda x, _: x.narrow(dim, 1, shape[dim] - 1)
    yield f"middle {dim}", lambda x, _: x.select(dim, shape[dim] // 2)
    yield f"unfold {dim} {step}", lambda x, _: x.unfold(dim, 2, step)
    yield f"repeat {dim}", lambda x, _: x.repeat_interleave(2, dim)
    yield f"twice {dim}", lambda x, _: torch.cat([x, x], dim)
    yield f"halves {dim}", lambda x, _: torch.cat(x.tensor_split(2, dim)[::-1], dim)
    yield f"zeros {dim}", lambda x, _: torch.cat([torch.zeros_like(x.narrow(dim, 0, 1)), x], dim)


def changes(shape: torch.Size, dim: int) -> Iterator[tuple[str, Operation]]:
    """What sums along a dimension, or writes into a part of it."""
    most = shape[dim] - 1
    weight = positive(shape[-1], 3)

    def add(x: Tensor, _: list[Tensor]) -> Tensor:
        result = x.clone()
        result.narrow(dim, 0, most).add_(x.narrow(dim, 1, most), alpha=3)
        return result

    def copy(x: Tensor, _: list[Tensor]) -> Tensor:
        result = x.clone()
        result.narrow(dim, 0, 1).copy_(x.narrow(dim, most, 1))
        return result

    def slant(x: Tensor, _: list[Tensor]) -> Tensor:
        result = x.clone()
        result[..., 1:, 1:] = x[..., :-1, :-1]
        return result

    def frame(x: Tensor, _: list[Tensor]) -> Tensor:
        result = x.new_zeros(*shape[:-2], shape[-2] + 2, shape[-1] + 1)
        result[..., 1:-1, 1:] = x
        return result

    def patch(x: Tensor, _: list[Tensor]) -> Tensor:
        result = x.clone()
        result[..., :2, 1:3] = x.mean()
        return result

    yield f"add {dim}", add
    yield f"copy {dim}", copy
    yield "slant", slant
    yield "frame", frame
    yield "patch", patch
    yield "further", lambda x, _: F.pad(x.flatten(), (1, 0))[:-1].view_as(x)
    yield f"sum {dim}", lambda x, _: x.sum(dim)
    yield f"mean {dim}", lambda x, _: x.mean(dim, keepdim=True)
    yield f"with mean {dim}", lambda x, _: torch.cat([x.mean(dim, keepdim=True), x], dim)
    yield f"plus mean {dim}", lambda x, _: x + x.mean(dim, keepdim=True)
    yield f"plus next {dim}", lambda x, _: x.narrow(dim, 0, most) + 2 * x.narrow(dim, 1, most)
    yield f"plus mirrored {dim}", lambda x, _: x + 2 * x.flip(dim)
    yield f"pairs {dim}", lambda x, _: x.unsqueeze(dim) + 2 * x.unsqueeze(dim + 1)
    yield f"softmax {dim}", lambda x, _: x.softmax(dim)
    yield "matmul", lambda x, _: x @ weight


def windows(shape: torch.Size, draws: random.Random) -> Iterator[tuple[str, Operation]]:
    """What slides over the last dimensions, of which there must be as many as it takes."""
    channels = shape[1] if len(shape) > 1 else 1
    kernel, stride, mode = (draws.randint(1, 3), draws.randint(1, 3)), draws.randint(1, 2), draws.choice(MODES)
    padding = (kernel[0] // 2, kernel[1] // 2)
    line, plane, block = (positive(2, channels, *sizes) for sizes in ((3,), kernel, (2, 2, 2)))
    apart, turned = positive(channels, 1, 3, 3), positive(channels, 2, 2, 2)
    if len(shape) == 3:
        yield "conv1d", lambda x, _: F.conv1d(x, line, padding=1)
        yield "pool1d", lambda x, _: F.avg_pool1d(x, 2)
        yield "attend", lambda x, _: F.scaled_dot_product_attention(x, x, x)
        yield "fold", lambda x, _: F.fold(x, (4, 3), 2)
    if len(shape) == 4:
        yield f"conv2d {kernel} {stride}", lambda x, _: F.conv2d(x, plane, stride=stride, padding=padding)
        yield "depthwise", lambda x, _: F.conv2d(x, apart, padding=1, groups=channels)
        yield "transposed", lambda x, _: F.conv_transpose2d(x, turned, stride=2)
        yield "pool2d", lambda x, _: F.avg_pool2d(x, 2, ceil_mode=True)
        yield "bins", lambda x, _: F.adaptive_avg_pool2d(x, (2, 3))
        yield f"pad {mode}", lambda x, _: F.pad(x, (1, 1, 1, 0), mode=mode)
        yield "patches", lambda x, _: F.unfold(x, 2, padding=1, stride=2)
        yield "unshuffle", lambda x, _: F.pixel_unshuffle(x, 2)
        yield "shuffle", lambda x, _: F.pixel_shuffle(x, 2)
        yield "enlarge", lambda x, _: F.interpolate(x, scale_factor=2, mode="bilinear")
    if len(shape) == 5:
        yield "conv3d", lambda x, _: F.conv3d(x, block)
        yield "pool3d", lambda x, _: F.avg_pool3d(x, 2)


def joins(place: int, dim: int) -> Iterator[tuple[str, Operation]]:
    """What an earlier tensor is put together with."""
    yield f"plus {place}", lambda x, tensors: x + 3 * tensors[place]
    yield f"times {place}", lambda x, tensors: x * tensors[place]
    yield f"beside {place} {dim}", lambda x, tensors: torch.cat([x, tensors[place]], dim)
    yield f"product {place}", lambda x, tensors: x @ tensors[place]


def factors(number: int, count: int, draws: random.Random) -> list[int]:
    """Numbers with a product."""
    found = []
    for _ in range(count - 1):
        found.append(draws.choice([n for n in range(1, number + 1) if number % n == 0]))
        number //= found[-1]
    return draws.sample([*found, number], count)
