"""The docstring of a specification is read as its author meant it."""

import inspect
import re

import pytest

from harness.docstring import Sentence, parse
from harness.errors import HarnessError

WHOLE = """Step 3: a title.

    Target:
        Raise the accuracy.

    Result:
        Parameters: 9,142 · receptive field: 28
        Published: best train 99.38, best test 99.35 (one run,
            best of 15 epochs)
        Measured: 99.30 [99.28, 99.33] over the final 3 epochs of 5 seeds,
            worst 99.20; held by 0 of 5 (a processor, torch 2.15.0)

    Analysis:
        - Better than step 2.
          Published: nothing of the kind.
    """


def test_every_part_is_found() -> None:
    document = parse(WHOLE, "five_steps/step3")
    assert document.target == "Raise the accuracy."
    assert document.parameters == 9142
    assert document.receptive_field == 28
    assert document.published == {"best train": 99.38, "best test": 99.35}
    assert document.measured == (
        "99.30 [99.28, 99.33] over the final 3 epochs of 5 seeds, worst 99.20; "
        "held by 0 of 5 (a processor, torch 2.15.0)"
    )
    assert document.analysis.startswith("- Better than step 2.")


def test_what_is_not_said_is_none() -> None:
    document = parse("A title.\n\nTarget:\n    x\n\nResult:\n    y\n\nAnalysis:\n    z\n", "mine/tiny")
    assert (document.parameters, document.receptive_field, document.measured) == (None, None, None)
    assert document.published == {}


@pytest.mark.parametrize("word", ["9" * 5000, "\u0664\u0661\u0660", "1\u0661", ",", "many", "29.5", "9.142"])
def test_what_is_no_number_in_digits_is_shown_from_its_beginning(word: str) -> None:
    document = parse(WHOLE.replace("9,142", word).replace(": 28", f": {word}"), "mine/tiny")
    for label in ("Parameters", "receptive field"):
        with pytest.raises(HarnessError, match=f"^under Result, {label} is '{word[:30]}'; write a number in digits, "):
            getattr(document, label.lower().replace(" ", "_"))


@pytest.mark.parametrize("words", ["best test: 99.40", "best test 99,40", "best test 99.40.1", "best test of 99.4"])
def test_an_accuracy_that_is_published_in_other_words_is_not_left_out(words: str) -> None:
    document = parse(WHOLE.replace("best test 99.35", words), "mine/tiny")
    with pytest.raises(HarnessError, match="under Result, Published has best test with no number behind it"):
        _ = document.published


def test_an_accuracy_that_is_published_may_be_whole() -> None:
    assert parse(WHOLE.replace("best test 99.35", "best test 99"), "mine/tiny").published["best test"] == 99.0


def test_what_follows_the_digits_of_a_number_is_left_out() -> None:
    document = parse(WHOLE.replace("9,142", "9,142,").replace(": 28", ": 28x28"), "mine/tiny")
    assert (document.parameters, document.receptive_field) == (9142, 28)


@pytest.mark.parametrize("section", ["Target", "Result", "Analysis"])
def test_a_missing_section_is_named(section: str) -> None:
    with pytest.raises(HarnessError, match=f"mine/tiny: the docstring has no {section} section"):
        parse(WHOLE.replace(f"{section}:\n", f"{section}, that is:\n"), "mine/tiny")


@pytest.mark.parametrize("section", ["Target", "Result", "Analysis", "Notes"])
def test_a_section_that_stands_twice_is_named(section: str) -> None:
    text = f"{WHOLE}\n    Notes:\n        - One.\n\n    {section}:\n        - Again.\n"
    with pytest.raises(HarnessError, match=f"^mine/tiny: the section {section} stands twice; make one of them$"):
        parse(text, "mine/tiny")


def test_an_entry_that_stands_twice_is_named() -> None:
    twice = WHOLE.replace("        Measured:", "        Measured: 99.99\n        Measured:")
    with pytest.raises(HarnessError, match="^mine/tiny: under Result, the entry Measured stands twice; make one of"):
        parse(twice, "mine/tiny")


@pytest.mark.parametrize("text", [None, "", "   \n"])
def test_no_docstring_at_all(text: str | None) -> None:
    with pytest.raises(HarnessError, match="mine/tiny: the spec has no docstring"):
        parse(text, "mine/tiny")


def test_an_empty_section_is_missing() -> None:
    with pytest.raises(HarnessError, match="no Analysis section"):
        parse("A title.\n\nTarget:\n    x\n\nResult:\n    y\n\nAnalysis:\n", "mine/tiny")


