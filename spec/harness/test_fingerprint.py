"""The fingerprint of a step: whatever decides a run changes it, and nothing else does."""

from collections.abc import Callable

import pytest
from torch import Tensor, nn
from torch.nn import functional as F

from harness import StepSpec, steps
from harness.evidence import record
from harness.provenance import fingerprint
from harness.step import Step


def test_a_fingerprint_follows_network_and_recipe_and_not_the_name() -> None:
    known = steps()
    third, fourth = known["five_steps/step3"], known["five_steps/step4"]
    renamed: type[Step] = type(
        "Other", (StepSpec,), {"__module__": __name__, "model": third.model, "recipe": third.recipe}
    )
    assert fingerprint(renamed) == fingerprint(third)
    assert fingerprint(third) != fingerprint(fourth)
    renamed.model = fourth.model
    renamed.recipe = fourth.recipe
    assert fingerprint(renamed) == fingerprint(fourth)


class Branch(nn.Module):
    """A layer and something done with what comes out of it."""

    def __init__(self, end: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.layer, self.end = nn.Conv2d(1, 1, 3, padding=1), end

    def forward(self, images: Tensor) -> Tensor:
        return self.end(images, self.layer(images))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lambda x, y: F.max_pool2d(y, 2), lambda x, y: F.max_pool2d(y, 7)),
        (lambda x, y: y * 0.5, lambda x, y: y * 0.1),
        (lambda x, y: x + y, lambda x, y: y + y),
    ],
    ids=["argument", "constant", "wiring"],
)
def test_a_fingerprint_follows_arguments_constants_and_wiring(
    one: Callable[[Tensor, Tensor], Tensor], other: Callable[[Tensor, Tensor], Tensor]
) -> None:
    def of(end: Callable[[Tensor, Tensor], Tensor]) -> str:
        recipe = steps()["five_steps/step3"].recipe
        own = {"__module__": __name__, "model": staticmethod(lambda: Branch(end)), "recipe": recipe}
        return fingerprint(type("Branched", (StepSpec,), own))

    assert of(one) == of(one)
    assert of(one) != of(other)


def test_a_fingerprint_is_the_same_where_torch_does_not_show_the_bias(monkeypatch: pytest.MonkeyPatch) -> None:
    third = steps()["five_steps/step3"]
    kept = record.read(third)
    assert kept is not None
    text = "{num_features}, eps={eps}, momentum={momentum}, affine={affine}, track_running_stats={track_running_stats}"
    monkeypatch.setattr(nn.BatchNorm2d, "extra_repr", lambda layer: text.format(**vars(layer)))  # that of torch 2.11
    assert "bias" not in repr(nn.BatchNorm2d(3))
    assert fingerprint(third) == kept.provenance["fingerprint"]
