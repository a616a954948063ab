"""The receptive field of any torch model. Knows nothing of ladders."""

from harness.receptive_field.analysis import receptive_field
from harness.receptive_field.field_map import JumpMismatchError, NoRuleError
from harness.receptive_field.result import Layer, ReceptiveField
from harness.receptive_field.rules.registry import register

__all__ = ["JumpMismatchError", "Layer", "NoRuleError", "ReceptiveField", "receptive_field", "register"]
