"""Counts of what virtual users receive: answers, updates, bytes and failures."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field

import numpy as np


@dataclass
class Tally:
    """Counts over one stretch of time.

    figures, statuses: seconds of each answer, by what was asked for. updates: when a user received a new figure,
    by the user's number and the figure. bytes: received, headers included. unchanged: answers 304.
    """

    figures: list[float] = field(default_factory=list)
    statuses: list[float] = field(default_factory=list)
    updates: defaultdict[tuple[int, str], list[float]] = field(default_factory=lambda: defaultdict(list))
    bytes: int = 0
    unchanged: int = 0
    failures: Counter[str] = field(default_factory=Counter)

    def update(self, user: int, figure: str) -> None:
        """Count a new figure of a user."""
        self.updates[user, figure].append(time.perf_counter())

    def expect(self, user: int, figure: str) -> None:
        """Let a figure of a user count as never updated until it comes."""
        self.updates[user, figure]  # a defaultdict makes the entry

    @property
    def pictures(self) -> int:
        """How many new figures there were in all."""
        return sum(map(len, self.updates.values()))

    def rates(self, seconds: float) -> np.ndarray:
        """New figures a second, for each user that of the figure with the fewest, (users,)."""
        least: dict[int, float] = {}
        for (user, _), times in self.updates.items():
            least[user] = min(_rate(times, seconds), least.get(user, np.inf))
        return np.array(list(least.values()))


def _rate(times: list[float], seconds: float) -> float:
    """Updates a second from the first to the last, as the stretch begins and ends between two.

    It is at most what fits the whole stretch.
    """
    if len(times) < 2:
        return len(times) / seconds
    return min((len(times) - 1) / (times[-1] - times[0]), (len(times) + 1) / seconds)


def percentile(values: list[float], percent: float) -> float:
    """The percentile of the values; NaN without values."""
    return float(np.percentile(values, percent)) if values else float("nan")
