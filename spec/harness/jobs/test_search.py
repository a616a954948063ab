"""The search prefers what is better on the images held out, and resumes where it was interrupted."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import spec
from harness import data
from harness.__main__ import main
from harness.commands import search as command
from harness.commands.console import Display
from harness.data import MNIST, hold_out
from harness.errors import HarnessError
from harness.jobs.engines import Local
from harness.jobs.job import Job, Results, Update
from harness.jobs.search import Rung, search
from harness.jobs.search_log import Trial, read
from harness.provenance import fingerprint
from harness.recipe import Recipe
from harness.run import Epoch
from harness.step import Step
from harness.training import OnSteps, native, train
from spec.frontier import candidates
from spec.harness.jobs import small
from spec.harness.jobs.native_stand_in import stand_in
from spec.harness.jobs.small import Simple, ignore
from spec.harness.training.in_memory import run_alone


class Poor(Simple):
    recipe = Recipe(lr=0.1, batch_size=8, epochs=2)


class Fair(Simple):
    recipe = Recipe(lr=0.2, batch_size=8, epochs=2)


class Good(Simple):
    recipe = Recipe(lr=0.3, batch_size=8, epochs=2)


ACCURACY = {Poor: (90.0, 90.0), Fair: (95.0, 93.0), Good: (94.0, 98.0)}
"""The accuracy of seed 0, and of the other seeds."""
EVERYTHING = [Poor, Fair, Good]
RUNGS = [Rung(3, 1), Rung(2, 3)]


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is trained natively, unless a test says otherwise."""
    monkeypatch.setattr(native, "refusal", lambda step: "these tests are about eager torch")


class Scripted:
    """An engine whose runs have the accuracies above, and which is interrupted after `runs` of them."""

    device, workers, threads, here = torch.device("cpu"), 1, 1, False
    on_steps: OnSteps

    def __init__(self, runs: int = 100) -> None:
        self.left, self.done = runs, list[tuple[type[Step], int]]()
        self.jobs: list[tuple[type[Step], tuple[int, ...]]] = []

    def provenance(self, step: type[Step], trainer: str = "eager") -> dict[str, Any]:
        raise AssertionError("a search writes no record")

    def run(self, jobs: Sequence[Job], data: MNIST) -> Results:
        for index, job in enumerate(jobs):
            if not self.left:
                raise KeyboardInterrupt
            self.left -= 1
            self.jobs.append((job.step, job.seeds))
            self.done += [(job.step, seed) for seed in job.seeds]
            reached = {seed: ACCURACY[job.step][min(seed, 1)] for seed in job.seeds}  # type: ignore[index]  # these only
            yield index, Update(b"")
            for number in (1, 2):
                epochs = {seed: Epoch(number, 80.0, accuracy, 0.5, 1.0) for seed, accuracy in reached.items()}
                yield index, Update(b"", epochs)


class Unlucky(Scripted):
    """One worker dies at once, and another has a loss that is not finite."""

    def run(self, jobs: Sequence[Job], data: MNIST) -> Results:
        for index, update in super().run(jobs, data):
            step = jobs[index].step
            if step is Fair and isinstance(update, Update) and not update.outcomes:
                yield index, HarnessError("the worker of Fair died")
            elif step is Poor and isinstance(update, Update) and not update.outcomes:
                yield index, Update(b"", {0: HarnessError("the loss of Poor is nan")})
            elif step is Good:
                yield index, update


def ranking(log: Path, engine: Scripted) -> dict[type[Step], list[Trial]]:
    return search(EVERYTHING, RUNGS, log, engine, small.images(), ignore)


def test_the_better_ones_are_trained_with_more_seeds(tmp_path: Path) -> None:
    engine = Scripted()
    ranked = ranking(tmp_path / "log.jsonl", engine)
    assert list(ranked) == [Good, Fair, Poor]  # although Fair was ahead with one seed
    assert [len(trials) for trials in ranked.values()] == [3, 3, 1]
    assert sorted(engine.done, key=str) == sorted(
        [(Poor, 0), (Fair, 0), (Good, 0), (Fair, 1), (Good, 1), (Fair, 2), (Good, 2)], key=str
    )
    assert ranked[Good][1].validation == (98.0, 98.0)


