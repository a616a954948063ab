"""The machinery of the ladders: specifications, training, records and what is computed from them."""

from importlib import import_module

TYPE_CHECKING = False  # typing itself takes its time to load
if TYPE_CHECKING:
    from harness.discovery import steps
    from harness.recipe import Recipe
    from harness.step_spec import StepSpec
else:
    _HOMES = {"Recipe": "harness.recipe", "StepSpec": "harness.step_spec", "steps": "harness.discovery"}

    def __getattr__(name: str) -> object:
        """A name is loaded when it is asked for: the command line begins here, and is not yet ready for Ctrl-C."""
        if name in _HOMES:
            return getattr(import_module(_HOMES[name]), name)
        try:
            return import_module(f"{__name__}.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"{__name__}.{name}":
                raise
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None

    def __dir__() -> list[str]:
        return sorted({*globals(), *_HOMES})


__all__ = ["Recipe", "StepSpec", "steps"]
