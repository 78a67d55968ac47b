"""What was measured before, looked at again: as a run of its own, and beside one that trains."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from bnviz.experiment import Experiment
from bnviz.figures.frame.arms import arm_names
from bnviz.runs import RunManager
from bnviz.runs.earlier_recordings import Beside
from tests import recordings

SHORT = Experiment(hidden=(8,), steps=60, batch_size=20)


def until(holds: Callable[[], bool]) -> None:
    while not holds():
        time.sleep(0.01)


def test_a_run_of_recordings_is_finished_and_stays_as_it_is():
    manager = RunManager(workers=1)
    measured = [*recordings.pair(), recordings.recording(Experiment(steps=3000, hidden=(20,) * 5))]
    run = manager.show(measured)
    assert manager.get(run.id) is run
    assert run.recordings == tuple(measured)
    assert (run.state, run.step, run.steps) == ("finished", 3000, 3000)
    for act in (run.play, run.reset, run.advance, run.stop, lambda: run.play(fresh=True)):
        act()
        assert (run.state, run.step) == ("finished", 3000)
        assert run.recordings == tuple(measured)


def test_a_recording_beside_grows_step_by_step_and_is_the_same_object_until_it_does():
    wild = recordings.recording(SHORT.replace(steps=200, seed=3), records=30, diverged_at=40)
    beside = Beside([wild])
    for step in (-1, 0, 10, int(wild.last_step), 40):
        (shown,) = beside.upto(step)
        assert shown.steps.tolist() == [item for item in wild.steps if item <= step]
        assert shown.diverged_at == (40 if step == 40 else None)
        assert beside.upto(step)[0] is shown
    assert beside.upto(-1)[0].snapshots == ()
    assert not Beside([])


@pytest.mark.slow
def test_a_recording_beside_a_run_comes_as_far_as_the_run(trainers):
    wild = recordings.recording(SHORT.replace(steps=200, seed=3), records=30, diverged_at=40)
    run = trainers.open([SHORT.replace(normalizer="none"), SHORT], beside=[wild])
    assert [item.revision for item in run.recordings] == [0, 0, 0]
    run.advance(10)
    until(lambda: run.state == "paused")
    assert len(run.arms) == 2
    assert run.step == 10
    assert run.recordings[2] == replace(wild.upto(10), diverged_at=None)
    assert run.recordings[2] is run.recordings[2]
    run.play()
    until(lambda: run.state == "finished")
    assert run.recordings[2] == wild
    assert [item.last_step for item in run.recordings] == [60, 60, 39]
    run.reset()
    assert [item.revision for item in run.recordings] == [0, 0, 0]


def test_arms_of_several_runs_are_named_by_the_fields_that_tell_them_apart():
    wide, deep = Experiment(hidden=(20, 20), momentum=0.5), Experiment(hidden=(50,) * 5, momentum=0.9)
    experiments = [
        wide.replace(normalizer="none"),
        wide,
        deep.replace(learning_rate=0.1),
        deep,
        deep.replace(normalizer="none"),
    ]
    names = arm_names(experiments)
    assert len(set(names)) == 5
    assert names[0] == "2 × 20 units, no normalization, learning rate 0.5 …"
    assert arm_names(experiments[:2]) == ("no normalization", "batch norm")
    assert arm_names([Experiment(), deep]) == ("3 × 100 units, momentum 0", "5 × 50 units, momentum 0.9")
