"""Finished Recordings in memory: training is deterministic, so an equal run need not be trained again."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from bnviz.data.lru import Held, Lru
from bnviz.experiment import Experiment, Intervention
from bnviz.recording import Recording


class RecordingCache:
    """The `capacity` Recordings asked for most recently, in at most `most_bytes`. May be called from any thread."""

    def __init__(self, capacity: int, most_bytes: int | None = None) -> None:
        self._lock = threading.Lock()
        self._recordings: Lru[tuple[Experiment, tuple[Intervention, ...]], Recording] = Lru(
            capacity, most_bytes
        )

    def keep(self, recording: Recording) -> None:
        """Keep a finished Recording; beyond the capacity the least recently used is dropped."""
        with self._lock:
            self._recordings.put((recording.experiment, recording.interventions), recording, recording.nbytes)

    def held(self) -> Held:
        """How much is kept."""
        with self._lock:
            return self._recordings.held()

    def find(self, wanted: Sequence[Recording]) -> tuple[Recording, ...] | None:
        """The finished Recordings with these experiments and interventions, or None if one is missing."""
        keys = [(item.experiment, item.interventions) for item in wanted]
        with self._lock:
            found = [item for item in map(self._recordings.get, keys) if item is not None]
        return tuple(found) if len(found) == len(keys) else None
