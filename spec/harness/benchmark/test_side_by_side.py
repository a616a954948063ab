"""The benchmark: the implementations of one training take turns, and a page shows the results.

A clock that only the stand-ins for implementations move makes every time, and so every ratio, known beforehand.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from harness import Recipe, files, steps
from harness.__main__ import main
from harness.benchmark import implementations, side_by_side
from harness.benchmark.arithmetic import operations_of_epoch
from harness.benchmark.implementations import IMPLEMENTATIONS, Stepwise, advance, eager, names, transforms_of
from harness.data import MNIST
from harness.data.synthetic import synthetic
from harness.errors import HarnessError
from harness.provenance import environment
from harness.recipe import RandomAffine, RandomApply, RandomDistortion
from harness.report import benchmark
from harness.report.benchmark import overview, sections
from harness.report.benchmark import page as document
from harness.step import Step
from harness.training import native
from harness.training.choice import made_by
from harness.training.ensemble import EnsembleTrainer
from harness.training.native import NativeTrainer
from harness.training.train import trainer_of
from harness.training.trainer import SingleTrainer
from spec.harness.benchmark.turns import STEP, Clock, StandIn, step_of
from spec.harness.support.paths import ROOT

CPU = torch.device("cpu")
DOCS = ROOT / "docs"


@pytest.mark.thorough
@pytest.mark.parametrize(("name", "seeds"), [("notebook", 1), ("eager", 1), ("eager", 3), ("native", 1)])
def test_every_implementation_trains(name: str, seeds: int) -> None:
    torch.manual_seed(0)
    data = synthetic(320)
    side = IMPLEMENTATIONS[name](STEP, data, CPU) if seeds == 1 else eager(STEP, data, CPU, seeds)
    before = side.test()
    advance(side.steps(), 80)
    assert before < 40
    assert side.test() > 90


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("name", "seeds", "kind"),
    [("eager", 1, SingleTrainer), ("eager", 2, EnsembleTrainer), ("native", 1, NativeTrainer)],
)
@pytest.mark.parametrize(("settings", "taken"), [({}, 4), ({"drop_last": True}, 3), ({"validation": 0.5}, 2)])
def test_the_steps_are_those_of_an_epoch_of_the_trainer(
    settings: dict[str, Any], taken: int, name: str, seeds: int, kind: type
) -> None:
    """Taken one at a time, the last of them a smaller batch, they end with the weights of an epoch at once."""
    data, step = synthetic(100), step_of(replace(STEP.recipe, **settings))
    stepped, whole = (trainer_of(step, range(seeds), data, name) for _ in range(2))
    assert isinstance(stepped, kind)
    steps = Stepwise(stepped).steps()
    advance(steps, taken)
    whole.launch_epoch()
    after, expected = stepped.state(), whole.state()
    assert after.keys() == expected.keys()
    assert all(torch.equal(after[tensor], expected[tensor]) for tensor in expected)
    next(steps)  # of another epoch, whose order is drawn
    assert not torch.equal(stepped.state()["generator.order"], after["generator.order"])


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ("five_steps/step5", ["notebook", "eager", "native"]),
        ("frontier/step6", ["notebook", "eager", "native"]),
        ("frontier/step11", ["eager", "native"]),  # it has a teacher
        ("frontier/step12", ["eager", "native"]),  # and distortions
        ("s5/code1", ["notebook", "eager", "native"]),
    ],
)
def test_a_step_is_benchmarked_by_the_implementations_that_can_train_it(step: str, expected: list[str]) -> None:
    assert names(steps()[step], CPU) == expected
    assert names(steps()[step], torch.device("cuda", 0)) == [name for name in expected if name != "native"]


def test_a_distortion_within_another_transform_has_no_notebook_either() -> None:
    distorted = RandomApply((RandomDistortion(on="tensor"),))
    assert "notebook" not in names(step_of(replace(STEP.recipe, augmentation=distorted)), CPU)


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
    assert operations_of_epoch(STEP, 100, 10) == 100 * train + 10 * test


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
    untaught: type[Step] = type("Untaught", (steps()[step],), {"recipe": STEP.recipe})
    assert operations_of_epoch(untaught, 100, 10) == 100 * train + 10 * test


def test_a_teacher_predicts_every_training_image() -> None:
    taught = steps()["frontier/step12"]
    alone: type[Step] = type("Alone", (taught,), {"recipe": Recipe(lr=1, batch_size=64, epochs=1)})
    model = steps()["frontier/step10"].model().to("meta").eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.empty(100, 1, 28, 28, device="meta"))
    more = operations_of_epoch(taught, 100, 10) - operations_of_epoch(alone, 100, 10)
    assert more == counter.get_total_flops() > 0


@pytest.mark.parametrize("step", ["four_steps/step1", "s5/code9", "discover/8k_lr", "expand_squeeze/s7_file3"])
def test_dense_convolutions_are_counted_as_torch_counts_them(step: str) -> None:
    model = steps()[step].model().to("meta")
    with FlopCounterMode(display=False) as counter:
        model(torch.empty(2, 1, 28, 28, device="meta")).sum().backward()
    assert operations_of_epoch(steps()[step], 2, 0) == counter.get_total_flops()


@pytest.mark.thorough
def test_the_sides_take_turns() -> None:
    seen: list[str] = []

    def side(name: str) -> Iterator[None]:
        while True:
            seen.append(name)
            yield

    trained, rates = side_by_side.alternate({"a": side("a"), "b": side("b")}, CPU)
    runs = re.findall(r"a+|b+", "".join(seen))
    assert [len(run) for run in runs] == [10, 10, *[50, 50] * side_by_side.TURNS]
    assert len(rates) == side_by_side.TURNS == len(trained["a"]) == len(trained["b"])


def test_an_epoch_is_its_steps_and_a_test_by_their_medians() -> None:
    assert side_by_side.summary([0.010, 0.030, 0.020], [0.5, 0.4, 0.9], batches=100, batch_size=64, floor=1.25) == {
        "step_ms": 20.0,
        "step_ms_range": [10.0, 30.0],
        "test_s": 0.5,
        "epoch_s": 2.5,
        "images_per_s": 3200,
        "over_floor": 2.0,
    }


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """A notebook that takes 40 ms a step, eager 20 and native 5, and 10 GFLOP/s."""
    clock = Clock()
    sides = {"notebook": (0.040, 4.0), "eager": (0.020, 2.0), "native": (0.005, 0.5)}
    monkeypatch.setattr(side_by_side, "time", clock)
    monkeypatch.setattr(side_by_side, "_matrix_rate", lambda device: 1e10)
    for name, times in sides.items():
        monkeypatch.setitem(implementations.IMPLEMENTATIONS, name, lambda *_, times=times: StandIn(clock, *times))
    rates = {(1, 1): 1000, (1, 2): 1500, (2, 1): 2000}

    def on_all_cores(step: type[Step], data: MNIST, measured: list[str], *_: int) -> list[dict[str, Any]]:
        return [
            {"way": name, "processes": processes, "threads": threads, "images_per_s": rate}
            for name in measured
            for (processes, threads), rate in rates.items()
        ]

    monkeypatch.setattr(side_by_side, "on_all_cores", on_all_cores)


def test_ratios_are_those_of_the_epochs(known: None) -> None:
    """320 images are 10 batches of 32: epochs of 4.4, 2.2 and 0.55 s."""
    told: list[str] = []
    threads = torch.get_num_threads()
    result = side_by_side.bench(STEP, synthetic(320), CPU, told.append)
    assert torch.get_num_threads() == threads
    assert json.loads(json.dumps(result)) == result
    assert {name: one["epoch_s"] for name, one in result["ways"].items()} == {
        "notebook": 4.4,
        "eager": 2.2,
        "native": 0.55,
    }
    assert result["ways"]["native"]["step_ms_range"] == [5.0, 10.0]
    assert result["ways"]["native"]["images_per_s"] == 6400
    assert result["ratios"] == {"notebook / eager": 2.0, "notebook / native": 8.0, "eager / native": 4.0}
    first, second = 2 * 8 * 9 * 13 * 13, 2 * 10 * 8 * 9 * 11 * 11
    floor = 320 * (3 * first + 4 * second) / 1e10
    assert result["floor"]["epoch_s"] == pytest.approx(floor, abs=5e-4)
    assert result["ways"]["native"]["over_floor"] == pytest.approx(0.55 / floor, abs=5e-3)
    assert told[0] == "mine/net: notebook, eager, native, in turns; mine/net is trained by the native trainer"


@pytest.mark.parametrize(
    ("settings", "batches", "images", "tested"),
    [({"validation": 0.5}, 5, 160, 160), ({"drop_last": True, "batch_size": 60}, 5, 300, 40)],
)
def test_an_epoch_has_the_images_that_are_trained(
    settings: dict[str, Any], batches: int, images: int, tested: int, known: None
) -> None:
    """Of 320 images for training and 40 for the test, 40 ms a step of the notebook and 4 s for its test."""
    step, whole = step_of(replace(STEP.recipe, **settings)), synthetic(320)
    data = MNIST(whole.train_images, whole.train_labels, whole.test_images[:40], whole.test_labels[:40])
    result = side_by_side.bench(step, data, CPU, lambda _: None)
    assert result["ways"]["notebook"]["epoch_s"] == pytest.approx(4 + 0.04 * batches)
    assert result["floor"]["operations"] == operations_of_epoch(step, images, tested)


def test_a_result_says_what_it_was_made_with(known: None, monkeypatch: pytest.MonkeyPatch) -> None:
    made = side_by_side.bench(STEP, synthetic(320), CPU, lambda _: None)["made"]
    assert made["threads"] == 1
    built = made_by("native")
    assert {key: made[key] for key in ("compiler", "flags", "numerics")} == {
        key: built[key] for key in ("compiler", "flags", "numerics")
    }
    assert environment(CPU).items() - {("threads", torch.get_num_threads())} <= made.items()
    monkeypatch.setattr(native, "refusal", lambda step: "no C++ compiler")
    told: list[str] = []
    without = side_by_side.bench(STEP, synthetic(320), CPU, told.append)
    assert list(without["ways"]) == ["notebook", "eager"]
    assert not {"compiler", "flags", "numerics"} & without["made"].keys()
    assert "and not natively: no C++ compiler" in told[0]


def cells(text: str) -> dict[str, list[str]]:
    """The rows of all tables in Markdown, by their first cell."""
    rows = (re.split(r" *\| *", line.strip("| ")) for line in text.splitlines() if line.startswith("| "))
    return {first: rest for first, *rest in rows}


@pytest.mark.thorough
def test_several_steps_stand_side_by_side(
    known: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("harness.data.load", lambda folder: synthetic(320))
    asked = ["bench", "frontier/step12", "five_steps/step5", "--device", "cpu"]
    assert main(asked) == 0
    found = cells(capsys.readouterr().out)
    # 5 batches of 64: notebook 4.2 s, eager 2.1 s, native 0.525 s
    assert found["notebook: a step, ms"] == ["", "40.00 (40.00 to 80.00)"]
    assert found["native: a step, ms"] == ["5.00 (5.00 to 10.00)"] * 2
    assert found["notebook / native, epochs"] == ["", "8.00"]
    assert found["eager / native, epochs"] == ["4.00", "4.00"]
    assert found["native: 1 process of 2 threads"] == ["1,500", "1,500"]
    assert found["native: 2 processes of 1 thread"] == ["2,000", "2,000"]
    assert main([*asked, "--json"]) == 0
    assert [one["step"] for one in json.loads(capsys.readouterr().out)] == ["frontier/step12", "five_steps/step5"]


def test_many_seeds_cost_as_many_steps_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(side_by_side, "_matrix_rate", lambda device: 1e10)
    clock = Clock()
    monkeypatch.setattr(side_by_side, "time", clock)
    monkeypatch.setattr(
        side_by_side, "eager", lambda *arguments: StandIn(clock, 0.003 if len(arguments) > 3 else 0.002, 1.0)
    )
    cost = side_by_side.cost_of_seeds(STEP, synthetic(64), CPU, 4)
    assert cost == {"together_ms": 3.0, "one_by_one_ms": 8.0}
    [result, *_] = json.loads((DOCS / "benchmark.json").read_text())
    assert cells(sections([{**result, "seeds": [{"seeds": 4, **cost}]}]))["4 seeds"] == ["3.00, 8.00"]


def test_the_page_is_made_of_the_results() -> None:
    results = json.loads((DOCS / "benchmark.json").read_text())
    assert {one["step"] for one in results} >= {"five_steps/step5", "frontier/step6", "frontier/step12"}
    assert (DOCS / "benchmark.md").read_text() == document(results), (
        "docs/benchmark.md was edited by hand or is out of date: run python -m harness bench ID... --record"
    )


def test_a_result_takes_the_place_of_the_last_one_of_its_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "path", lambda: tmp_path / "benchmark.json")
    first, second = json.loads((DOCS / "benchmark.json").read_text())[:2]
    changed: dict[str, Any] = {**second, "ratios": {"notebook / native": 9.87}}
    benchmark.save([second])
    with files.locked(tmp_path / "benchmark.json"), monkeypatch.context() as patch:
        patch.setattr(files, "WAIT", 0)
        with pytest.raises(HarnessError, match=r"benchmark\.json is still being written by another process"):
            benchmark.save([first])
    (tmp_path / "benchmark.md.0123abcd.partial").write_bytes(b"of a process that was killed")
    benchmark.save([changed, first])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["benchmark.json", "benchmark.md"]
    assert benchmark.recorded() == [first, changed]
    assert cells((tmp_path / "benchmark.md").read_text())["notebook / native, epochs"][1] == "9.87"


def test_results_of_other_machines_stand_apart() -> None:
    first, second = json.loads((DOCS / "benchmark.json").read_text())[:2]
    another = {**first, "made": {**first["made"], "hardware": "Another"}}
    text = sections([first, another, second])
    assert re.findall("^## (.*?),", text, re.MULTILINE) == [first["made"]["hardware"], "Another"]


def test_the_floor_is_compared_with_the_fastest_implementation_whichever_it_is() -> None:
    result = json.loads((DOCS / "benchmark.json").read_text())[0]
    slower = {
        name: {**one, "epoch_s": one["epoch_s"] + 100 * (name == "native")} for name, one in result["ways"].items()
    }
    row = overview([{**result, "ways": slower}]).splitlines()[2].split(" | ")
    assert row[7] == f"{slower['eager']['over_floor']:.2f}"


def test_an_unknown_step_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "five_steps/step9"]) == 2
    assert "unknown step 'five_steps/step9'" in capsys.readouterr().err


def test_the_rate_of_a_matrix_product_is_that_of_the_fastest_of_five(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter([0.4, 0.2, 0.1, 0.3, 0.5])
    monkeypatch.setattr(side_by_side, "_timed", lambda work, device: next(seconds))
    assert side_by_side._matrix_rate(torch.device("cpu")) == 2 * 1024**3 / 0.1