def test_all_seeds_of_a_candidate_train_together_on_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, on_cpu = Scripted(), ranking(tmp_path / "cpu.jsonl", Scripted())
    monkeypatch.setattr(engine, "device", torch.device("cuda", 0))
    monkeypatch.setattr(train, "refusal", lambda step, device: "it is Fair" if step is Fair else None)
    assert ranking(tmp_path / "gpu.jsonl", engine) == on_cpu
    first = [(Poor, (0,)), (Fair, (0,)), (Good, (0,))]
    assert engine.jobs == [*first, (Fair, (1,)), (Fair, (2,)), (Good, (1, 2))]


def test_it_resumes_where_it_was_interrupted(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    with pytest.raises(KeyboardInterrupt):
        ranking(log, Scripted(runs=4))
    with log.open("a") as file:
        file.write('{"candidate": "cut o')
    engine = Scripted()
    assert list(ranking(log, engine)) == [Good, Fair, Poor]
    assert len(engine.done) == 3
    assert len(log.read_text().splitlines()) == len(read(log)) == 7
    assert [len(trials) for trials in ranking(log, Scripted(runs=0)).values()] == [3, 3, 1]


def test_a_candidate_that_was_changed_is_trained_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log.jsonl"
    ranking(log, Scripted())
    monkeypatch.setattr(Poor, "recipe", replace(Poor.recipe, momentum=0.5))
    engine = Scripted()
    ranking(log, engine)
    assert engine.done == [(Poor, 0)]


def test_the_log_has_accuracies_on_the_images_held_out_only(tmp_path: Path) -> None:
    log, whole = tmp_path / "log.jsonl", small.images()
    held_out = hold_out(whole, 20)
    [trials] = search([Good], [Rung(1, 1)], log, Local(torch.device("cpu")), held_out, ignore).values()
    expected = run_alone(Good, 0, held_out)
    assert trials[0].validation == expected.final
    assert set(json.loads(log.read_text())) == {
        *("candidate", "parameters", "fingerprint", "seed", "validation", "train", "seconds")
    }


def test_a_native_trial_says_so_and_lines_of_older_versions_stay_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log.jsonl"
    line = {"candidate": Good.title, "parameters": 1, "fingerprint": fingerprint(Poor), "seed": 9, "validation": [1.0]}
    old = json.dumps({**line, "train": 2.0, "seconds": 3.0}) + "\n"
    log.write_text(old)
    stand_in(monkeypatch)
    search([Good], [Rung(1, 1)], log, Scripted(), small.images(), ignore)
    text = log.read_text()
    assert text.startswith(old)
    assert [trial.trainer for trial in read(log)] == ["eager", "native"]
    log.write_text(text.replace('"native"', '"mine"'))
    with pytest.raises(HarnessError, match="is not the log of a search: line 2: 'trainer' is neither eager nor native"):
        read(log)


def by_candidate(log: Path) -> list[tuple[str, int, str]]:
    return [(trial.candidate, trial.seed, trial.trainer) for trial in read(log)]


def test_candidates_are_compared_by_runs_of_one_trainer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    search([Good], [Rung(1, 1)], first, Scripted(), small.images(), ignore)
    stand_in(monkeypatch)
    search([Good, Fair], [Rung(2, 1)], first, Scripted(), small.images(), ignore)
    assert by_candidate(first) == [(Good.title, 0, "eager"), (Fair.title, 0, "eager")]

    search([Good], [Rung(1, 1)], second, Scripted(), small.images(), ignore)
    monkeypatch.setattr(native, "refusal", lambda step: "it is Fair" if step is Fair else None)
    ranked = search([Good, Fair], [Rung(2, 1)], second, Scripted(), small.images(), ignore)
    assert by_candidate(second) == [(Good.title, 0, "native"), (Good.title, 0, "eager"), (Fair.title, 0, "eager")]
    assert {trial.trainer for trials in ranked.values() for trial in trials} == {"eager"}


def test_no_rung_takes_seeds_away(tmp_path: Path) -> None:
    ranked = search(EVERYTHING, [Rung(3, 3), Rung(1, 1)], tmp_path / "log.jsonl", Scripted(), small.images(), ignore)
    assert list(ranked) == [Good, Fair, Poor]
    assert [len(trials) for trials in ranked.values()] == [3, 3, 3]


@pytest.mark.thorough
def test_the_log_of_the_repository_is_whole_and_of_its_candidates() -> None:
    ranked = search(candidates.CANDIDATES, candidates.RUNGS, candidates.LOG, Scripted(runs=0), small.images(), ignore)
    trials = [trial for of_one in ranked.values() for trial in of_one]
    assert sorted(trials, key=repr) == sorted(read(candidates.LOG), key=repr)
    assert all(trial.candidate == candidate.title for candidate, of_one in ranked.items() for trial in of_one)
    named = [getattr(candidates, candidate.__name__) for candidate in ranked]
    assert named == list(ranked)  # as a worker process finds them


@pytest.mark.thorough
def test_the_command_prints_the_best_first(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(data, "load", lambda path=None: small.images(10_100))
    assert main(["search", "frontier", "--engine", "local", "--device", "cpu"]) == 0
    first, second = capsys.readouterr().out.splitlines()[2:4]
    assert first.split()[-5:] == ["6,982", "2", "99.33", "99.30", "99.46"]
    assert second.split()[-5:] == ["2,994", "2", "99.31", "99.25", "99.38"]


def test_a_run_that_is_lost_is_reported_after_the_others_are_in_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    with pytest.raises(HarnessError, match="^the worker of Fair died$"):
        search(EVERYTHING, RUNGS, log, Unlucky(), small.images(), ignore)
    assert {trial.candidate for trial in read(log)} == {Poor.title, Good.title}


def test_a_candidate_whose_loss_is_not_finite_is_the_last_and_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Poor, "recipe", Recipe(lr=1e37, batch_size=8, epochs=2))
    log, engine, data = tmp_path / "log.jsonl", Local(torch.device("cpu")), hold_out(small.images(), 20)
    for _ in range(2):
        ranked = search([Poor, Good], [Rung(2, 1), Rung(1, 2)], log, engine, data, ignore)
        assert [len(trials) for trials in ranked.values()] == [2, 1]
        assert list(ranked) == [Good, Poor]
        assert sorted((trial.failed is None, trial.seed) for trial in read(log)) == [(False, 0), (True, 0), (True, 1)]
    [failed] = ranked[Poor]
    assert failed.validation == ()
    assert failed.failed is not None
    assert "the loss is nan in epoch" in failed.failed
    assert command._figures([failed]) == ("failed", "", "")


def test_what_was_logged_with_other_final_epochs_is_trained_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log.jsonl"
    for final_epochs in (1, 2):
        monkeypatch.setattr(Good, "final_epochs", final_epochs)
        [[trial]] = search([Good], [Rung(1, 1)], log, Scripted(), small.images(), ignore).values()
        assert len(trial.validation) == final_epochs


def test_a_candidate_of_another_size_than_it_says_is_named_before_anything_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Good, "parameters", 751)
    with pytest.raises(HarnessError, match=r"^jobs/Good says that it has 751 parameters, and has 752$"):
        ranking(tmp_path / "log.jsonl", Scripted(runs=0))


