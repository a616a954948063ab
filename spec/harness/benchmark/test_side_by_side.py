"""The benchmark: three implementations of one training take turns, and a page shows the results."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from harness import Recipe, StepSpec, steps
from harness.__main__ import main
from harness.benchmark import side_by_side
from harness.benchmark.implementations import Eager, Notebook, Ours, OursTogether, transforms_of
from harness.data.synthetic import synthetic
from harness.recipe import RandomAffine
from harness.report import benchmark
from harness.report.benchmark import page as document
from harness.report.benchmark import section
from harness.step import Step
from models.blocks import Conv, GlobalAverage, LogProbabilities
from spec.harness.support.paths import ROOT

CPU = torch.device("cpu")
DOCS = ROOT / "docs"


class Net(torch.nn.Sequential):
    def __init__(self) -> None:
        super().__init__(Conv(1, 8, 3, "relu", "bn", stride=2), Conv(8, 10, 3), GlobalAverage(), LogProbabilities())


def step_of(recipe: Recipe) -> type[Step]:
    attributes = {"model": Net, "recipe": recipe, "parameters": 826, "__module__": __name__}
    step: type[Step] = type("Step", (StepSpec,), attributes)
    step.id = "mine/net"
    return step


STEP = step_of(Recipe(lr=0.1, batch_size=32, epochs=30))


@pytest.mark.parametrize("implementation", [Notebook, Eager, Ours, OursTogether])
def test_every_implementation_trains(implementation: type[Notebook | Eager | Ours | OursTogether]) -> None:
    torch.manual_seed(0)
    side = implementation(STEP, synthetic(320), CPU)
    before = side.test()
    side_by_side.advance(side.steps(), 150)
    assert before < 40
    assert side.test() > 90


def test_a_notebook_has_the_augmentation_of_the_recipe_in_its_place() -> None:
    affine = RandomAffine(degrees=7, translate=0.1, scale=(0.9, 1.1), fill=1)
    names = [type(one).__name__ for one in transforms_of(Recipe(lr=1, batch_size=1, epochs=1), train=True).transforms]
    assert names == ["ToTensor", "Normalize"]
    recipe = Recipe(lr=1, batch_size=1, epochs=1, augmentation=affine)
    chain = transforms_of(recipe, train=True).transforms
    assert [type(one).__name__ for one in chain] == ["RandomAffine", "ToTensor", "Normalize"]
    assert (chain[0].degrees, chain[0].translate, chain[0].scale) == ([-7.0, 7.0], (0.1, 0.1), (0.9, 1.1))
    assert [type(one).__name__ for one in transforms_of(recipe, train=False).transforms] == ["ToTensor", "Normalize"]
    later = Recipe(lr=1, batch_size=1, epochs=1, augmentation=RandomAffine(degrees=7, on="tensor"))
    assert [type(one).__name__ for one in transforms_of(later, train=True).transforms] == [
        "ToTensor",
        "Normalize",
        "RandomAffine",
    ]


def test_the_operations_of_an_epoch_are_those_counted_by_hand() -> None:
    # 1 -> 8, 3x3, stride 2: 13 x 13 outputs; 8 -> 10, 3x3: 11 x 11 outputs; two operations per multiplication
    first, second = 2 * 8 * 9 * 13 * 13, 2 * 10 * 8 * 9 * 11 * 11
    # backward: the weights of both, and the input of the second alone
    train, test = 2 * first + 3 * second, first + second
    assert side_by_side.operations_of_epoch(STEP, 100, 10) == 100 * train + 10 * test


@pytest.mark.parametrize(
    ("step", "first", "others"),
    [  # multiplications per image: weights times positions of the output
        (
            "five_steps/step5",
            8 * 9 * 26**2,
            8 * 8 * 9 * 24**2 + 8 * 16 * 9 * 22**2 + 16 * 16 * 9 * (20**2 + 8**2 + 6**2) + 16 * 10 * 6**2,
        ),
        (
            "frontier/step12",
            6 * 9 * 26**2,
            (6 * 9 + 6 * 12 + 12 * 9 + 12 * 16) * 24**2
            + (16 * 9 + 16 * 20) * 12**2
            + (20 * 9 + 20 * 24) * 10**2
            + (24 * 9 + 24 * 26) * 8**2
            + 26 * 10,
        ),
    ],
)
def test_a_depthwise_convolution_is_counted_for_what_it_is(step: str, first: int, others: int) -> None:
    train, test = 2 * (2 * first + 3 * others), 2 * (first + others)
    assert side_by_side.operations_of_epoch(steps()[step], 100, 10) == 100 * train + 10 * test


@pytest.mark.parametrize("step", ["four_steps/step1", "s5/code9", "discover/8k_lr", "expand_squeeze/s7_file3"])
def test_dense_convolutions_are_counted_as_torch_counts_them(step: str) -> None:
    model = steps()[step].model().to("meta")
    with FlopCounterMode(display=False) as counter:
        model(torch.empty(2, 1, 28, 28, device="meta")).sum().backward()
    assert side_by_side.operations_of_epoch(steps()[step], 2, 0) == counter.get_total_flops()


def test_the_sides_take_turns() -> None:
    seen: list[str] = []

    def side(name: str) -> Iterator[None]:
        while True:
            seen.append(name)
            yield

    trained, rates = side_by_side.alternate({"a": side("a"), "b": side("b")}, CPU)
    runs = re.findall(r"a+|b+", "".join(seen))
    assert [len(run) for run in runs] == [10, 10, *[20, 20] * side_by_side.TURNS]
    assert len(rates) == side_by_side.TURNS == len(trained["a"]) == len(trained["b"])


def test_an_epoch_is_its_steps_and_a_test_by_their_medians() -> None:
    assert side_by_side.summary([0.010, 0.030, 0.020], [0.5, 0.4, 0.9], batches=100, batch_size=64) == {
        "step_ms": 20.0,
        "step_ms_range": [10.0, 30.0],
        "test_s": 0.5,
        "epoch_s": 2.5,
        "images_per_s": 3200,
    }


def test_processes_train_at_the_same_time() -> None:
    step = steps()["frontier/step6"]
    assert side_by_side.rate_of("ours", step, synthetic(64), processes=2, threads=1, count=2) > 0


def test_a_whole_result_makes_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("TURNS", 2), ("SEEDS", (1, 2)), ("BATCHES", (16, 32)), ("on_all_cores", lambda *_: [])):
        monkeypatch.setattr(side_by_side, name, value)
    messages: list[str] = []
    result = side_by_side.bench(STEP, synthetic(320), CPU, messages.append)
    assert json.loads(json.dumps(result)) == result
    assert [one["seeds"] for one in result["seeds"]] == [1, 2]
    assert result["ratios"]["notebook"] == pytest.approx(
        result["ways"]["notebook"]["epoch_s"] / result["ways"]["ours"]["epoch_s"], rel=0.1
    )
    assert "aten::convolution_backward" in {one["operator"] for one in result["operators"]}
    assert 50 < sum(one["share"] for one in result["operators"]) <= 100.5
    page = section(result)
    assert f"## mine/net on {result['made']['hardware']}" in page
    assert f"| notebook | {result['ways']['notebook']['step_ms']:.2f} |" in page
    assert messages[0] == "three ways, in turns"


def test_the_page_is_made_of_the_results() -> None:
    results = json.loads((DOCS / "benchmark.json").read_text())
    assert {one["step"] for one in results} >= {"five_steps/step5", "frontier/step6"}
    assert (DOCS / "benchmark.md").read_text() == document(results), (
        "docs/benchmark.md was edited by hand or is out of date: run python -m harness bench ID --record"
    )


def test_a_result_takes_the_place_of_the_last_one_of_its_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "RESULTS", tmp_path / "benchmark.json")
    first, second = json.loads((DOCS / "benchmark.json").read_text())[:2]
    for result in (second, first, {**second, "ratios": {"notebook": 9.87, "eager": 6.54}}):
        benchmark.save(result)
    assert [one["step"] for one in benchmark.recorded()] == [first["step"], second["step"]]
    assert (tmp_path / "benchmark.md").read_text().count("| 9.87 |") == 1


def test_an_unknown_step_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "five_steps/step9"]) == 2
    assert "unknown step 'five_steps/step9'" in capsys.readouterr().err
