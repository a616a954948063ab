"""Whether the network of a step is a classifier of digits."""

import torch
from torch import Tensor, nn

from harness.errors import HarnessError
from harness.step import Step


def check_output(step: type[Step], model: nn.Module, device: torch.device) -> None:
    """Raise HarnessError unless the model maps N x 1 x 28 x 28 to N x 10. Puts it into evaluation mode."""
    model.eval()
    try:
        with torch.inference_mode():
            output = model(torch.zeros(2, 1, 28, 28, device=device))
    except RuntimeError as error:
        raise HarnessError(f"{step.id}: the model does not take 2 x 1 x 28 x 28: {error}") from error
    shape = " x ".join(map(str, output.shape)) if isinstance(output, Tensor) else f"a {type(output).__name__}"
    if shape != "2 x 10":
        raise HarnessError(f"{step.id}: the model turns 2 x 1 x 28 x 28 into {shape}, not 2 x 10")
