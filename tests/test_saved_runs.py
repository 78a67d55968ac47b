"""Runs saved on the disk: after a restart of the server they go on, to the same numbers, and say so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bnviz.engine.checkpoints import saved as saved_trainer
from bnviz.engine.trainer import Trainer, train
from bnviz.experiment import Experiment, Intervention
from bnviz.recording import Recording
from bnviz.runs import Run, RunManager, saved_runs
from bnviz.runs.checkpoints import Checkpoints
from bnviz.runs.saved_runs import SavedRun, SavedRuns
from tests.test_checkpoints import same
from tests.test_runs import finish, until

BASE = Experiment(dataset="moons", hidden=(4,), steps=400, device="cpu", seed=907)
ARMS = (BASE, BASE.replace(normalizer="none"))
FIRST, LATER = Intervention(10, "momentum", 0.5), Intervention(300, "learning_rate", 0.01)
NAME = "abcd2345"


def interrupted(step: int = 40) -> SavedRun:
    trainers = [Trainer(arm) for arm in ARMS]
    recordings = tuple(
        Recording(arm, (FIRST,), provenance=trainer.provenance).extended(trainer.advance(step, (FIRST,)))
        for arm, trainer in zip(ARMS, trainers, strict=True)
    )
    return SavedRun(recordings, (step, step), tuple(map(saved_trainer, trainers)), True, True)


@pytest.fixture
def folder(trainers_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where `trainers` save runs, soon after each change."""
    monkeypatch.setattr(saved_runs, "SAVE_SECONDS", 0.0)
    return trainers_folder / "saved-runs"


def test_a_file_gives_back_what_was_saved_bit_for_bit() -> None:
    run = interrupted()
    again = SavedRun.from_bytes(run.to_bytes())
    assert replace(again, checkpoints=()) == replace(run, checkpoints=())
    for one, other in zip(run.checkpoints, again.checkpoints, strict=True):
        assert one is not None
        assert other is not None
        assert same(one, other)
    assert SavedRun.from_bytes(replace(run, checkpoints=(None, None)).to_bytes()).checkpoints == (None, None)


def test_a_file_of_another_version_or_a_broken_one_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = SavedRuns(lambda: tmp_path / "runs", 10_000_000)
    assert runs.load(NAME) is None
    runs.save(NAME, "1", interrupted())
    (file,) = (tmp_path / "runs").iterdir()
    content = file.read_bytes()
    assert runs.load(NAME) is not None
    for broken in (b"", content[:-300], content[: len(content) // 2], content.replace(b"moons", b"moans")):
        file.write_bytes(broken)
        assert runs.load(NAME) is None
    file.write_bytes(content)
    other = replace(saved_runs.installed(), torch="0.0.0")
    monkeypatch.setattr(saved_runs, "installed", lambda: other)
    assert runs.load(NAME) is None


def test_another_training_is_not_gone_on_with_and_changes_to_come_are_kept() -> None:
    run = interrupted()
    again = run.planned(ARMS, [(FIRST, LATER), ()])
    assert again is not None
    assert [item.interventions for item in again.recordings] == [(FIRST, LATER), (FIRST,)]
    assert run.planned(ARMS[::-1], [(), ()]) is None
    assert run.planned(ARMS[:1], [()]) is None
    assert run.planned(ARMS, [(Intervention(20, "momentum", 0.1),), ()]) is None


def test_the_files_are_bounded_in_bytes(tmp_path: Path) -> None:
    run = interrupted()
    size = len(run.to_bytes())
    runs = SavedRuns(lambda: tmp_path, int(2.5 * size))
    for name in ("a", "b", "c"):
        runs.save(name, "1", run)
    assert {file.stem for file in tmp_path.iterdir()} == {"b", "c"}
    SavedRuns(lambda: tmp_path, size // 2).save("d", "1", run)
    assert runs.load("d") is None
    runs.save("b", "2", None)
    assert {file.stem for file in tmp_path.iterdir()} == {"c"}
    with pytest.raises(ValueError, match=r"name = '\.\./x'"):
        runs.save("../x", "1", run)


def saved_at(folder: Path, step: int) -> bool:
    found = SavedRuns(lambda: folder, 10_000_000).load(NAME)
    return found is not None and min(found.reached) >= step


def opened(manager: RunManager) -> Run:
    run = manager.open(ARMS, saved_as=NAME)
    run.set_speed(60.0)
    return run


def test_a_run_opened_again_goes_on_from_the_disk_and_says_so(
    trainers: RunManager, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = opened(trainers)
    run.play()
    until(lambda: saved_at(folder, 30))
    run.saved_as = ""
    run.stop()
    kept = Checkpoints(10_000_000)  # none in memory, as after a restart
    monkeypatch.setattr(trainers._trainers, "checkpoints", kept)
    found = SavedRuns(lambda: folder, 10_000_000).load(NAME)
    assert found is not None
    run = opened(trainers)
    assert run.step == max(found.reached)
    first = found.checkpoints[0]
    assert first is not None
    assert first.step > 0
    until(lambda: kept.held().count > 0)
    begin = kept.nearest(ARMS[0], (), found.reached[0])
    assert begin is not None
    assert begin.step >= first.step
    assert run.active  # it trained when it was saved
    assert run.recordings[0].snapshots
    assert "brought back" in run.message
    assert f"step {run.step:,}" in run.message
    run.intervene("learning_rate", 0.3)
    finish(run)
    assert "brought back" in run.message
    assert run.recordings == tuple(train(item.experiment, item.interventions) for item in run.recordings)
    assert run.recordings[0].interventions
    run.reset()
    assert (run.state, run.message, run.step) == ("ready", "", 0)
    until(lambda: not list(folder.glob(f"{NAME}*")))  # what was reset must not come back
    run.saved_as = ""
