"""What was recorded in each mode of a model, and what is told of it, as Recordings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from torch import Tensor

from bnviz.engine.watch import requests
from bnviz.engine.watch.observation import Found, Observation
from bnviz.engine.watch.passes import EVALUATION, TRAINING
from bnviz.engine.watch.series import Series
from bnviz.engine.watch.weight_changes import Sizes
from bnviz.recording import CurvePoint, Provenance, Recording
from bnviz.recording.watched import MAX_NOTES, Note, WatchError


class Recorded:
    """The series of each mode, and the notes on all of them.

    name: of the network. asked: the modules to record; None for whatever a nonlinearity receives.
    remarks: asked for what is to be told of the updates, one sentence each.
    """

    def __init__(
        self,
        name: str,
        asked: frozenset[str] | None,
        provenance: Provenance,
        remarks: Callable[[], Sequence[str]],
    ) -> None:
        self.name = name
        self.asked = asked
        self._provenance = provenance
        self._remarks = remarks
        self._series: dict[str, Series] = {}
        self._notes: dict[str, Note] = {}

    # What there is

    def series(self, mode: str) -> Series | None:
        """The records of a mode; None where no pass in it was seen."""
        return self._series.get(mode)

    @property
    def main(self) -> Series | None:
        """The series of training; where that has no record, another that has."""
        order = sorted(self._series.values(), key=lambda series: series.mode != TRAINING)
        recorded = [series for series in order if series.last_step is not None]
        begun = [series for series in order if series.begun]
        return next(iter(recorded or begun or order), None)

    @property
    def begun(self) -> bool:
        """Whether it is known in any mode which layers are recorded."""
        return any(series.begun for series in self._series.values())

    @property
    def last_step(self) -> int:
        """The latest recorded step; 0 before the first."""
        return max((series.last_step or 0 for series in self._series.values()), default=0)

    def has(self, step: int) -> bool:
        """Whether there is a record of the step, or there cannot be one."""
        return any(series.last_step == step or series.diverged for series in self._series.values())

    @property
    def weights(self) -> list[Tensor]:
        """The weights of all recorded layers, each once."""
        weights = (weight for series in self._series.values() for weight in series.weights)
        return list({id(weight): weight for weight in weights}.values())

    # As Recordings

    @property
    def recording(self) -> Recording:
        """What was recorded in training, or in another mode where nothing was. Raises WatchError before a record."""
        series = self.main
        if series is None or not series.begun:
            told = "; ".join(str(note) for note in self.notes)
            raise WatchError(
                f"nothing was recorded yet: {told or 'the model has made no pass since it is watched'}"
            )
        others = (item for item in self._series.values() if item is not series and item.last_step is not None)
        return replace(self._with_notes(series), other_modes=tuple(map(self._with_notes, others)))

    @property
    def evaluation(self) -> Recording | None:
        """What was recorded in evaluation mode; None where nothing was."""
        series = self._series.get(EVALUATION)
        return None if series is None or not series.begun else self._with_notes(series)

    @property
    def recordings(self) -> tuple[Recording, ...]:
        """What was recorded in each mode, that of training first; empty before the first record."""
        main = self.main
        order = sorted(self._series.values(), key=lambda series: series is not main)
        return tuple(
            self._with_notes(series)
            for series in order
            if series.recording is not None and series.recording.snapshots
        )

    def measured(self) -> list[Recording | None]:
        """Measure what waits for it. Returns each mode's Recording, without notes; None before its first record."""
        for series in self._series.values():
            series.measure()
        return [series.measured_recording for series in self._series.values()]

    @property
    def notes(self) -> tuple[Note, ...]:
        """What was measured and what was not, and why; also before anything was."""
        return self._all_notes(self.main)

    def _all_notes(self, main: Series | None) -> tuple[Note, ...]:
        notes = [*self._notes.values()]
        notes += [Note.of("", text) for text in self._remarks()]
        for series in self._series.values():
            if series is not main and series.recording is not None and series.recording.snapshots:
                told = f"{len(series.recording.snapshots):,} passes in {series.mode} mode are recorded apart"
                notes.append(
                    Note.of("", told + (", see recording.evaluation" if series.mode == EVALUATION else ""))
                )
            elif series is not main:
                notes += [Note.of("", f"passes in {series.mode} mode: {note.text}") for note in series.notes]
        if main is not None:
            notes += main.notes
        return tuple(notes[:MAX_NOTES])

    def _with_notes(self, series: Series) -> Recording:
        recording = series.recording
        assert recording is not None
        watched = recording.watched
        assert watched is not None
        return replace(recording, subject=replace(watched, notes=self._all_notes(series)))

    # What comes in

    def note(self, kind: str, text: str) -> None:
        """Tell something of the whole network; the first of a kind stays."""
        self._notes.setdefault(kind, Note.of("", text))

    def tell(self, step: int, points: Sequence[CurvePoint]) -> None:
        """Add numbers of the program to the records of a step."""
        for series in self._series.values():
            series.tell(step, points)

    def add(
        self, mode: str, observation: Observation, step: int, sizes: Mapping[int, Sizes]
    ) -> Sequence[Found]:
        """Add a record of a pass to the series of its mode, and return what was found: it may be nothing."""
        series = self._series.get(mode)
        if series is None:
            series = self._series[mode] = Series(self.name, mode, self._provenance)
        found = observation.found
        for reason in observation.faults[:1]:
            series.note(
                "",
                "fault",
                f"{len(observation.faults):,} operations could not be followed, the first: {reason}",
            )
        if observation.kinds:
            series.note(
                "",
                "kinds",
                f"tensors of class {', '.join(sorted(observation.kinds))} cannot be followed; give the network plain "
                "ones, such as inputs.as_subclass(torch.Tensor)",
            )
        for name, reason in requests.unmet(self.asked or frozenset(), observation, found):
            series.note("", f"asked {name}", reason)
        unreceived = observation.unreceived if self.asked is None and not series.begun else []
        if found and unreceived:
            series.note("", "unreceived", requests.why_left_out(unreceived))
        if not found and not series.begun:
            series.note("", "nothing", f"nothing is recorded: {requests.why_nothing(self.asked)}")
            return found
        series.add(step, found, sizes)
        return found
