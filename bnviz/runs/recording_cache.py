"""Finished Recordings in memory: training is deterministic, so an equal run need not be trained again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence

from bnviz.experiment import Experiment, Intervention
from bnviz.recording import Recording


class RecordingCache:
    """The `capacity` Recordings asked for most recently. May be called from any thread."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._lock = threading.Lock()
        self._recordings: OrderedDict[tuple[Experiment, tuple[Intervention, ...]], Recording] = OrderedDict()

    def keep(self, recording: Recording) -> None:
        """Keep a finished Recording; beyond the capacity the least recently used is dropped."""
        with self._lock:
            key = (recording.experiment, recording.interventions)
            self._recordings[key] = recording
            self._recordings.move_to_end(key)
            while len(self._recordings) > self._capacity:
                self._recordings.popitem(last=False)

    def find(self, wanted: Sequence[Recording]) -> tuple[Recording, ...] | None:
        """The finished Recordings with these experiments and interventions, or None if one is missing."""
        keys = [(item.experiment, item.interventions) for item in wanted]
        with self._lock:
            if not all(key in self._recordings for key in keys):
                return None
            for key in keys:
                self._recordings.move_to_end(key)
            return tuple(self._recordings[key] for key in keys)
