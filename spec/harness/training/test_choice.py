"""Which trainer trains: what was asked for, or the native one where it can."""

import pytest
import torch

from harness import strict_json
from harness.data.synthetic import synthetic
from harness.errors import HarnessError
from harness.training import native
from harness.training.choice import Choice, choose, made_by
from harness.training.train import trainer_of, training
from harness.training.trainer import SingleTrainer
from spec.harness.jobs.native_stand_in import stand_in
from spec.harness.jobs.small import Plain

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)


@pytest.mark.parametrize(
    ("word", "device", "refusal", "choice"),
    [
        ("auto", CPU, None, Choice("native")),
        ("auto", CPU, "it has a teacher", Choice("eager", "it has a teacher")),
        ("auto", CUDA, None, Choice("eager", "the device is cuda and not a CPU")),
        ("native", CPU, None, Choice("native")),
        ("eager", CPU, None, Choice("eager")),
        ("eager", CPU, "it has a teacher", Choice("eager")),
        ("eager", CUDA, None, Choice("eager")),
    ],
)
def test_auto_is_native_where_that_can_train(
    monkeypatch: pytest.MonkeyPatch, word: str, device: torch.device, refusal: str | None, choice: Choice
) -> None:
    monkeypatch.setattr(native, "refusal", lambda step: refusal)
    assert choose(word, Plain, device) == choice


@pytest.mark.parametrize(
    ("device", "refusal", "why"),
    [(CPU, "it has a teacher", "it has a teacher"), (CUDA, None, "the device is cuda and not a CPU")],
)
def test_native_is_refused_with_the_reason_where_it_cannot_be(
    monkeypatch: pytest.MonkeyPatch, device: torch.device, refusal: str | None, why: str
) -> None:
    monkeypatch.setattr(native, "refusal", lambda step: refusal)
    with pytest.raises(HarnessError, match=f"^small/plain cannot be trained natively: {why}; use --trainer eager$"):
        choose("native", Plain, device)


@pytest.mark.parametrize(
    ("choice", "line"),
    [
        (Choice("native"), "small/plain is trained by the native trainer"),
        (Choice("eager"), "small/plain is trained by eager torch"),
        (Choice("eager", "no compiler"), "small/plain is trained by eager torch and not natively: no compiler"),
    ],
)
def test_a_line_says_which_trainer_it_is_and_why(choice: Choice, line: str) -> None:
    assert choice.line(Plain) == line


def test_what_a_trainer_says_of_itself_can_stand_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    assert made_by("eager") == {"trainer": "eager"}
    stand_in(monkeypatch, compiler="g++\x1b[0m <14>", flags="-O3 -std=c++17")
    made = made_by("native")
    assert made == {"trainer": "native", "numerics": 1, "compiler": "g++ [0m  14", "flags": "-O3 -std c++17"}
    assert strict_json.facts(made) == made


def test_the_trainer_of_a_step_is_the_one_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch)
    asked = []

    def native_trainer(*arguments: object) -> str:
        asked.append(arguments)
        return "the native one"

    monkeypatch.setattr(native, "native_trainer", native_trainer)
    data = synthetic(64)
    with training(Plain, [7], data, "native") as trainer:
        assert trainer == "the native one"  # type: ignore[comparison-overlap]
    assert asked == [(Plain, 7, data)]
    with training(Plain, [7], data) as eager:
        assert isinstance(eager, SingleTrainer)
    with pytest.raises(HarnessError, match="^small/plain: the native trainer trains one seed at a time, on a CPU$"):
        trainer_of(Plain, [0, 1], data, "native")
