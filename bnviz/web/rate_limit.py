"""Limits how fast new voters may come from one address: a script cannot vote by the thousand, a lecture can vote."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from bnviz.data.lru import Lru

BURST = 150
"""New voters that one address may bring at once: a lecture behind one router, all scanning the code."""

REFILL_SECONDS = 2.0
"""Seconds until one more new voter may come from the address."""

_CAPACITY = 10_000


class RateLimit:
    """A token bucket for each class and address. For any thread.

    Only a new voter takes a token; a known voter is not counted.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: Lru[tuple[str, str], tuple[float, float]] = Lru(_CAPACITY)  # tokens, as of when

    def allows(self, code: str, address: str) -> bool:
        """Whether one more new voter may come from the address now; if so, takes a token."""
        now, key = self._clock(), (code, address[:64])
        with self._lock:
            tokens, since = self._buckets.get(key) or (float(BURST), now)
            tokens = min(BURST, tokens + (now - since) / REFILL_SECONDS)
            allowed = tokens >= 1
            self._buckets.put(key, (tokens - allowed, now))
        return allowed