def test_of_candidates_that_no_rung_takes_nothing_is_printed(tmp_path: Path) -> None:
    ranked = search(EVERYTHING, [Rung(1, 1)], tmp_path / "log.jsonl", Scripted(), small.images(), ignore)
    assert [len(trials) for trials in ranked.values()] == [1, 0, 0]
    assert command._table(ranked).row_count == 1


def test_a_log_behind_a_link_stays_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    real, link = tmp_path / "elsewhere" / "log.jsonl", tmp_path / "log.jsonl"
    real.touch()
    link.symlink_to(real)
    space = SimpleNamespace(CANDIDATES=[Good], RUNGS=[Rung(1, 1)], LOG=link)
    monkeypatch.setattr(command, "_candidates", lambda ladder: space)
    monkeypatch.setattr("harness.jobs.engine_of", lambda *_: Scripted())
    monkeypatch.setattr(data, "load", lambda path=None: small.images(10_100))
    assert main(["search", "small"]) == 0
    assert link.is_symlink()
    assert [trial.candidate for trial in read(real)] == [Good.title]


def test_a_ladder_without_candidates_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    for ladder in ("five_steps", "nowhere"):
        assert main(["search", ladder]) == 2
        assert f"{ladder} has no candidates" in capsys.readouterr().err


def test_candidates_that_cannot_be_imported_are_not_taken_for_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken").mkdir()
    for package in (tmp_path, tmp_path / "broken"):
        (package / "__init__.py").touch()
    (tmp_path / "broken" / "candidates.py").write_text("import not_installed_anywhere")
    monkeypatch.setattr(spec, "__path__", [str(tmp_path)])
    assert main(["search", "broken"]) == 2
    raised = "its import raised ModuleNotFoundError: No module named 'not_installed_anywhere'"
    assert f"error: spec.broken.candidates: {raised} (candidates.py, line 1)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("CANDIDATES = []", "RUNGS, a list of harness.jobs.search.Rung, and LOG, the Path of a file; RUNGS is no list"),
        ("CANDIDATES, RUNGS, LOG = [], [], 'x.jsonl'", "LOG is no Path"),
    ],
)
def test_candidates_without_what_a_search_needs_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    package = tmp_path / f"lacking{len(text)}"
    package.mkdir()
    for folder in (tmp_path, package):
        (folder / "__init__.py").touch()
    (package / "candidates.py").write_text(text)
    monkeypatch.setattr(spec, "__path__", [str(tmp_path)])
    assert main(["search", package.name]) == 2
    assert f"{message}\n" in capsys.readouterr().err


