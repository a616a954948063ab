"""What `import harness` has: three names and its modules, each loaded when it is asked for."""

import pytest

import harness
from harness import discovery, recipe, step_spec

NOTHING = "nothing"


def test_the_face_has_its_names_and_no_others() -> None:
    names = ["Recipe", "StepSpec", "steps"]
    assert sorted(harness.__all__) == names
    assert set(names) <= set(dir(harness))
    assert (harness.Recipe, harness.StepSpec, harness.steps) == (recipe.Recipe, step_spec.StepSpec, discovery.steps)
    with pytest.raises(AttributeError, match="^module 'harness' has no attribute 'ledder'$"):
        harness.ledder  # type: ignore[attr-defined]  # noqa: B018


def test_a_package_that_one_of_its_modules_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking(_: str) -> None:
        raise ModuleNotFoundError("No module named 'scipy'", name="scipy")

    monkeypatch.setattr(harness, "import_module", lacking)
    with pytest.raises(ModuleNotFoundError, match="No module named 'scipy'"):
        getattr(harness, NOTHING)
