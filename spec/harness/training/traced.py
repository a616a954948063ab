"""A training step of stacked networks, traced without a GPU: the operations that it would launch on one.

On fake CUDA tensors every operation sees the devices that it would have, and reading a value fails; torch has no
gradients of such where there is no driver. On meta tensors, which have no memory either, it has.

    python -m spec.harness.training.traced five_steps/step5    # a row of the table in docs/speed.md for each step
"""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from harness.data import MNIST
from harness.discovery import find
from harness.recipe import Recipe, Teacher
from harness.step import Step
from harness.training import ensemble, losses, optimizers
from harness.training.augmentation import batches
from harness.training.ensemble import EnsembleTrainer

LAUNCH_NOTHING = ("empty", "new_empty", "_unsafe_view", "_reshape_alias")
SEEDS = (1, 5, 16)


class Trace(TorchDispatchMode):
    """How often each operation is launched and the bytes that it reads and writes, by its name."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations, self.bytes, self.devices = Counter[str](), Counter[str](), set[str]()
        self.masks = list[Tensor]()

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = operation(*args, **(kwargs or {}))
        self.note(operation._schema, (args, kwargs, result))
        return result

    def note(self, schema: Any, values: Any) -> None:
        """Count an operation, unless it only looks at memory in another way or asks for some."""
        name, tensors = schema.name.removeprefix("aten::"), tensors_in(values)
        self.devices |= {tensor.device.type for tensor in tensors}
        looks = any(one.alias_info is not None and not one.alias_info.is_write for one in schema.returns)
        if looks or name.startswith(LAUNCH_NOTHING) or ("::" in name and name != "harness::kept"):
            return
        self.operations[name] += 1
        self.bytes[name] += sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        if name == "harness::kept":
            self.masks.append(tensors[-1])


def tensors_in(value: Any) -> list[Tensor]:
    """The tensors in nested lists, tuples and dicts."""
    return [leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor)]


def prepared(step: type[Step], networks: int, device: str) -> Trace:
    """The augmentation of as many batches for each network as are prepared at once."""
    fake = FakeTensorMode() if device == "cuda" else torch.device("meta")
    with fake, torch.device(device), _without_a_gpu(device):
        generators = [torch.Generator(device) for _ in range(networks)]
        n = batches.AHEAD["cuda"] * step.recipe.batch_size
        images = torch.empty(networks * n, 28, 28, dtype=torch.uint8)
        trace = Trace()
        with trace:
            batches.prepare(images, step.recipe, generators)
    return trace


def traced(step: type[Step], networks: int, device: str) -> Trace:
    """The second training step of n networks, on "cuda", without computing gradients, or on "meta"."""
    fake = FakeTensorMode() if device == "cuda" else torch.device("meta")
    with fake, torch.device(device), _without_a_gpu(device):
        n = step.recipe.batch_size
        images, labels = torch.empty(n, 28, 28, dtype=torch.uint8), torch.empty(n, dtype=torch.int64)
        data = MNIST(images, labels, images, labels)
        trainer = EnsembleTrainer([step.network() for _ in range(networks)], step.recipe, data, range(networks))
        trainer.network.train()
        several = torch.empty(networks, 2 * n, 1, 28, 28), torch.empty(networks, 2 * n, dtype=torch.int64)
        first, labels = (one[:, :n] for one in several)  # of those that are launched at once
        batch = first, labels, torch.empty(())
        trace = Trace()
        schema = torch.ops.aten._fused_sgd_.default._schema
        with patch.object(torch, "_fused_sgd_", lambda *lists, **_: trace.note(schema, lists)), _gradients(trainer):
            trainer.train_step(*batch)
            trace = Trace()  # which is that of the function above from now on
            with trace:
                trainer.train_step(*batch)
    return trace


@contextmanager
def _gradients(trainer: EnsembleTrainer) -> Iterator[None]:
    """Gradients without values on fake CUDA tensors, which torch cannot compute."""

    def backward(loss: Tensor) -> None:
        for weight in trainer.weights.values():
            weight.grad = torch.empty_like(weight)

    if trainer.taken.is_cuda:
        with patch.object(Tensor, "backward", backward):
            yield
    else:
        yield


@contextmanager
def _without_a_gpu(device: str) -> Iterator[None]:
    """What looks at values or needs a driver, in a way that does not."""

    class Generator(torch.Generator):
        """One of the CPU, which says that it is of the device."""

        def __new__(cls, _: Any = None) -> "Generator":
            return super().__new__(cls)

    Generator.device = torch.device(device)

    def optimizer_of(weights: Any, recipe: Recipe, rate: Tensor) -> torch.optim.Optimizer:
        optimizer = optimizers.optimizer_of(weights, recipe, recipe.lr)
        optimizer.param_groups[0]["lr"] = rate
        return optimizer

    def teacher_network(teacher: Teacher) -> nn.Module:
        return find(teacher.step).network()

    def averageable(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: value for name, value in tensors.items() if value.is_floating_point()}  # a shape has no infinity

    with (
        patch.object(torch, "Generator", Generator),
        patch.object(ensemble, "averageable", averageable),
        patch.object(ensemble, "optimizer_of", optimizer_of),
        patch.object(losses, "teacher_network", teacher_network),
        patch.object(losses, "arranged", lambda model, device: model),
        patch.object(sys.modules["torch.optim.sgd"], "_device_dtype_check_for_fused", lambda *_, **__: None),
        patch.object(ensemble, "StepGraphs", lambda *_: None),
    ):
        yield


def row(step: type[Step]) -> str:
    """A row of a Markdown table: operations of a step, with its share of the augmentation, and MB a seed, by seeds."""
    counts, megabytes = [], []
    for n in SEEDS:
        one, ahead = traced(step, n, "meta"), prepared(step, n, "meta")
        counts.append(f"{one.operations.total() + ahead.operations.total() / batches.AHEAD['cuda']:.0f}")
        moved = one.bytes.total() + ahead.bytes.total() / batches.AHEAD["cuda"]
        megabytes.append(f"{moved / n / 1e6:.0f}")
    return f"| `{step.id}` | {' | '.join([*counts, *megabytes])} |"


if __name__ == "__main__":
    for step_id in sys.argv[1:]:
        print(row(find(step_id)))
