"""What the arms of a run have recorded so far, and what was changed in them while they train."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bnviz.experiment import Experiment, Intervention
from bnviz.recording import Recording
from bnviz.runs.actor import Progress


class Trained:
    """The arms' Recordings from step 0 on. Whoever changes it must hold the run's lock.

    planned: the Interventions of each arm. measured: earlier Recordings, in place of arms or up to
    the steps `reached`. reached: the arms' steps.
    """

    def __init__(
        self,
        arms: Sequence[Experiment],
        planned: Sequence[tuple[Intervention, ...]],
        measured: tuple[Recording, ...] = (),
        reached: tuple[int, ...] = (),
    ) -> None:
        self.recordings = measured or tuple(
            Recording(arm, items) for arm, items in zip(arms, planned, strict=True)
        )
        self.reached = reached or tuple(item.last_step for item in measured) or (0,) * len(arms)
        self._changes: list[dict[str, float]] = [{} for _ in arms]  # not yet applied

    @property
    def step(self) -> int:
        """The step of the arm that is furthest."""
        return max(self.reached)

    @property
    def steps(self) -> int:
        """How many steps the longest arm takes."""
        return max(item.planned_steps for item in self.recordings)

    @property
    def nbytes(self) -> int:
        """About how many bytes of memory the Recordings take."""
        return sum(item.nbytes for item in self.recordings)

    @property
    def begun(self) -> bool:
        """Whether every arm has a record."""
        return all(recording.snapshots for recording in self.recordings)

    @property
    def finished(self) -> bool:
        """Whether every arm has taken its last step, or diverged."""
        return all(recording.finished for recording in self.recordings)

    def append(self, progress: Mapping[int, Progress]) -> None:
        """Append what the arms returned, by the arm's index."""
        recordings, steps = list(self.recordings), list(self.reached)
        for index, part in progress.items():
            recordings[index] = _longer(recordings[index], part)
            steps[index] = part.step
        self.recordings, self.reached = tuple(recordings), tuple(steps)

    def change(self, field: str, value: float, arm: int | None) -> None:
        """Note a change of one arm, or of all; `apply_changes` makes it."""
        for index in range(len(self._changes)) if arm is None else (arm,):
            self._changes[index][field] = value

    def apply_changes(self) -> bool:
        """Add the changes noted to the Recordings, as Interventions at the arms' steps. Returns whether there are."""
        if not any(self._changes):
            return False
        recordings = list(self.recordings)
        for index, changes in enumerate(self._changes):
            for name, value in changes.items():
                new = Intervention(self.reached[index], name, value)
                others = (
                    item
                    for item in recordings[index].interventions
                    if (item.step, item.field) != (new.step, new.field)  # the last value counts
                )
                recordings[index] = replace(recordings[index], interventions=(*others, new))
            changes.clear()
        self.recordings = tuple(recordings)
        return True


def _longer(recording: Recording, progress: Progress) -> Recording:
    """The Recording with the new snapshots of `progress`: a rebuilt trainer returns step 0 again."""
    if not recording.snapshots:
        recording = replace(recording, provenance=progress.provenance)
    last = recording.last_step if recording.snapshots else -1
    new = [item for item in progress.snapshots if item.step > last]
    return recording.extended(new, diverged_at=progress.diverged_at)
