"""A specification that is both a document and a test class: a step, and the tests of what it says.

Free of torch until a test runs, so that pytest can list options and steps without loading it.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from harness.discovery import find, steps
from harness.errors import foreign, foreign_call
from harness.ladder import broken, ends, judged, rules
from harness.step import GOAL, GOAL_EPOCHS, Step

if TYPE_CHECKING:
    from harness.run import Run


class RefutedError(AssertionError):
    """Runs do not show what somebody claimed, as the record says already: a failure that is expected."""


class StepSpec(Step):
    """A step under test: subclass it, set the attributes of `Step`, write the docstring. The tests are inherited."""

    def test_docstring(self) -> None:
        """The docstring is complete, and its numbers are those of the attributes and of the record."""
        document = self.document()
        for name, said, is_so in (
            ("parameters", document.parameters, self.parameters),
            ("receptive field", document.receptive_field, self.receptive_field),
        ):
            assert said == is_so, f"{self.id}: Result says {name} {said}, the spec {is_so}"
        from harness.evidence import record_folder, summary

        record_folder.check(type(self))
        measured = summary.measured(type(self))
        assert document.measured == measured, (
            f"{self.id}: the docstring says 'Measured: {document.measured}', the record says '{measured}'; "
            f"write the line anew with: pytest -k test_claims --update-records, or train again with: "
            f"python -m harness train {self.id} --record"
        )

    def test_claims(self) -> None:
        """The committed evidence is of this step as it is now, and says what the spec records of each claim."""
        from harness.claims import verdicts
        from harness.evidence import record, record_folder

        for step in self.with_variants():
            assert not (stale := record.stale(step)), stale
        assert not (changed := record_folder.changed(type(self))), changed
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

    def test_sources(self) -> None:
        """The Analysis renders each published sentence once and no other, and quotes of the published log are in it."""
        from harness.claims import sources
        from harness.evidence import published

        faults = sources.faults(type(self))
        assert not faults, (
            f"{self.id}: {'; '.join(faults)}; correct the docstring, or {published.path_of(type(self))} if it is wrong"
        )

    def test_parameters(self) -> None:
        """The network has as many trainable parameters as the spec says."""
        counted = sum(weight.numel() for weight in type(self).network().parameters() if weight.requires_grad)
        assert counted == self.parameters, f"{self.id} has {counted:,} parameters, its spec says {self.parameters:,}"

    def test_receptive_field(self) -> None:
        """One output of the network sees as many pixels as the spec says, down and across."""
        from harness.receptive_field import receptive_field

        network = type(self).network()
        with foreign_call("its forward pass", self.id):
            size = receptive_field(network, (1, 28, 28)).size
        side = self.receptive_field
        assert size == (side, side), f"{self.id} sees {size[0]} x {size[1]} pixels, its spec says {side} x {side}"

    def test_follows(self) -> None:
        """The step before exists and something changed since, or the Analysis says that nothing did."""
        from harness.evidence.facts import difference

        if self.follows is not None:
            changed = difference(find(self.follows), type(self))
            document = self.document()
            admitted = "nothing changes" in document.analysis + document.notes
            assert changed or admitted, f"{self.id} changes nothing since {self.follows}, and does not say so"

    def test_rules(self) -> None:
        """The step is found in its ladder; at its end that breaks the rules that it says it breaks, and no others."""
        known = steps()
        assert known.get(self.id) is type(self), (
            f"{self.source} is no place where a step is found; make it spec/<ladder>/test_<nn>_<step>.py with an "
            "__init__.py in both folders, and let the name of the ladder be letters, digits and _, but not harness"
        )
        of_ladder = [step for step in known.values() if step.ladder == self.ladder]
        if type(self) in ends(of_ladder):
            stated = rules(self.ladder)
            found = broken(stated, of_ladder)
            wrong = [what for rule in found.keys() - stated.broken for what in found[rule]]
            wrong += [f"no step breaks the rule of {rule}" for rule in sorted(stated.broken - found.keys())]
            unused = stated.branches.keys() - {step.id for step in judged(of_ladder)}
            wrong += [f"no step {one} ends a branch or claims the goal" for one in sorted(unused)]
            assert not wrong, f"{'; '.join(wrong)}: correct the step, or RULES in spec/{self.ladder}/__init__.py"

    def test_learns(self) -> None:
        """A few steps of the recipe's optimizer on one synthetic batch lower the loss."""
        from harness.training.overfit import overfit_one_batch

        with foreign("its recipe", self.id):
            before, after = overfit_one_batch(type(self))
        assert after < before, f"{self.id}: the loss on one batch went from {before:.4f} to {after:.4f}"

    def test_accuracy(self, train_seeds: "Callable[[type[Step]], list[Run]]") -> None:
        """What the runs show does not contradict what the step says of the goal and what was published."""
        judge(type(self), train_seeds(type(self)))

    def test_throughput(self, measure_throughput: "Callable[[type[Step]], None]") -> None:
        """Training steps are timed, and compared with a baseline if pytest-benchmark is asked to compare."""
        measure_throughput(type(self))


