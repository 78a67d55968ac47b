"""Earlier Recordings beside a run, which grow as it does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bnviz.recording import Recording


class Beside:
    """Recordings that are shown up to the step of a run."""

    def __init__(self, recordings: Sequence[Recording]) -> None:
        self._whole = tuple(recordings)
        self._shown: tuple[Recording, ...] = ()

    def __bool__(self) -> bool:
        return bool(self._whole)

    def upto(self, step: int) -> tuple[Recording, ...]:
        """The Recordings up to the step, -1 for none of their records; the same objects until they grow."""
        wanted = [
            (int(np.searchsorted(item.steps, step, side="right")), _diverged_by(item, step))
            for item in self._whole
        ]
        if wanted != [(item.revision, item.diverged_at) for item in self._shown]:
            self._shown = tuple(
                replace(item.upto(step), diverged_at=_diverged_by(item, step)) for item in self._whole
            )
        return self._shown


def _diverged_by(recording: Recording, step: int) -> int | None:
    """The step at which the Recording diverged, if it did by `step`."""
    diverged_at = recording.diverged_at
    return diverged_at if diverged_at is not None and diverged_at <= step else None
