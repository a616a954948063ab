"""The rules of operations; importing this package registers them."""

from harness.receptive_field.rules import compute, layout, patches, recurrence, resampling

__all__ = ["compute", "layout", "patches", "recurrence", "resampling"]
