"""What is made once and served to all: the first request for a thing makes it, the others wait.

A figure that changes is made anew at most a few times a second, however many people watch it.
"""

from __future__ import annotations

import asyncio
import gzip
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

import anyio
from anyio import to_thread

SHARE = 0.3
"""Of a core, for making things that changed: where many different ones are wanted, each is made less often."""

ONE_PAGE = 6
"""As many things are made as often as `hold` allows: somebody alone before a page is to see it move."""

MOST_HOLD = 5.0
"""Seconds that this may delay a thing."""

CROWD, CROWD_HOLD = 8, 0.9
"""A thing asked for as often as this since it was made is watched by many, who look once a second. As many
seconds old it may be: each of them still sees something new every time."""

LATELY = 7.0
"""Seconds of which the work is counted: a little more than anything is delayed."""

COMPRESSION = 5
"""gzip's level. On a figure, 9 takes three times as long as 5 and saves two percent."""


@dataclass(frozen=True)
class Body:
    """Bytes ready to be sent, plain and compressed, and the version of what they show."""

    version: str
    plain: bytes
    compressed: bytes


@dataclass
class _Slot:
    version: str
    begun: float
    making: asyncio.Task[Body]
    seconds: float  # of the processor, that making it took the last time
    requests: int = 0  # since then


class SharedBodies:
    """The latest Body of each slot, the least recently used dropped beyond `size`.

    hold: a slot made less than this many seconds ago is served even if a newer version was asked for, and
    one made a little longer ago where much is to be made. 0 for what must never be old.
    """

    def __init__(self, size: int = 256, hold: float = 0.2, threads: int = 2) -> None:
        self._size = size
        self._hold = hold
        self._limiter = anyio.CapacityLimiter(threads)
        self._slots: OrderedDict[Hashable, _Slot] = OrderedDict()

    async def get(self, key: Hashable, version: str, make: Callable[[], bytes]) -> Body:
        """The Body for `key`, made by `make` in a thread unless it is there or on its way.

        Raises what `make` raises, to all who wait for it; the next request tries again.
        """
        slot = self._slots.get(key)
        if slot is None or not self._serves(slot, version):
            making = asyncio.ensure_future(self._make(key, version, make))
            slot = self._slots[key] = _Slot(version, time.monotonic(), making, slot.seconds if slot else 0.0)
            while len(self._slots) > self._size:
                self._slots.popitem(last=False)
        slot.requests += 1
        self._slots.move_to_end(key)
        return await asyncio.shield(slot.making)  # whoever leaves early takes nothing from the others

    def _serves(self, slot: _Slot, version: str) -> bool:
        """Whether a request for `version` is answered by what is in the slot or on its way there."""
        if not slot.making.done():
            return True
        if slot.making.cancelled() or slot.making.exception() is not None:
            return False
        if slot.version == version:
            return True
        return time.monotonic() - slot.begun < self._term(slot)

    def rest(self, key: Hashable) -> float:
        """Seconds until something newer than what is there for `key` may be made."""
        slot = self._slots.get(key)
        return max(0.0, slot.begun + self._term(slot) - time.monotonic()) if slot else 0.0

    def _term(self, slot: _Slot) -> float:
        """Seconds for which the slot is served: longer than `hold` for a crowd, and where there is much to make."""
        if not self._hold:
            return 0.0
        crowd = CROWD_HOLD if slot.requests >= CROWD else 0.0
        lately = time.monotonic() - LATELY
        made = [item.seconds for item in self._slots.values() if item.begun > lately]
        busy = sum(made) / SHARE if len(made) > ONE_PAGE else 0.0
        return max(self._hold, crowd, min(MOST_HOLD, busy))

    async def _make(self, key: Hashable, version: str, make: Callable[[], bytes]) -> Body:
        def in_thread() -> tuple[Body, float]:
            started = time.thread_time()
            plain = make()
            body = Body(version, plain, gzip.compress(plain, COMPRESSION, mtime=0))
            return body, time.thread_time() - started

        body, seconds = await to_thread.run_sync(in_thread, limiter=self._limiter)
        if key in self._slots:
            self._slots[key].seconds = seconds
        return body
