"""Keeps one visitor from voting by the thousand, and lets a whole class behind one address in."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

AT_ONCE = 150
"""New voters that one address may bring at once: a lecture behind one router, all scanning the code."""
EVERY_SECONDS = 2.0
"""How long until one more may come from there."""
_REMEMBERED = 10_000


class Doorkeeper:
    """A bucket of permits for each class and address, refilled slowly. For any thread.

    A voter who is known is not asked again: permits are spent on new ones alone.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: OrderedDict[tuple[str, str], tuple[float, float]] = OrderedDict()  # permits, since

    def admits(self, code: str, address: str) -> bool:
        """Whether one more new voter may come from there now; spends a permit."""
        now, key = self._clock(), (code, address[:64])
        with self._lock:
            permits, since = self._buckets.pop(key, (float(AT_ONCE), now))
            permits = min(AT_ONCE, permits + (now - since) / EVERY_SECONDS)
            admitted = permits >= 1
            self._buckets[key] = (permits - admitted, now)
            while len(self._buckets) > _REMEMBERED:
                self._buckets.popitem(last=False)
        return admitted
