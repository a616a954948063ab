"""The unit of a ladder: a specification that is at once a document and a test class.

Free of torch until a test runs, so that pytest can list options and steps without loading it.
"""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from harness import docstring
from harness.errors import HarnessError
from harness.recipe import Recipe

if TYPE_CHECKING:
    from torch import nn

    from harness.train import History


class StepSpec:
    """One step of a ladder: subclass it in spec/<ladder>/test_<nn>_<step>.py, set the attributes, write the docstring.

    The file names the step: its folder is the ladder, `<nn>` the place in it and `<step>` the rest of the id. The
    docstring has a title and the sections Target, Result and Analysis. The tests are inherited.
    """

    model: "ClassVar[Callable[[], nn.Module]]"
    """Called without arguments: a network from N x 1 x 28 x 28 to N x 10 log-probabilities."""
    parameters: ClassVar[int]
    """Trainable parameters, written by hand."""
    receptive_field: ClassVar[int]
    """Side in pixels of what one output sees, global pooling counted as a kernel of its map, written by hand."""
    recipe: ClassVar[Recipe]
    follows: ClassVar[str | None] = None
    """The id of the step that this one changes; None for the first."""
    goal: ClassVar[bool] = False
    """Whether the step claims to hold 99.40 % over its final epochs, for every seed."""
    final_epochs: ClassVar[int] = 3
    claims: ClassVar[dict[str, str]] = {}
    """What became of each claim of the Analysis: supported, refuted or undecided; see `harness.claims`."""

    id: ClassVar[str]
    ladder: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[Path]
    """The file of the spec."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.source = Path(inspect.getfile(cls))
        cls.ladder = cls.source.parent.name
        cls.id = f"{cls.ladder}/{re.sub(r'^test_[0-9]+_', '', cls.source.stem)}"
        cls.title = inspect.cleandoc(cls.__doc__ or "").partition("\n")[0].rstrip(".")

    @classmethod
    def document(cls) -> docstring.Docstring:
        """The parsed docstring; HarnessError if a section is missing."""
        return docstring.parse(cls.__doc__, cls.id)

    def test_docstring(self) -> None:
        """The docstring is whole, and its numbers are those of the attributes and of the record."""
        document = self.document()
        for name, said, is_so in (
            ("parameters", document.parameters, self.parameters),
            ("receptive field", document.receptive_field, self.receptive_field),
        ):
            assert said == is_so, f"{self.id}: Result says {name} {said}, the spec {is_so}"
        from harness import record

        measured = record.measured(type(self))
        assert document.measured == measured, (
            f"{self.id}: the docstring says 'Measured: {document.measured}', the record says '{measured}'; "
            f"write the line anew with: pytest -k test_claims --update-records, or train again with: "
            f"python -m harness train {self.id} --record"
        )

    def test_claims(self) -> None:
        """What the spec records of each claim of its Analysis is what the committed evidence says."""
        from harness.claims import verdicts

        found = verdicts(type(self))
        for claim, verdict in found.items():
            recorded = self.claims.get(claim, "nothing")
            assert recorded == verdict.word, (
                f"{self.id}: of '{claim}' the spec records {recorded}, the evidence says {verdict.word} "
                f"({verdict.evidence}); see whether the sentence is still right, then write this down with: "
                "pytest --update-records -k test_claims"
            )
        gone = [claim for claim in self.claims if claim not in found]
        assert not gone, f"{self.id}: claims names '{', '.join(gone)}', which no sentence of the Analysis claims"

    def test_parameters(self) -> None:
        """The network has as many trainable parameters as the spec says."""
        counted = sum(weight.numel() for weight in type(self).model().parameters() if weight.requires_grad)
        assert counted == self.parameters, f"{self.id} has {counted:,} parameters, its spec says {self.parameters:,}"

    def test_receptive_field(self) -> None:
        """One output of the network sees as many pixels as the spec says, down and across."""
        from harness.receptive_field import receptive_field

        size = receptive_field(type(self).model(), (1, 28, 28)).size
        side = self.receptive_field
        assert size == (side, side), f"{self.id} sees {size[0]} x {size[1]} pixels, its spec says {side} x {side}"

    def test_follows(self) -> None:
        """The step before exists and something changed since, or the Analysis says that nothing did."""
        from harness.difference import difference

        if self.follows is not None:
            changed = difference(find(self.follows), type(self))
            document = self.document()
            admitted = "nothing changes" in document.analysis + document.notes
            assert changed or admitted, f"{self.id} changes nothing since {self.follows}, and does not say so"

    def test_learns(self) -> None:
        """A few steps of the recipe's optimizer on one synthetic batch lower the loss."""
        from harness.rehearsal import rehearse

        before, after = rehearse(type(self))
        assert after < before, f"{self.id}: the loss on one batch went from {before:.4f} to {after:.4f}"

    def test_accuracy(self, train_seeds: "Callable[[type[StepSpec]], list[History]]") -> None:
        """What the runs show does not contradict what the step says of the goal and what was published."""
        judge(type(self), train_seeds(type(self)))

    def test_throughput(self, measure_throughput: "Callable[[type[StepSpec]], None]") -> None:
        """Training steps are timed, and compared with a baseline where pytest-benchmark is told to compare."""
        measure_throughput(type(self))


