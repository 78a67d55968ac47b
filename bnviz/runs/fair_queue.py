"""A fair queue for worker processes: every person gets the same share of their time, however many runs each has.

Start-time fair queueing (Goyal, Vin and Cheng 1996). Each person has a clock, which shows the worker seconds that
the person has had. The person whose clock is furthest behind comes next. The clock of a person who was away is set
to SAVED_SECONDS before the present, so that an absence earns no more than that.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass

SAVED_SECONDS = 1.0
"""How far a clock may be behind the present: enough to lose nothing by the pause between two calls."""


@dataclass
class Turn:
    """A granted turn. seconds: an estimate of what it takes, to be set to what it took."""

    seconds: float


@dataclass(frozen=True, eq=False)
class _Request:
    granted: asyncio.Future[None]
    seconds: float


class FairQueue:
    """Grants turns on workers. Belongs to one asyncio loop.

    at_once: calls that a worker may have at a time. With two, the next is there when one is done.
    """

    def __init__(self, at_once: int = 2) -> None:
        self._at_once = at_once
        self._busy: Counter[str] = Counter()
        self._waiting: dict[str, OrderedDict[Hashable, deque[_Request]]] = {}
        self._clocks: dict[Hashable, float] = {}
        self._present: Counter[Hashable] = Counter()  # turns that each person has or waits for
        self._now = 0.0  # the clock, at its start, of the latest turn

    @property
    def persons(self) -> int:
        """How many persons have a turn or wait for one."""
        return len(self._present)

    def present(self, person: Hashable) -> int:
        """How many turns the person has or waits for."""
        return self._present[person]

    @asynccontextmanager
    async def turn(self, worker: str, person: Hashable, seconds: float) -> AsyncIterator[Turn]:
        """A turn on `worker`, estimated to take `seconds`; the block is entered when it is granted."""
        self._present[person] += 1
        self._clocks[person] = max(self._now - SAVED_SECONDS, self._clocks.get(person, 0.0))
        turn = Turn(seconds)
        try:
            await self._granted(worker, person, seconds)
            try:
                yield turn
            finally:
                self._end(worker, person, turn.seconds - seconds)
        finally:
            self._present[person] -= 1
            if not self._present[person]:
                del self._present[person]
            self._forget()

    async def _granted(self, worker: str, person: Hashable, seconds: float) -> None:
        """Wait for the turn; the estimate is charged when it is granted."""
        request = _Request(asyncio.get_running_loop().create_future(), seconds)
        persons = self._waiting.setdefault(worker, OrderedDict())
        persons.setdefault(person, deque()).append(request)
        self._next(worker)
        try:
            await request.granted
        except asyncio.CancelledError:
            if not request.granted.cancelled():  # granted meanwhile; otherwise `_next` skips it
                self._end(worker, person, -seconds)
            raise

    def _next(self, worker: str) -> None:
        """Grant turns while the worker is free: the person whose clock is furthest behind comes first."""
        while (persons := self._waiting.get(worker)) and self._busy[worker] < self._at_once:
            person = min(persons, key=lambda item: self._clocks.get(item, 0.0))
            persons.move_to_end(person)  # of equal clocks, the one served longest ago comes first
            request = persons[person].popleft()
            if not persons[person]:
                del persons[person]
            if not persons:
                del self._waiting[worker]
            if request.granted.cancelled():
                continue
            self._now = max(self._now, self._clocks[person])
            self._clocks[person] += request.seconds
            self._busy[worker] += 1
            request.granted.set_result(None)

    def _end(self, worker: str, person: Hashable, more: float) -> None:
        """A turn is over; it took `more` seconds above the estimate."""
        self._clocks[person] += more
        self._busy[worker] -= 1
        if not self._busy[worker]:
            del self._busy[worker]
        self._next(worker)

    def _forget(self) -> None:
        """Delete the clocks of absent persons that the next turn would set to the present anyway."""
        if len(self._clocks) > 2 * len(self._present) + 100:
            self._clocks = {
                person: clock
                for person, clock in self._clocks.items()
                if person in self._present or clock > self._now - SAVED_SECONDS
            }
