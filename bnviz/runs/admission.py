"""Who may train at a time: so many runs on this server, so many of one person, so many from one address.

Beyond that runs wait in a queue, in which who has the fewest runs comes first, and among those who came first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable

from bnviz.runs.limits import Limits
from bnviz.runs.person import Person


class Places:
    """The places for training, and the queue for them. Belongs to one asyncio loop.

    A run that is paused rests: it has its place again at once, unless others took it meanwhile.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._busy: dict[Hashable, Person] = {}
        self._resting: dict[Hashable, Person] = {}
        self._waiting: dict[Hashable, Person] = {}

    def has(self, run: Hashable) -> bool:
        """Whether the run has a place. For any thread."""
        return run in self._busy or run in self._resting

    def enter(self, run: Hashable, person: Person) -> str:
        """Take a place: nothing to say if there was one, else a sentence why not, and the run is in the queue."""
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
        """The run does nothing now."""
        self._waiting.pop(run, None)
        if run in self._busy:
            self._resting[run] = self._busy.pop(run)
            self._make_room()

    def leave(self, run: Hashable) -> None:
        """The run has ended."""
        for where in (self._busy, self._resting, self._waiting):
            where.pop(run, None)

    def _refusal(self, run: Hashable, person: Person) -> str:
        """Why this person may have no more runs in training now; nothing if there may be one."""
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
        """How many in the queue come before the run."""
        has = Counter(self._busy.values())
        order = {}
        for place, (item, person) in enumerate(self._waiting.items()):
            if item == run or not self._refusal(item, person):
                order[item] = (has[person], place)
                has[person] += 1
        return sum(key < order[run] for key in order.values())

    def _make_room(self) -> None:
        """Those that rest longest lose their places."""
        while self._resting and len(self._busy) + len(self._resting) > self._limits.training_runs:
            del self._resting[next(iter(self._resting))]


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count:,} runs"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
