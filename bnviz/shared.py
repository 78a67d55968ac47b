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

SHARE = 0.1
"""Of a core, for making things that changed: where many different ones are wanted, each is made less often."""

MOST_HOLD = 0.9
"""Seconds that this may delay a thing: whoever looks once a second sees something new every time."""

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
        age = time.monotonic() - slot.begun
        return age < self._hold or (self._hold > 0 and age < min(MOST_HOLD, self._work() / SHARE))

    def _work(self) -> float:
        """Seconds of the processor that it takes to make once all that was made of late."""
        lately = time.monotonic() - 2 * MOST_HOLD
        return sum(slot.seconds for slot in self._slots.values() if slot.begun > lately)

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