def judge(step: type[StepSpec], histories: "list[History]") -> None:
    """Fail with AssertionError if complete runs contradict the step.

    A step that claims the goal must hold it in every run. One that does not must not be shown to hold it, and its
    published best test accuracy must lie where one more run like ours would. No run may be far better than those of the
    committed record: that is how a leak looks, such as test images among those trained on.
    """
    from harness import record, stats

    highest = stats.highest_plausible([sum(final) / len(final) for final in record.final_accuracies(step)])
    for history in histories:
        reached = sum(history.final) / len(history.final)
        assert reached <= highest, (
            f"{step.id}: seed {history.seed} reached {reached:.2f} over its final epochs, too good to be like the runs "
            f"of the record, which make {highest:.2f} the most to expect; look for test images in the training, and if "
            f"the step did become better, delete {record.path_of(step)} and record it anew"
        )
    held = sum(history.held for history in histories)
    assert not stats.contradicts(step.goal, held, len(histories)), (
        f"{step.id} {'claims' if step.goal else 'says it misses'} {stats.GOAL:.2f} %, but {held} of {len(histories)} "
        f"runs held it over their final {step.final_epochs} epochs"
    )
    published = step.document().published.get("best test")
    if published is not None:
        best = [max(epoch.test_accuracy for epoch in history.epochs) for history in histories]
        low, high = stats.prediction_interval(best)
        assert low <= published <= high, (
            f"{step.id}: published best test accuracy {published:.2f} is outside {low:.2f} to {high:.2f}, where one "
            f"more run like these {len(best)} would fall"
        )


def steps() -> dict[str, type[StepSpec]]:
    """Every step by its id "ladder/step": ladders by name, the steps of a ladder in order.

    The ladders are the sub-packages of the package `spec`. Raises HarnessError for a spec that cannot be imported, a
    spec file that is not named test_<nn>_<step>.py, and two specs with one id.
    """
    package = importlib.import_module("spec")
    found: dict[str, type[StepSpec]] = {}
    for ladder in sorted(module.name for module in pkgutil.iter_modules(package.__path__) if module.ispkg):
        folder = importlib.import_module(f"spec.{ladder}")
        for name in sorted(module.name for module in pkgutil.iter_modules(folder.__path__)):
            for step in _specs_in(f"spec.{ladder}.{name}"):
                if step.id in found:
                    raise HarnessError(
                        f"two specs have the id {step.id}: {found[step.id].__module__} and {step.__module__}; "
                        "give each step a file of its own"
                    )
                found[step.id] = step
    return found


def _specs_in(module_name: str) -> list[type[StepSpec]]:
    if module_name.startswith("spec.harness.") or module_name.endswith(".candidates"):
        return []  # tests of the harness, which make specs of their own, and what `harness search` tries
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # whatever the file of a user raises while it is imported
        raise HarnessError(f"{module_name} cannot be imported: {type(error).__name__}: {error}") from error
    specs = [
        value
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, StepSpec) and value.__module__ == module_name
    ]
    if specs and not re.search(r"\.test_\d+_\w+$", module_name):
        raise HarnessError(f"{module_name} holds a spec; name its file test_<nn>_<step>.py")
    return specs


def find(step_id: str) -> type[StepSpec]:
    """The step with that id; HarnessError names the nearest ones if there is none."""
    known = steps()
    if step_id in known:
        return known[step_id]
    raise HarnessError(f"unknown step {step_id!r}; {nearest(step_id, list(known))}")


def nearest(word: str, known: list[str]) -> str:
    """A phrase that names the known words nearest to one that is not known."""
    import difflib

    close = difflib.get_close_matches(word, known, n=3, cutoff=0.4) or known[:3]
    return f"nearest: {', '.join(close)}" if close else "none are known"
