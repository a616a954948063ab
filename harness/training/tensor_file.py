"""The bytes of a safetensors file: tensors and text, and nothing that could be executed."""

from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from harness import strict_json


def unpack(raw: bytes, longest: int = strict_json.LONGEST) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the metadata, no text of which is longer than `longest`; ValueError if the file is damaged."""
    try:
        # The library checks the header against the bytes before it makes any tensor.
        tensors: dict[str, Tensor] = load(raw)
    except (SafetensorError, LookupError, TypeError, AssertionError, OverflowError, RuntimeError) as error:
        raise ValueError(error) from error
    header = strict_json.parse(raw[8 : 8 + int.from_bytes(raw[:8], "little")], longest)
    return tensors, strict_json.mapping(header, "__metadata__")
