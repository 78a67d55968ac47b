"""Figures of no run, kept so that those who see one can export it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass

import plotly.graph_objects as go

from bnviz.data.lru import Held, Lru
from bnviz.export.kinds import Kind
from bnviz.export.stamp import Stamp


@dataclass(frozen=True, eq=False)
class Still:
    """A figure to export. build: draws it for a kind of file. name: the files' name, of letters, digits, hyphens."""

    name: str
    build: Callable[[Kind], go.Figure]
    stamp: Stamp


MOST_BYTES = 40_000_000
"""Of the figures' JSON: what draws a figure holds about as much."""


class Stills:
    """The last `capacity` Stills that were shown, of at most MOST_BYTES. Any thread may use them."""

    def __init__(self, capacity: int = 400) -> None:
        self._lock = threading.Lock()
        self._all: Lru[str, Still] = Lru(capacity, MOST_BYTES)

    def keep(self, content: str, still: Still) -> str:
        """Keep a Still. content: the figure's JSON. Returns the name to get it by."""
        name = hashlib.blake2b(content.encode(), digest_size=16).hexdigest()
        with self._lock:
            self._all.put(name, still, len(content))
        return name

    def held(self) -> Held:
        """How much is kept."""
        with self._lock:
            return self._all.held()

    def get(self, name: str) -> Still | None:
        """The Still of this name, or None."""
        with self._lock:
            return self._all.get(name)
