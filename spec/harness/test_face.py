"""What `import harness` has: three names and its modules, each loaded when it is asked for."""

from importlib import import_module

import pytest

import harness

NOTHING = "nothing"


def test_its_names_are_those_of_their_modules() -> None:
    for name in harness.__all__:
        assert getattr(harness, name) is getattr(import_module(getattr(harness, name).__module__), name)
    assert set(harness.__all__) <= set(dir(harness))


def test_what_it_does_not_have_is_named() -> None:
    with pytest.raises(AttributeError, match="module 'harness' has no attribute 'nothing'"):
        getattr(harness, NOTHING)


def test_a_package_that_one_of_its_modules_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking(_: str) -> None:
        raise ModuleNotFoundError("No module named 'scipy'", name="scipy")

    monkeypatch.setattr(harness, "import_module", lacking)
    with pytest.raises(ModuleNotFoundError, match="No module named 'scipy'"):
        getattr(harness, NOTHING)
