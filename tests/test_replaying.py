"""Replay: every number again, or the first that is another one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from bnviz.cli import app
from bnviz.engine.replay import first_difference, replay
from bnviz.engine.trainer import Trainer, train
from bnviz.experiment import Experiment, Intervention
from bnviz.experiment.comparison import Comparison
from bnviz.export import Stamp
from bnviz.recording import Recording, Snapshot

SMALL = Experiment(dataset="moons", hidden=(4, 3), steps=60, device="cpu")
CHANGES = (Intervention(20, "learning_rate", 5.0), Intervention(40, "momentum", 0.5))


@pytest.fixture(scope="module")
def recording() -> Recording:
    return train(SMALL, CHANGES)


def changed(recording: Recording, index: int, **parts: object) -> Recording:
    """The Recording with other parts in one of its snapshots."""
    snapshots = list(recording.snapshots)
    snapshots[index] = replace(snapshots[index], **parts)
    return replace(recording, snapshots=tuple(snapshots))


def nudged(values: np.ndarray, *place: int) -> np.ndarray:
    """The array with the next larger number in one place."""
    result = values.copy()
    result[place] = np.nextafter(result[place], np.inf) if values.dtype.kind == "f" else result[place] + 1
    return result


def test_a_replay_repeats_the_changes_that_were_made_on_the_way(recording):
    assert train(SMALL).curves["loss"].iloc[-1] != recording.curves["loss"].iloc[-1]
    done = replay(recording)
    assert done.agrees
    assert "2 changes on the way" in done.said
    assert "The same versions: bnviz" in done.said


def test_a_training_that_was_paused_is_replayed_as_far_as_it_went(recording):
    done = replay(recording.upto(33))
    assert done.agrees
    assert "of 33 steps of the 60 planned" in done.said


def test_steps_that_were_taken_singly_are_recorded_again():
    experiment = SMALL.replace(steps=50_000)
    trainer = Trainer(experiment)
    parts = trainer.advance(103) + trainer.advance(3, every_step=True) + trainer.advance(30)
    before = Recording(experiment, snapshots=tuple(parts))
    assert 105 not in trainer.recorder.due
    assert replay(before).agrees


def test_a_network_that_diverged_diverges_at_the_same_step():
    wild = {"hidden": (20, 20, 20), "init_scale": 3.0, "momentum": 0.9, "learning_rate": 100.0}
    before = train(SMALL.replace(normalizer="none", activation="relu", **wild))
    assert before.diverged_at is not None
    assert replay(before).agrees
    later = replace(before, diverged_at=before.diverged_at + 1)
    assert f"trained again, it diverges at step {before.diverged_at}." in replay(later).said


@pytest.mark.parametrize(
    ("part", "place", "told"),
    [
        ("layers", (1, 0), "mean of layer 2"),
        ("layers", (0, 9), "saturated of layer 1"),
        ("units", (5, 1), "q50 of unit 2 of layer 2"),
        ("histogram", (0, 30), "how many inputs of layer 1 lie between"),
        ("gradients", (1, 60), "how many gradients of layer 2 lie between"),
        ("boundary", (3, 4), "the probability in row 4, column 5 of the map"),
    ],
)
def test_a_tampered_number_is_named_with_its_place_and_both_values(recording, part, place, told, tmp_path):
    index = next(i for i, item in enumerate(recording.snapshots) if i > 2 and item.boundary is not None)
    before = recording.snapshots[index]
    path = tmp_path / "tampered.bnviz"
    changed(recording, index, **{part: nudged(getattr(before, part), *place)}).save(path)
    result = CliRunner().invoke(app, ["replay", str(path)])
    assert result.exit_code == 1
    assert f"The first that differs: {told}" in result.output
    assert f"at step {before.step:,}" in result.output
    assert repr(float(getattr(before, part)[place])) in result.output
    assert "the file was changed" in result.output


def test_a_tampered_loss_is_named(recording):
    last = recording.snapshots[-1]
    first, *rest = last.curves
    other = replace(last, curves=(replace(first, loss=first.loss + 1e-9), *rest))
    assert first_difference(other, last, recording).startswith("loss on the train examples is ")


def test_every_part_of_a_snapshot_is_compared(recording):
    first: Snapshot = recording.snapshots[-1]
    assert first_difference(first, first, recording) == ""
    assert "nothing in the file" in first_difference(replace(first, curves=()), first, recording)
    assert "one of the two" in first_difference(replace(first, boundary=None), first, recording)


def test_a_recording_of_before_gradients_were_counted_is_replayed_without_a_difference(recording):
    old = replace(recording, snapshots=tuple(replace(item, gradients=None) for item in recording.snapshots))
    done = replay(old)
    assert done.agrees
    assert all(item.gradients is None for item in done.again.snapshots)


def test_a_record_that_was_cut_out_is_missed(recording):
    step = recording.snapshots[4].step
    cut = replace(recording, snapshots=recording.snapshots[:4] + recording.snapshots[5:])
    assert f"The file has no record of step {step}" in replay(cut).said


def test_another_version_of_torch_is_told_where_numbers_differ_and_where_they_do_not(recording):
    older = replace(recording, provenance=replace(recording.provenance, torch="1.2.3"))
    assert "torch 1.2.3 then, " in replay(older).said
    other = changed(older, 3, layers=nudged(older.snapshots[3].layers, 0, 0))
    assert "may differ in their last digits for that reason" in replay(other).said
    assert "the file was changed" not in replay(other).said


def test_an_empty_recording_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match="holds no record"):
        replay(Recording(SMALL))


def test_the_link_in_a_stamp_repeats_the_changes_number_by_number(recording):
    other = train(SMALL.replace(normalizer="none"), CHANGES[:1])
    link = Stamp.of([other, recording]).link
    query = dict(part.split("=") for part in link.removeprefix("?").split("&"))
    comparison, ignored = Comparison.salvage(query)
    assert ignored == ()
    again = [train(arm, items) for arm, items in zip(comparison.arms, comparison.interventions, strict=True)]
    for mine, theirs in zip((other, recording), again, strict=True):
        pd.testing.assert_frame_equal(mine.layers, theirs.layers, check_exact=True)
        pd.testing.assert_frame_equal(mine.curves, theirs.curves, check_exact=True)
