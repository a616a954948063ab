"""Where sentences come from: a change of a place, of a figure of a log, or of what is announced is noticed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from harness import StepSpec, discovery, steps
from harness.claims import sources
from harness.claims.about_logs import LOG_CLAIMS
from harness.claims.vocabulary import _LOGS, quoted
from harness.errors import HarnessError
from harness.evidence import published
from spec.harness.evidence.records_of import publish, step_with

Make = Callable[[str], type[StepSpec]]


@pytest.fixture
def published_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes a step with an Analysis, of which two sentences and a log were published; mine/b follows it, not mine/c."""

    def make(analysis: str) -> type[StepSpec]:
        step = step_with(tmp_path, "mine/a", analysis)
        others = [step_with(tmp_path, "mine/b", follows="mine/a"), step_with(tmp_path, "mine/c", follows="mine/b")]
        apart = step_with(tmp_path, "mine/d")
        monkeypatch.setattr(discovery, "steps", lambda: {one.id: one for one in (step, *others, apart)})
        digits = [99.1, 99.2, 99.3, 99.4, 99.5, 98.02, 99.0, 98.9, 98.8, 98.7]
        train = [90.0, 98.0, 99.0, 99.2, 99.31, 99.31]
        publish(step, train, [91.0, 98.5, 98.99, 99.21, 99.15, 99.21], sentences=2, digits=digits)
        return step

    return make


BOTH = "- It works. [said: 1] Rotation is next. [said: 2] [next: mine/b]"


def test_a_rendering_of_every_sentence_has_no_fault(published_step: Make) -> None:
    assert sources.faults(published_step(BOTH)) == []
    assert sources.faults(published_step("- It works, so rotation is next. [said: 1, 2] [next: mine/b; mine/c]")) == []


@pytest.mark.parametrize(
    ("analysis", "fault"),
    [
        (
            BOTH.replace("[said: 1]", ""),
            "no tag [said: ...] after: It works.; say which sentence it renders, or put it",
        ),
        (BOTH.replace("[said: 1]", ""), "sentence 1 is not rendered"),
        (BOTH.replace("[said: 2]", "[said: 1]"), "sentence 1 is rendered 2 times"),
        (BOTH.replace("[said: 2]", "[said: 1]"), "sentence 2 is not rendered"),
        (BOTH.replace("[said: 2]", "[said: 2, 3]"), "[said: 3] is no sentence of its 2"),
        (BOTH.replace("[said: 2]", "[said: two]"), "[said: two] is no sentence of its 2"),
        (f"{BOTH}\n\nNotes:\n    - So. [said: 1]", "[said: ...] is for the Analysis, and this is a Note: So."),
        (BOTH.replace("mine/b", "mine/d"), "[next: mine/d] does not come after it"),
        (BOTH.replace("mine/b", "mine/a"), "[next: mine/a] does not come after it"),
    ],
)
def test_a_sentence_that_was_not_said_or_is_missing_is_named(published_step: Make, analysis: str, fault: str) -> None:
    assert any(found.startswith(fault) for found in sources.faults(published_step(analysis)))


def test_a_step_that_is_announced_must_exist(published_step: Make) -> None:
    with pytest.raises(HarnessError, match="unknown step 'mine/e'"):
        sources.faults(published_step(BOTH.replace("mine/b", "mine/e")))


def test_of_a_step_that_was_not_published_nothing_was_said(tmp_path: Path) -> None:
    step = step_with(tmp_path, "mine/a", "- It works. [said: 1] The log has 99.1. [log: test 99.1 in epoch 1]")
    assert sources.faults(step) == [
        "nothing was published of it, but this is tagged [said: ...]: It works.",
        "[log: test 99.1 in epoch 1] is not in the log, which has no log of mine/a",
    ]


def test_a_figure_of_a_log_is_in_a_tag(published_step: Make) -> None:
    note = "The log has 98.50 and 98.99, below 99.4."

    def faults(tags: str) -> list[str]:
        return sources.faults(published_step(f"{BOTH}\n\nNotes:\n    - {note} {tags}"))

    assert faults("[log: test 98.50 in epoch 2; test 98.99 in epoch 3]") == []
    assert faults("[log: test 98.50 in epoch 2] [judgement: 98.99 is from elsewhere]") == []
    assert faults("[log: test 98.50 in epoch 2]") == [f"no tag [log: ...] has 98.99, of: {note}"]
    assert faults("[claim: has 7 parameters]") == [f"no tag [log: ...] has 98.50, 98.99, of: {note}"]
    assert faults("[log: test 98.5 in epoch 2; test 98.99 in epoch 4]") == [
        "[log: test 98.99 in epoch 4] is not in the log, which has 99.21"
    ]


def test_a_fault_fails_the_spec_and_says_what_to_do(published_step: Make) -> None:
    published_step(BOTH)().test_sources()
    step = published_step(BOTH.replace("[said: 1]", ""))
    with pytest.raises(AssertionError, match=r"^mine/a: .* is not rendered; correct the docstring, or .*a\.json if"):
        step().test_sources()


