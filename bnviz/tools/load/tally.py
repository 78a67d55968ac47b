"""What visitors lived through while it was looked at: answers, updates, bytes, and what went wrong."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field

import numpy as np


@dataclass
class Tally:
    """Counts of one stretch of time. Seconds of each answer, by what was asked for.

    updates: when a visitor got a new picture, by visitor and figure. bytes: received, with all headers.
    """

    figures: list[float] = field(default_factory=list)
    statuses: list[float] = field(default_factory=list)
    openings: list[float] = field(default_factory=list)
    scripts: list[float] = field(default_factory=list)
    updates: defaultdict[tuple[int, str], list[float]] = field(default_factory=lambda: defaultdict(list))
    bytes: int = 0
    unchanged: int = 0
    failures: Counter[str] = field(default_factory=Counter)

    def update(self, visitor: int, figure: str) -> None:
        """A visitor has a new picture."""
        self.updates[visitor, figure].append(time.perf_counter())

    def expect(self, visitor: int, figure: str) -> None:
        """Count this figure of this visitor even if it never comes."""
        self.updates[visitor, figure]  # a defaultdict makes the entry

    @property
    def pictures(self) -> int:
        """How many new pictures there were in all."""
        return sum(map(len, self.updates.values()))

    def rates(self, seconds: float) -> np.ndarray:
        """New pictures a second of each visitor's least fortunate figure, (visitors,), over so many seconds."""
        least: dict[int, float] = {}
        for (visitor, _), times in self.updates.items():
            least[visitor] = min(_rate(times, seconds), least.get(visitor, np.inf))
        return np.array(list(least.values()))


def _rate(times: list[float], seconds: float) -> float:
    """Between the first and the last, for the ends of the stretch fall anywhere; not more than fits all of it."""
    if len(times) < 2:
        return len(times) / seconds
    return min((len(times) - 1) / (times[-1] - times[0]), (len(times) + 1) / seconds)


def percentile(values: list[float], percent: float) -> float:
    """What `percent` of the values stay below; not a number without values."""
    return float(np.percentile(values, percent)) if values else float("nan")