def test_a_log_that_cannot_be_written_is_found_before_anything_is_trained(tmp_path: Path) -> None:
    engine, name = Scripted(), "x" * 239
    with pytest.raises(HarnessError, match=f"^cannot write {tmp_path / name}: File name too long; it is as it was$"):
        ranking(tmp_path / name, engine)
    assert engine.done == []
    assert list(tmp_path.iterdir()) == []


class Late(Scripted):
    """Fair fails with seed 1."""

    def run(self, jobs: Sequence[Job], data: MNIST) -> Results:
        for index, update in super().run(jobs, data):
            if jobs[index].step is not Fair or jobs[index].seeds != (1,):
                yield index, update
            elif isinstance(update, Update) and not update.outcomes:
                yield index, Update(b"", {1: HarnessError("the loss of Fair is nan")})


def test_a_candidate_that_fails_with_a_later_seed_is_the_last_too(tmp_path: Path) -> None:
    log, engine, rungs = tmp_path / "log.jsonl", Late(), [Rung(3, 1), Rung(2, 2), Rung(2, 3)]
    ranked = search([Poor, Fair, Good], rungs, log, engine, small.images(), ignore)
    assert list(ranked) == [Good, Poor, Fair]
    assert (Fair, 2) not in engine.done
    assert (Poor, 2) in engine.done


class Rising(Scripted):
    """The training accuracy rises, and an epoch takes 1.25 seconds."""

    def run(self, jobs: Sequence[Job], data: MNIST) -> Results:
        for index, job in enumerate(jobs):
            yield index, Update(b"")
            for number, accuracy in ((1, 80.0), (2, 91.0)):
                self.on_steps(job.step, job.seeds, number, 2)
                yield index, Update(b"", {seed: Epoch(number, accuracy, 94.0, 0.5, 1.25) for seed in job.seeds})


def test_a_search_shows_what_it_trains_and_logs_the_last_training_accuracy_and_all_seconds(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    space = SimpleNamespace(CANDIDATES=[Good], RUNGS=[Rung(1, 1)], LOG=tmp_path / "log.jsonl")
    seen: list[Any] = []
    monkeypatch.setattr(command, "_candidates", lambda ladder: space)
    monkeypatch.setattr("harness.jobs.engine_of", lambda *_: Rising())
    monkeypatch.setattr(data, "load", lambda path=None: small.images(10_100))
    monkeypatch.setattr(Display, "on_steps", lambda _, *words: seen.append(words))
    assert main(["search", "small"]) == 0
    [trial] = read(space.LOG)
    assert (trial.parameters, trial.train, trial.seconds) == (752, 91.0, 2.5)
    assert seen == [(Good, (0,), 1, 2), (Good, (0,), 2, 2)]
    assert "jobs/Good seed 0 epoch 2/2: train 91.00 held out 94.00" in capsys.readouterr().err
