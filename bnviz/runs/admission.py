"""Admission control: how many runs may train at a time, in all, of one person, and from one address.

The other runs wait in a queue. The person with the fewest runs in training comes first; among equals, the run that
has waited longest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable

from bnviz.runs.limits import Limits
from bnviz.runs.person import Person


class Admission:
    """The places for training, and the queue for them. Belongs to one asyncio loop.

    A paused run rests: it keeps its place as long as no other run needs it.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._busy: dict[Hashable, Person] = {}
        self._resting: dict[Hashable, Person] = {}
        self._waiting: dict[Hashable, Person] = {}

    def has(self, run: Hashable) -> bool:
        """Whether the run has a place. May be called from any thread."""
        return run in self._busy or run in self._resting

    def enter(self, run: Hashable, person: Person) -> str:
        """Take a place. Returns "", or, with the run in the queue, a sentence that says what it waits for."""
        if run in self._busy:
            return ""
        self._resting.pop(run, None)
        self._waiting.setdefault(run, person)
        if refusal := self._refusal(run, person):
            return refusal
        before = self._before(run)
        if before < self._limits.training_runs - len(self._busy):
            del self._waiting[run]
            self._busy[run] = person
            self._make_room()
            return ""
        ahead = "yours is next" if not before else f"{_runs(before)} {_are(before)} before yours"
        return f"{_runs(len(self._busy))} {_are(len(self._busy))} training here, as many as there is room for; {ahead}."

    def rest(self, run: Hashable) -> None:
        """The run is paused: it leaves the queue, and others may take its place."""
        self._waiting.pop(run, None)
        if run in self._busy:
            self._resting[run] = self._busy.pop(run)
            self._make_room()

    def leave(self, run: Hashable) -> None:
        """The run has ended: it needs no place."""
        for where in (self._busy, self._resting, self._waiting):
            where.pop(run, None)

    def _refusal(self, run: Hashable, person: Person) -> str:
        """Why this person may have no further run in training now, a sentence; "" if they may."""
        most = self._limits.training_runs_a_person
        if sum(item == person for item in self._busy.values()) >= most:
            return (
                f"You have {_runs(most)} in training, as many as one person may; "
                "this one begins when one of them is done or paused."
            )
        most = self._limits.training_runs_an_address
        if person.address and sum(item.address == person.address for item in self._busy.values()) >= most:
            return (
                f"{_runs(most)} {_are(most)} in training from your network, as many as one may have; "
                "this one begins when one of them is done or paused."
            )
        return ""

    def _before(self, run: Hashable) -> int:
        """How many runs of the queue are admitted before this one."""
        has = Counter(self._busy.values())
        order = {}
        for place, (item, person) in enumerate(self._waiting.items()):
            if item == run or not self._refusal(item, person):
                order[item] = (has[person], place)
                has[person] += 1
        return sum(key < order[run] for key in order.values())

    def _make_room(self) -> None:
        """Take places from resting runs, those that rest longest first, until there are no more runs than places."""
        while self._resting and len(self._busy) + len(self._resting) > self._limits.training_runs:
            del self._resting[next(iter(self._resting))]


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count:,} runs"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
