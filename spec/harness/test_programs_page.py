"""docs/programs.md counts what its table holds, its recipes can be built, and refusals are worded as they are."""

import re

import pytest

import harness.recipe as ours
from harness import Recipe
from spec.harness.support.paths import ROOT

PAGE = (ROOT / "docs" / "programs.md").read_text(encoding="utf-8")


def rows(begin: str, end: str) -> list[list[str]]:
    text = PAGE.partition(begin)[2].partition(end)[0]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line[1:-1].split("|")] for line in lines[2:]]


PROGRAMS = rows("<!-- programs -->", "<!-- /programs -->")
HELD_OUT = "on images held out: "


def test_there_are_enough_programs_and_each_is_linked_once_at_a_commit() -> None:
    links = [
        re.fullmatch(r"\[([\w.-]+/[\w.-]+)\]\(https://github.com/\1/blob/[0-9a-f]{40}/\S+\)", row[0])
        for row in PROGRAMS
    ]
    assert all(links)
    assert len({(row[0], row[1]) for row in PROGRAMS}) == len(PROGRAMS) >= 30
    assert len({link[1] for link in links if link}) >= 15


def test_the_counts_are_those_of_the_table() -> None:
    counts = " ".join(PAGE.partition("<!-- counts -->")[2].partition("<!-- /counts -->")[0].split())
    programs, repositories, described, refused, said, share, held_out, not_said = map(int, re.findall(r"\d+", counts))
    assert programs == len(PROGRAMS)
    assert repositories == len({row[0].partition("]")[0] for row in PROGRAMS})
    assert refused == sum(row[4].startswith("**refused**") for row in PROGRAMS)
    assert described == sum(bool(row[2] and row[3]) for row in PROGRAMS) == programs - refused
    assert said == sum(row[5].startswith("`") for row in PROGRAMS)
    assert share == round(100 * said / programs)
    assert held_out == sum(row[5].startswith(HELD_OUT) for row in PROGRAMS)
    assert not_said == sum(row[5].startswith("no: ") for row in PROGRAMS)
    assert said + held_out + not_said == programs


@pytest.mark.parametrize("recipe", sorted({row[5] for row in PROGRAMS if not row[5].startswith("no: ")}))
def test_a_recipe_that_can_be_said_is_built(recipe: str) -> None:
    [words] = re.findall(r"`(.+)`$", recipe)
    built = eval(f"Recipe({words})", vars(ours))
    assert isinstance(built, Recipe)
    assert (built.validation > 0) == recipe.startswith(HELD_OUT)


def test_every_remark_is_explained() -> None:
    explained = {row[0] for row in rows("## The remarks", "<!-- /remarks -->")}
    used = {remark for row in PROGRAMS if row[2] for remark in row[4].split(", ")} - {"none"}
    assert used == explained


@pytest.mark.parametrize("row", rows("## What cannot be said", "\nSaturation"), ids=lambda row: row[0])
def test_a_line_of_a_program_is_refused_in_these_words(row: list[str]) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # its words are compared below
        eval(row[0].strip("`"), vars(ours))
    assert str(caught.value).startswith(row[1].strip("`"))