def judge(step: type[Step], runs: "list[Run]") -> None:
    """Fail with AssertionError if complete runs contradict the step.

    A step that claims the goal must hold it in every run, and within fifteen epochs; where its record refutes that, a
    miss is a `RefutedError`. A step that does not claim it must not be shown to hold it more often than not, unless its
    record shows that too. The published best test accuracy must lie where one more run like ours would. No run may be
    far better than those of the committed record, as they would be after a leak of test images into the training.
    """
    from harness.evidence import record

    recorded = record.runs(step)
    _judge_plausible(step, runs, recorded)
    _judge_published(step, runs)
    _judge_goal(step, runs, recorded)


def _judge_plausible(step: type[Step], runs: "list[Run]", recorded: "Sequence[Run]") -> None:
    """No run is far better than those of the record."""
    from harness.evidence import record, statistics

    highest = statistics.highest_plausible([run.final_mean() for run in recorded])
    for run in runs:
        reached = run.final_mean()
        assert reached <= highest, (
            f"{step.id}: seed {run.seed} reached {reached:.2f} over its final epochs, too good to be like the runs "
            f"of the record, which make {highest:.2f} the most to expect; look for test images in the training, and if "
            f"the step did become better, delete {record.path_of(step)} and record it anew"
        )


def _judge_published(step: type[Step], runs: "list[Run]") -> None:
    """The published best test accuracy lies where one more run would."""
    from harness.evidence import statistics

    published = step.document().published.get("best test")
    if published is not None:
        best = [max(run.accuracies()) for run in runs]
        _, low, high = statistics.prediction_interval(best)
        assert low <= published <= high, (
            f"{step.id}: published best test accuracy {published:.2f} is outside {low:.2f} to {high:.2f}, where one "
            f"more run like these {len(best)} would fall"
        )


def _judge_goal(step: type[Step], runs: "list[Run]", recorded: "Sequence[Run]") -> None:
    """The goal is held as often as the step says, or as its record lets expect."""
    from harness.evidence import statistics

    held, n = sum(run.held for run in runs), len(runs)
    said = f"{held} of {n} runs held {GOAL:.2f} % in each of their final {step.final_epochs} epochs"
    assert not step.goal or step.recipe.epochs <= GOAL_EPOCHS, (
        f"{step.id} claims the goal, to be held within {GOAL_EPOCHS} epochs, and trains for {step.recipe.epochs}"
    )
    if step.goal and held < n and step.goal_is_refuted():
        raise RefutedError(f"{step.id} is said to hold the goal, which its record refutes: {said}")
    claims_goal = step.goal and not step.goal_is_refuted()
    usual = not claims_goal and statistics.more_often_than_not(sum(run.held for run in recorded), len(recorded))
    assert usual or not statistics.contradicts(claims_goal, held, n), (
        f"{step.id} {'claims the goal' if claims_goal else 'is not expected to hold the goal'}, but {said}"
    )
