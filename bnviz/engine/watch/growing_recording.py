"""A Recording in the making, which offers whatever a Recording does."""

from __future__ import annotations

from typing import Any

from bnviz.engine.watch.recorded import Recorded
from bnviz.recording import Recording
from bnviz.recording.watched import Note


class InTheMaking:
    """Whatever a Recording offers is offered here too, as of the latest record of `recorded`."""

    def __init__(self, recorded: Recorded) -> None:
        self._recorded = recorded

    @property
    def recording(self) -> Recording:
        """What was recorded in training, or in another mode where nothing was. Raises WatchError before a record."""
        return self._recorded.recording

    @property
    def evaluation(self) -> Recording | None:
        """What was recorded in evaluation mode, a series of its own; None where nothing was."""
        return self._recorded.evaluation

    @property
    def notes(self) -> tuple[Note, ...]:
        """What was measured and what was not, and why; also before anything was."""
        return self._recorded.notes

    def __str__(self) -> str:
        """What was recorded, and the notes, a line each; each mode's series apart and by its name."""
        main = self._recorded.main
        if main is None or main.recording is None:
            return "\n".join(
                [f"{self._recorded.name}: nothing was recorded yet", *(f"  {note}" for note in self.notes)]
            )
        return "\n".join(map(str, self._recorded.recordings or (self.recording,)))

    def _repr_html_(self) -> str:
        """What a notebook shows of it: each mode's series apart and by its name."""
        from bnviz.notebook.page import recording_html, text_html  # it draws

        recordings = self._recorded.recordings
        return recording_html(recordings) if recordings else text_html(str(self))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # it is asked for before it is there
            raise AttributeError(name)
        return getattr(self.recording, name)

    def __eq__(self, other: object) -> bool:
        """Equal to a Recording, or to another in the making, of the same numbers."""
        return self.recording == (other.recording if isinstance(other, InTheMaking) else other)

    __hash__ = None  # type: ignore[assignment]
