"""Trains a Recording's experiment again, and compares every number, bit for bit."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace

import numpy as np
from tqdm import tqdm

from bnviz.engine.trainer import Trainer
from bnviz.recording import Recording, Snapshot
from bnviz.recording.snapshot import GRADIENT_EDGES, HISTOGRAM_EDGES, LAYER_COLUMNS, UNIT_COLUMNS

VERSIONS = ("bnviz", "torch", "python", "device")
"""The fields of Provenance that can change a Recording's numbers."""


@dataclass(frozen=True)
class Replay:
    """Two Recordings of one Experiment. before: from the file. again: just made."""

    before: Recording
    again: Recording

    @property
    def agrees(self) -> bool:
        """Whether every number is the same."""
        return self.before == self.again

    @property
    def said(self) -> str:
        """Whether every number agrees; if not, the first that differs, and possible reasons."""
        records, steps = self.before.revision, self.before.last_step
        if self.agrees:
            count = len(self.before.interventions)
            changes = {0: "", 1: ", one change on the way"}.get(count, f", {count} changes on the way")
            whole = "" if self.before.finished else f" of the {self.before.experiment.steps:,} planned"
            return f"Every number agrees: {records} records of {steps:,} steps{whole}{changes}. {self._versions()}"
        return f"Not every number agrees. {self._first()} {self._versions()}"

    def _first(self) -> str:
        """A sentence on the first number that differs."""
        mine = {item.step: item for item in self.before.snapshots}
        theirs = {item.step: item for item in self.again.snapshots}
        for step in sorted(mine.keys() | theirs.keys()):
            if step not in theirs:
                return (
                    f"The file has a record of step {step:,}; trained again, the network diverged before it."
                )
            if step not in mine:
                return f"The file has no record of step {step:,}."
            if found := first_difference(mine[step], theirs[step], self.before):
                return f"The first that differs: {found}, at step {step:,}."
        ends = ["does not diverge" if at is None else f"diverges at step {at:,}" for at in self._ends]
        return f"In the file the network {ends[0]}; trained again, it {ends[1]}."

    @property
    def _ends(self) -> tuple[int | None, int | None]:
        return self.before.diverged_at, self.again.diverged_at

    def _versions(self) -> str:
        """The versions that made the two, and what they may explain."""
        made, now = asdict(self.before.provenance), asdict(self.again.provenance)
        other = [
            f"{name} {made[name] or 'unknown'} then, {now[name]} now"
            for name in VERSIONS
            if made[name] != now[name]
        ]
        same = ", ".join(f"{name} {now[name]}" for name in VERSIONS)
        versions = f"Other versions: {'; '.join(other)}." if other else f"The same versions: {same}."
        if self.agrees:
            return versions
        if other:
            return f"{versions} Numbers may differ in their last digits for that reason."
        return f"{versions} Another kind of processor rounds differently, or the file was changed."


def replay(before: Recording) -> Replay:
    """Train `before` again, up to its last step, and record the same steps.

    Raises ValueError for a network that bnviz did not train; ExperimentError, DatasetError as Trainer does.
    """
    experiment = before.experiment
    if not before.snapshots:
        raise ValueError("there is nothing to compare: this recording holds no record")
    trainer = Trainer(experiment, before.reference_step)
    snapshots = trainer.advance(0, before.interventions)
    with tqdm(total=experiment.steps, unit="step", desc="again", disable=None) as bar:
        for step in _stops(before):
            snapshots += trainer.advance(step - 1 - trainer.step)
            if trainer.step == step - 1:
                # A single step was recorded even if it was not on the schedule.
                snapshots += trainer.advance(1, every_step=True)
            bar.update(trainer.step - bar.n)
    if before.diverged_at is not None:
        trainer.advance(1)  # the update that found no finite loss
    due = trainer.recorder.due.union(before.steps.tolist())
    again = Recording(
        experiment, before.interventions, reference_step=before.reference_step, provenance=trainer.provenance
    )
    uncounted = {
        item.step for item in before.snapshots if item.gradients is None
    }  # as earlier versions recorded
    kept = [
        replace(item, gradients=None) if item.step in uncounted else item
        for item in snapshots
        if item.step in due
    ]
    return Replay(before, again.extended(kept, diverged_at=trainer.diverged_at))


def _stops(before: Recording) -> list[int]:
    """The steps to record, in their order: the recorded ones, and the one at which the network diverged."""
    return sorted({*before.steps.tolist(), before.diverged_at or 0} - {0})


def first_difference(mine: Snapshot, theirs: Snapshot, recording: Recording) -> str:
    """The first number in which two Snapshots of a step differ, in words; "" where none does."""
    names = recording.layer_names
    if at := _place(mine.layers, theirs.layers):
        layer, column = at
        what = f"{LAYER_COLUMNS[column]} of {names[layer]}"
        return _both(what, mine.layers[at], theirs.layers[at])
    if at := _place(mine.units, theirs.units):
        row, column = at
        starts = np.concatenate([[0], np.cumsum(recording.widths)])
        layer = int(np.searchsorted(starts, row, side="right")) - 1
        what = f"{UNIT_COLUMNS[column]} of unit {row - starts[layer] + 1} of {names[layer]}"
        return _both(what, mine.units[at], theirs.units[at])
    if at := _place(mine.histogram, theirs.histogram):
        layer, place = at
        low, high = HISTOGRAM_EDGES[place], HISTOGRAM_EDGES[place + 1]
        what = f"how many inputs of {names[layer]} lie between {low:g} and {high:g}"
        return _both(what, mine.histogram[at], theirs.histogram[at])
    if mine.gradients is not None and theirs.gradients is not None:
        if at := _place(mine.gradients, theirs.gradients):
            layer, place = at
            low, high = GRADIENT_EDGES[place], GRADIENT_EDGES[place + 1]
            what = f"how many gradients of {names[layer]} lie between {low:g} and {high:g}"
            return _both(what, mine.gradients[at], theirs.gradients[at])
    elif mine.gradients is not theirs.gradients:
        return "the gradients are counted in one of the two"
    splits = [[point.split for point in item.curves] for item in (mine, theirs)]
    if splits[0] != splits[1]:
        return f"what was evaluated is {' and '.join(splits[0]) or 'nothing'} in the file, " + (
            f"{' and '.join(splits[1]) or 'nothing'} now"
        )
    for one, other in zip(mine.curves, theirs.curves, strict=True):
        for measure in ("loss", "accuracy", "examples"):
            values = getattr(one, measure), getattr(other, measure)
            if values[0] != values[1] and not all(map(math.isnan, values)):
                return _both(f"{measure} on the {one.split} examples", *values)
    if (mine.boundary is None) != (theirs.boundary is None):
        return "the map of the plane is there in one of the two"
    if (
        mine.boundary is not None
        and theirs.boundary is not None
        and (at := _place(mine.boundary, theirs.boundary))
    ):
        what = f"the probability in row {at[0] + 1}, column {at[1] + 1} of the map, out of 255"
        return _both(what, mine.boundary[at], theirs.boundary[at])
    return ""


def _place(mine: np.ndarray, theirs: np.ndarray) -> tuple[int, ...] | None:
    """The index at which two arrays of one shape first differ; NaN equals NaN."""
    same = (mine == theirs) | ((mine != mine) & (theirs != theirs))
    places = np.argwhere(~same)
    return tuple(int(index) for index in places[0]) if len(places) else None


def _both(what: str, then: float, now: float) -> str:
    """Both values, with enough digits to show the difference."""
    return f"{what} is {float(then)!r} in the file and {float(now)!r} now"