def test_sections_have_an_order() -> None:
    with pytest.raises(HarnessError, match="Target, Analysis, Result; they must be Target, Result, Analysis"):
        parse("A title.\n\nTarget:\n    x\n\nAnalysis:\n    z\n\nResult:\n    y\n", "mine/tiny")


def test_notes_may_follow_the_analysis_and_nothing_else() -> None:
    whole = inspect.cleandoc(WHOLE) + "\n"
    document = parse(
        f"{whole}\nNotes:\n    - We see less. [claim: on average over-fits] Why? [judgement: unknown]\n", "mine/tiny"
    )
    assert document.remarks == [
        Sentence("We see less.", ("on average over-fits",), ()),
        Sentence("Why?", (), ("unknown",)),
    ]
    assert document.sentences == parse(whole, "mine/tiny").sentences
    assert parse(whole, "mine/tiny").remarks == []
    for text in (whole.replace("Analysis:", "Notes:\n    n\n\nAnalysis:"), f"{whole}\nMore:\n    n\n"):
        with pytest.raises(HarnessError, match="must be Target, Result, Analysis, and Notes if there are any$"):
            parse(text, "mine/tiny")


def test_two_sides_that_git_could_not_merge_are_no_docstring() -> None:
    """Where they are within the docstring, Python imports the spec as if nothing were wrong."""
    two = WHOLE.replace("        Measured:", "<<<<<<< HEAD\n        Measured:")
    with pytest.raises(HarnessError, match=r"^mine/tiny: git could not merge the docstring; .* keep either side: "):
        parse(two, "mine/tiny")


def sentences(analysis: str) -> list[Sentence]:
    """The sentences of a docstring with this Analysis."""
    return parse(f"A title.\n\nTarget:\n    x\n\nResult:\n    y\n\nAnalysis:\n{analysis}", "mine/tiny").sentences


def test_sentences_end_at_full_stops_and_take_the_tags_that_follow() -> None:
    found = sentences(
        "    - It rises by 0.27, to 99.4. [claim: improves on mine/a by\n"
        "      0.2; reaches 99.4] Why is a matter of taste. [judgement: taste]\n"
        "    - 99.4 is near!\n"
        "      Is it? [claim: on average over-fits] [judgement: hardly]\n"
    )
    assert found == [
        Sentence("It rises by 0.27, to 99.4.", ("improves on mine/a by 0.2", "reaches 99.4")),
        Sentence("Why is a matter of taste.", judgements=("taste",)),
        Sentence("99.4 is near!"),
        Sentence("Is it?", ("on average over-fits",), ("hardly",)),
    ]


@pytest.mark.parametrize(
    "tag",
    ["[clam: x]", "[Claim: x]", "[claim:x]", "[claim: ]", "[claim: x", "[claim x]", "[judgment: x]", "[judgement]"],
)
@pytest.mark.parametrize("section", ["Analysis", "Notes"])
def test_a_tag_with_a_slip_of_the_pen_is_named(tag: str, section: str) -> None:
    text = inspect.cleandoc(WHOLE) + "\n\nNotes:\n    - One.\n"
    assert sentences("    - It is [small], as a list [1:] is. [claim:\n      x]") == [
        Sentence("It is [small], as a list [1:] is.", ("x",))
    ]
    slip = text.replace("than step 2." if section == "Analysis" else "One.", f"It is so. {tag}")
    with pytest.raises(
        HarnessError, match=rf"^mine/tiny: '{re.escape(tag)}.*' is no tag; there are \[claim: \.\.\.\], "
    ):
        parse(slip, "mine/tiny")


def test_a_sentence_says_where_it_comes_from() -> None:
    found = sentences(
        "    - It over-fits, so dropout is next. [said: 1, 2] [next: mine/b; mine/c]\n"
        "      The log has 99.4. [log: test 99.4 in epoch 3; mine/b best\n"
        "      test 99.5 in epoch 2] [judgement: it is one run]\n"
    )
    assert found == [
        Sentence("It over-fits, so dropout is next.", said=("1", "2"), next=("mine/b", "mine/c")),
        Sentence(
            "The log has 99.4.",
            judgements=("it is one run",),
            logs=("test 99.4 in epoch 3", "mine/b best test 99.5 in epoch 2"),
        ),
    ]


def test_brackets_that_are_no_tags_stay_in_the_text() -> None:
    assert sentences("    - It has 99.30 [99.28, 99.33] in test.\n") == [
        Sentence("It has 99.30 [99.28, 99.33] in test.", (), ())
    ]
