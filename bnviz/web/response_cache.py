"""Bodies of responses, built once and sent to all: the first request builds a body, the others wait for it.

A figure that changes is built anew at most a few times a second, however many people watch it.
"""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass

import anyio
from anyio import to_thread

from bnviz.data.lru import Held, Lru

BUILD_SHARE = 0.3
"""The share of a core that building may take. The more there is to build, the less often each body is built."""

ONE_PAGE = 6
"""Up to so many bodies are built as often as `lifetime` allows, so that one viewer alone sees every change."""

MAX_LIFETIME = 5.0
"""Seconds: the longest lifetime that BUILD_SHARE may cause."""

CROWD_REQUESTS = 8
"""A body with so many requests since it was built has a crowd of viewers."""

CROWD_LIFETIME = 0.9
"""Seconds: the lifetime for a crowd. Its pages ask once a second, so each still gets something new every time."""

RECENT_SECONDS = 7.0
"""How far back building counts as recent: a little longer than any lifetime."""

MOST_BYTES = 40_000_000
"""Of one cache."""

COMPRESSION = 5
"""gzip's level. On a figure, 9 takes three times as long as 5 and saves two percent."""


@dataclass(frozen=True)
class Body:
    """The bytes of a response, plain and compressed, and the version of what they show."""

    version: str
    plain: bytes
    compressed: bytes

    @property
    def nbytes(self) -> int:
        """Of memory."""
        return len(self.plain) + len(self.compressed)


@dataclass
class _Entry:
    version: str
    begun: float  # when building began, by the monotonic clock
    building: asyncio.Task[Body]
    seconds: float  # of processor time that the last building took
    requests: int = 0  # since building began


class ResponseCache:
    """The latest Body for each key; beyond `capacity` or `most_bytes` the least recently used is dropped.

    lifetime: a body built less than this many seconds ago is sent even if the request is for a newer version.
    The lifetime grows where much is to be built and where a crowd watches; 0 is for what must never be old.
    threads: how many bodies are built at a time.
    """

    def __init__(
        self, capacity: int = 256, lifetime: float = 0.2, threads: int = 2, most_bytes: int = MOST_BYTES
    ) -> None:
        self._lifetime = lifetime
        self._limiter = anyio.CapacityLimiter(threads)
        self._entries: Lru[Hashable, _Entry] = Lru(capacity, most_bytes)

    async def get(self, key: Hashable, version: str, build: Callable[[], bytes]) -> Body:
        """The Body for `key`. `build` runs in a thread, unless a body is cached or being built.

        Raises what `build` raises, for all who wait for it; the next request builds again.
        """
        entry = self._entries.get(key)
        if entry is None or not self._usable(entry, version):
            building = asyncio.ensure_future(self._build(key, version, build))
            entry = _Entry(version, time.monotonic(), building, entry.seconds if entry else 0.0)
            self._entries.put(key, entry)
        entry.requests += 1
        return await asyncio.shield(entry.building)  # a client that leaves cancels nothing for the others

    def held(self) -> Held:
        """How much is kept."""
        return self._entries.held()

    def fresh_seconds(self, key: Hashable) -> float:
        """Seconds until a newer body for `key` may be built."""
        entry = self._entries.peek(key)
        return max(0.0, entry.begun + self._lifetime_of(entry) - time.monotonic()) if entry else 0.0

    def _usable(self, entry: _Entry, version: str) -> bool:
        """Whether the entry answers a request for `version`."""
        if not entry.building.done():
            return True
        if entry.building.cancelled() or entry.building.exception() is not None:
            return False
        if entry.version == version:
            return True
        return time.monotonic() - entry.begun < self._lifetime_of(entry)

    def _lifetime_of(self, entry: _Entry) -> float:
        """Seconds for which the entry is sent to all, whatever version they ask for."""
        if not self._lifetime:
            return 0.0
        crowd = CROWD_LIFETIME if entry.requests >= CROWD_REQUESTS else 0.0
        since = time.monotonic() - RECENT_SECONDS
        costs = [item.seconds for item in self._entries.values() if item.begun > since]
        load = sum(costs) / BUILD_SHARE if len(costs) > ONE_PAGE else 0.0
        return max(self._lifetime, crowd, min(MAX_LIFETIME, load))

    async def _build(self, key: Hashable, version: str, build: Callable[[], bytes]) -> Body:
        def in_thread() -> tuple[Body, float]:
            started = time.thread_time()
            plain = build()
            body = Body(version, plain, gzip.compress(plain, COMPRESSION, mtime=0))
            return body, time.thread_time() - started

        body, seconds = await to_thread.run_sync(in_thread, limiter=self._limiter)
        if entry := self._entries.peek(key):
            entry.seconds = seconds
            self._entries.weigh(key, body.nbytes)
        return body
