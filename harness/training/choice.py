"""Which trainer trains a step: the native one where it can, eager torch otherwise."""

from typing import Any, NamedTuple

import torch

from harness import strict_json
from harness.errors import HarnessError
from harness.provenance import EAGER_TRAINER
from harness.run import EAGER, NATIVE
from harness.step import Step
from harness.training import native


class Choice(NamedTuple):
    """A trainer, and why it is not the native one where nobody asked for another."""

    name: str
    why: str | None = None

    def line(self, step: type[Step]) -> str:
        """The line that says which trainer trains a step."""
        if self.name == NATIVE:
            return f"{step.id} is trained by the native trainer"
        return f"{step.id} is trained by eager torch{f' and not natively: {self.why}' if self.why else ''}"


def choose(word: str, step: type[Step], device: torch.device) -> Choice:
    """The trainer that a user's word means: auto, native or eager.

    Raises HarnessError if the native one was asked for and does not train this step on this device.
    """
    if word == EAGER:
        return Choice(EAGER)
    why = native.refusal(step) if device.type == "cpu" else f"the device is {device.type} and not a CPU"
    if why is None:
        return Choice(NATIVE)
    if word == NATIVE:
        raise HarnessError(f"{step.id} cannot be trained natively: {why}; use --trainer eager")
    return Choice(EAGER, why)


def made_by(trainer: str) -> dict[str, Any]:
    """What a trainer says of itself in the provenance of its runs."""
    said = native.made() if trainer == NATIVE else EAGER_TRAINER
    return {key: strict_json.plain(value) if isinstance(value, str) else value for key, value in said.items()}
