"""Finished Recordings in memory: training is deterministic, so an equal run need not be trained again."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from bnviz.data.lru import Lru
from bnviz.experiment import Experiment, Intervention
from bnviz.recording import Recording


class RecordingCache:
    """The `capacity` Recordings asked for most recently. May be called from any thread."""

    def __init__(self, capacity: int) -> None:
        self._lock = threading.Lock()
        self._recordings: Lru[tuple[Experiment, tuple[Intervention, ...]], Recording] = Lru(capacity)

    def keep(self, recording: Recording) -> None:
        """Keep a finished Recording; beyond the capacity the least recently used is dropped."""
        with self._lock:
            self._recordings.put((recording.experiment, recording.interventions), recording)

    def find(self, wanted: Sequence[Recording]) -> tuple[Recording, ...] | None:
        """The finished Recordings with these experiments and interventions, or None if one is missing."""
        keys = [(item.experiment, item.interventions) for item in wanted]
        with self._lock:
            found = [item for item in map(self._recordings.get, keys) if item is not None]
        return tuple(found) if len(found) == len(keys) else None
