"""What it takes to train a recorded run again so that it comes to the same numbers."""

from contextlib import AbstractContextManager, nullcontext

import torch

from harness.device import cores, threads
from harness.errors import HarnessError
from harness.evidence.record import path_of
from harness.provenance import differences, is_native, provenance, trainer_name
from harness.run import NATIVE, Run
from harness.training import native
from harness.training.choice import made_by


def threads_of(recorded: Run) -> AbstractContextManager[None]:
    """As many threads as an eager run was made with, as far as there are cores; the order of its sums depends on it."""
    wanted = recorded.provenance.get("threads")
    if isinstance(wanted, int) and 1 <= wanted <= cores() and not is_native(recorded.provenance):
        return threads(wanted)
    return nullcontext()


def doubts(recorded: Run) -> list[str]:
    """Why the numbers may differ from those of the record though nothing is wrong; none for a native run.

    Raises HarnessError where they could not be the same: the network, the recipe or the arithmetic is another one.
    """
    step, made = recorded.step, recorded.provenance
    trainer = trainer_name(made)
    if trainer == NATIVE and (why := native.refusal(step)):
        raise HarnessError(f"{step.id} was trained natively, which cannot be done here: {why}")
    here = provenance(step, torch.device("cpu"), made_by(trainer))
    other = differences(made, here)
    if other and (trainer == NATIVE or made["fingerprint"] != here["fingerprint"]):
        raise HarnessError(f"{path_of(step)} was made with {other}; go back to what made it, or record it anew")
    return [f"figures of eager torch depend on the machine, and this run was made with {other}"] if other else []
