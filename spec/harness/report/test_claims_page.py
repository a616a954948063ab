"""docs/claims.md: whatever may be claimed or quoted is there, and each example is said by the spec that it names."""

import re

from harness import steps
from harness.claims import vocabulary
from spec.harness.support.paths import ROOT

PAGE = (ROOT / "docs" / "claims.md").read_text("utf-8")


def test_every_word_of_the_vocabulary_is_there_once() -> None:
    said = re.findall(r"^\| `([^`]+)` \| (?!what|that)", PAGE, flags=re.MULTILINE)
    words = [*vocabulary._VOCABULARY.claims, *vocabulary._LOGS.claims]
    assert sorted(said) == sorted({re.sub(r"^in (every|most|some) runs? ", "", one) for one in words})


def test_every_example_is_in_the_spec_that_it_names() -> None:
    examples = re.findall(r"\| `(\w+/\w+)`: (.+) \|$", PAGE, flags=re.MULTILINE)
    assert len(examples) > 80
    for step_id, words in examples:
        spec = " ".join(steps()[step_id].source.read_text("utf-8").split())
        assert words.replace("\\", "") in spec, f"{step_id} does not say {words}"
