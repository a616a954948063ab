"""What changed between two steps, in words that a person can check."""

from harness import steps
from harness.evidence.facts import difference


def changes(after: str) -> list[str]:
    """The difference of a step to the one it follows."""
    known = steps()
    assert known[after].follows
    return difference(known[str(known[after].follows)], known[after])


def test_batch_normalization_and_nothing_else() -> None:
    lines = changes("five_steps/step3")
    assert len(lines) == 3  # one for each width: 8, 16 and 10 channels
    assert all(line.startswith("+ BatchNorm2d(") for line in lines)
    assert "(4 times)" in lines[1]


def test_a_schedule_and_nothing_else() -> None:
    assert changes("five_steps/step4") == ["schedule: Constant() -> StepLR(step_size=5, gamma=0.15)"]


def test_two_changes_are_two_lines() -> None:
    lines = changes("five_steps/step5")
    assert lines[0] == "+ Dropout(p=0.01, inplace=False) (7 times)"
    assert lines[1].startswith("augmentation: None -> RandomAffine(degrees=6, ")
    assert len(lines) == 2


def test_the_same_step_has_no_difference() -> None:
    step = steps()["five_steps/step5"]
    assert difference(step, step) == []


def test_a_nested_value_names_its_field() -> None:
    assert "batch_size: 128 -> 64" in changes("five_steps/step2")