QUOTES = {  # what the log has, and what it almost has
    "test 98.5 in epoch 2": "test 98.51 in epoch 2",
    "train 99.31 in epoch 5": "train 99.31 in epoch 4",
    "test loss 0.3333 in epoch 3": "test loss 0.3334 in epoch 3",
    "test loss 0.333 in epoch 3": "test loss 0.334 in epoch 3",
    "test 98.99, 99.21, 99.15 in epochs 3 to 5": "test 98.99, 99.21, 99.15 in epochs 3 to 6",
    "train 99.0, 99.2 in epochs 3 to 4": "train 99.0, 99.2 in epochs 4 to 5",
    "test between 98.99 and 99.21 in epochs 3 to 6": "test between 99.00 and 99.21 in epochs 3 to 6",
    "best test 99.21 in epochs 4 and 6": "best test 99.21 in epoch 4",
    "best train 99.31 in epochs 5, 6": "best train 99.2 in epoch 4",
    "best test loss 0.1667 in epoch 6": "best test loss 1.0 in epoch 1",
    "test at 99.15 or above in epochs 4, 5 and 6 only": "test at 99.15 or above in epochs 4 and 6 only",
    "mean test 99.01 over the last 5 epochs": "mean test 99.02 over the last 5 epochs",  # 99.012
    # 98.5, 98.99, 99.21, 99.15, 99.21: the squares of the deviations sum to 0.36008, which is over 4 and not over 5
    "deviation of test 0.300 over the last 5 epochs": "deviation of test 0.268 over the last 5 epochs",
    "gap of 0.10 in epoch 6": "gap of 0.16 in epoch 6",
    "digit 5 at 98.02": "digit 6 at 98.02",
}


@pytest.mark.parametrize(
    ("quote", "word"),
    [(quote, word) for pair in QUOTES.items() for quote, word in zip(pair, ("supported", "refuted"), strict=True)],
)
def test_a_quote_is_in_the_log_to_the_digits_that_it_has(published_step: Make, quote: str, word: str) -> None:
    assert quoted(published_step(BOTH), quote).word == word
    assert quoted(discovery.steps()["mine/b"], f"mine/a {quote}").word == word


def test_every_word_of_the_vocabulary_is_quoted_above() -> None:
    for words in LOG_CLAIMS:
        assert any(map(_LOGS.patterns[words].fullmatch, QUOTES)), words


@pytest.mark.parametrize(
    ("quote", "message"),
    [
        ("gap of 0.1 in epoch 0", "names epochs that are none"),
        (
            "gap of 0.1 in epoch 99",
            r"mine/a: \[log: gap of 0.1 in epoch 99\] names an epoch that the log does not have",
        ),
        ("test between 98.99 and 99.21 in epochs 50 to 60", "names an epoch that the log does not have"),
        ("mean test 99.01 over the last 0 epochs", "names epochs that are none"),
        (f"test 99.{'0' * 30} in epoch 1", "is not in the vocabulary"),
    ],
)
def test_an_epoch_that_a_log_does_not_have_is_named(published_step: Make, quote: str, message: str) -> None:
    with pytest.raises(HarnessError, match=message):
        quoted(published_step(BOTH), quote)


def test_a_quote_that_says_nothing_is_refused(published_step: Make) -> None:
    with pytest.raises(
        HarnessError, match=r"mine/a: \[log: best of 99 .* is not in the vocabulary; nearest: .*WHICH X in"
    ):
        quoted(published_step(BOTH), "best of 99 in epoch 3")


# Sentences of each published Analysis, counted in the texts by hand.
SENTENCES = {
    "s5": [2, 2, 2, 2, 3, 3, 7, 5, 3, 4],
    "five_steps": [3, 3, 2, 5, 4],
    "expand_squeeze": [1, 3, 9],
    "discover": [9, 4, 3, 6, 3, 3, 6, 6, 7],
    "four_steps": [5, 4, 6, 4],
}


def test_the_published_figures_have_as_many_sentences_as_the_texts() -> None:
    found = {
        name: [
            figures.sentences for step in steps().values() if step.ladder == name and (figures := published.read(step))
        ]
        for name in SENTENCES
    }
    assert found == SENTENCES


# Where a text and its log differ: the text's figure is the one under Published, and a Note says so.
SLIPS = {
    ("s5/code1", "best test"),
    ("s5/code3", "best train"),
    ("s5/code3", "best test"),
    ("s5/code6", "best train"),
    ("s5/code8", "best train"),
}


@pytest.mark.parametrize("step_id", [step.id for step in steps().values() if published.path_of(step).exists()])
def test_the_best_of_a_log_is_what_was_published(step_id: str) -> None:
    step = steps()[step_id]
    figures = published.read(step)
    assert figures
    for name, kind in (("best test", "test"), ("best train", "train")):
        best = max(figures.log.accuracies("test" if kind == "test" else "train"))
        assert (best == step.document().published[name]) is ((step_id, name) not in SLIPS)


def test_every_published_step_and_no_other_has_its_figures() -> None:
    having = {step.id for step in steps().values() if published.path_of(step).exists()}
    assert having == {step.id for step in steps().values() if step.document().published}


DAMAGE = {
    "of another step": ('"mine/a"', '"mine/b"', "it is of mine/b"),
    "an epoch less": (
        ', {"epoch": 6, "train_accuracy": 99.31, "test_accuracy": 99.21, "test_loss": 0.1667}',
        "",
        "5 epochs",
    ),
    "no accuracy": ("98.99", "989.9", "'test_accuracy' is not a number from 0 to 100"),
    "nine digits": ("98.8, 98.7]", "98.8]", "'digits' are not ten accuracies"),
    "no JSON": ("{", "", "line 1"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_figures_are_refused_with_their_path(published_step: Make, damage: str) -> None:
    step = published_step(BOTH)
    old, new, message = DAMAGE[damage]
    path = published.path_of(step)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(HarnessError, match=rf"{path} does not hold what was published of mine/a: .*{message}"):
        published.read(step)
