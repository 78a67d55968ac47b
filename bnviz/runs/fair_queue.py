"""Whose turn it is: worker processes take calls of all runs, and every person gets the same share of them.

Fair queueing by start time (Goyal, Vin and Cheng 1996): each person has a clock that shows the worker
seconds taken so far, and whoever's clock is behind comes next, however many runs and networks a person has.
Who comes back from a rest begins near the present, so nobody saves up more than a moment.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass

SAVED_SECONDS = 1.0
"""What a person may have saved up: whoever is away between two calls loses nothing by it."""


@dataclass
class Turn:
    """A turn that was granted. seconds: what it is thought to take; set to what it took."""

    seconds: float


@dataclass(frozen=True, eq=False)
class _Wish:
    granted: asyncio.Future[None]
    seconds: float


class Turns:
    """Turns on workers. Belongs to one asyncio loop.

    at_once: calls that a worker may have. With two it need not wait for the next when it is done with one.
    """

    def __init__(self, at_once: int = 2) -> None:
        self._at_once = at_once
        self._busy: Counter[str] = Counter()
        self._waiting: dict[str, OrderedDict[Hashable, deque[_Wish]]] = {}
        self._clocks: dict[Hashable, float] = {}
        self._present: Counter[Hashable] = Counter()  # turns that each person has or waits for
        self._now = 0.0  # the clock of who had the last turn, when it began

    @property
    def persons(self) -> int:
        """How many have a turn or wait for one."""
        return len(self._present)

    def present(self, person: Hashable) -> int:
        """How many turns the person has or waits for."""
        return self._present[person]

    @asynccontextmanager
    async def turn(self, worker: str, person: Hashable, seconds: float) -> AsyncIterator[Turn]:
        """A turn on `worker`, thought to take `seconds`; entered when it is the person's turn."""
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
        """Wait for the turn, which from here on is charged for."""
        wish = _Wish(asyncio.get_running_loop().create_future(), seconds)
        persons = self._waiting.setdefault(worker, OrderedDict())
        persons.setdefault(person, deque()).append(wish)
        self._next(worker)
        try:
            await wish.granted
        except asyncio.CancelledError:
            if not wish.granted.cancelled():  # granted in the same moment; else it is passed over in its turn
                self._end(worker, person, -seconds)
            raise

    def _next(self, worker: str) -> None:
        """Grant what can be granted: the person whose clock is furthest behind comes first."""
        while (persons := self._waiting.get(worker)) and self._busy[worker] < self._at_once:
            person = min(persons, key=lambda item: self._clocks.get(item, 0.0))
            persons.move_to_end(person)  # among equals comes first who waited longest
            wish = persons[person].popleft()
            if not persons[person]:
                del persons[person]
            if not persons:
                del self._waiting[worker]
            if wish.granted.cancelled():
                continue
            self._now = max(self._now, self._clocks[person])
            self._clocks[person] += wish.seconds
            self._busy[worker] += 1
            wish.granted.set_result(None)

    def _end(self, worker: str, person: Hashable, more: float) -> None:
        """A turn is over; it took `more` seconds than was thought."""
        self._clocks[person] += more
        self._busy[worker] -= 1
        if not self._busy[worker]:
            del self._busy[worker]
        self._next(worker)

    def _forget(self) -> None:
        """Forget the clocks of those who are not there and would begin near the present anyway."""
        if len(self._clocks) > 2 * len(self._present) + 100:
            self._clocks = {
                person: clock
                for person, clock in self._clocks.items()
                if person in self._present or clock > self._now - SAVED_SECONDS
            }
