"""A Measurement: what a function of the engine finds in several networks while it trains them, piece by piece.

The function is named "package.module:function", because it needs torch. A worker calls it with an Experiment and
arguments. It is a generator: of each piece it yields the share of the work done, from 0 to 1, and what was found.
"""

from __future__ import annotations

import asyncio
import pkgutil
import time
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

from distributed import Client

from bnviz.data.lru import Lru
from bnviz.experiment import Experiment
from bnviz.runs.actor import TRAINING
from bnviz.runs.cost import check
from bnviz.runs.limits import Limits
from bnviz.runs.stoppable_work import KeptWork, StoppableWork
from bnviz.runs.trainers import Trainers
from bnviz.runs.workers import MOST_LOST, WorkerLostError

Piece = tuple[float, Mapping[str, Any]]
Begun = Lru[str, tuple[Iterator[Piece], int]]

CALL_SECONDS = 0.5
"""About how long a worker measures before it looks whether it is to stop. A piece is never cut."""
KEPT = 8
"""Begun generators that a worker keeps."""


class Measurement(StoppableWork):
    """networks: what is trained. found: of each network the pieces so far; replaced, never changed.

    shares: of each network the share of the work done.
    """

    name = "the measurement"
    stopped = "Stopped. What is measured is kept."

    def __init__(
        self,
        networks: Sequence[Experiment],
        function: str,
        arguments: Mapping[str, Hashable],
        trainers: Trainers,
    ) -> None:
        super().__init__(trainers)
        self.networks, self.function, self.arguments = tuple(networks), function, dict(arguments)
        self.found: tuple[tuple[Mapping[str, Any], ...], ...] = ((),) * len(self.networks)
        self.shares = (0.0,) * len(self.networks)

    @property
    def key(self) -> Hashable:
        """What is measured: equal for equal measurements."""
        return (self.networks, self.function, *sorted(self.arguments.items()))

    @property
    def done(self) -> float:
        """The share of the work done, from 0 to 1."""
        return sum(self.shares) / len(self.shares)

    @property
    def revision(self) -> str:
        """A text that changes with every piece."""
        return "-".join(str(len(pieces)) for pieces in self.found)

    async def _do(self, client: Client) -> None:
        await asyncio.gather(*(self._follow(client, place) for place in range(len(self.networks))))

    async def _follow(self, client: Client, place: int) -> None:
        """Have one network measured, always by the same worker, which keeps what it has begun."""
        home, lost = "", 0
        while self.state == "running" and self.shares[place] < 1:
            workers = await self._trainers.addresses(self.networks[place].dataset)
            if home not in workers:
                home = workers[place % len(workers)]
            future = client.submit(
                measured,
                f"{self.id}-{place}",
                self.networks[place],
                self.function,
                self.arguments,
                len(self.found[place]),
                pure=False,
                workers=[home],
            )
            try:
                pieces: list[Piece] = await self._trainers.answer(home, future)
            except WorkerLostError:
                lost += 1
                if lost >= MOST_LOST:
                    raise
                continue
            finally:
                future.release()
            lost = 0
            with self._lock:
                more = tuple(found for _, found in pieces)
                share = pieces[-1][0] if pieces else 1.0
                self.found = _with(self.found, place, (*self.found[place], *more))
                self.shares = _with(self.shares, place, share)


class Measurements(KeptWork[Measurement]):
    """All Measurements of a server."""

    def __init__(self, trainers: Trainers, limits: Limits, capacity: int = 60) -> None:
        super().__init__(trainers, capacity)
        self._limits = limits

    def open(
        self, networks: Sequence[Experiment], function: str, arguments: Mapping[str, Hashable]
    ) -> Measurement:
        """A new Measurement, or an equal one that is finished. Raises TooCostlyError beyond the limits."""
        check(networks, self._limits)
        made = Measurement(networks, function, arguments, self._trainers)
        with self._lock:
            for item in self._all.values():
                if item.key == made.key and item.state == "finished":
                    return item
            self._put(made)
        return made


BEGUN: Begun = Lru(KEPT)
"""In a worker process: the generators it has begun, by name, each with how many pieces it has given."""


def measured(
    name: str, experiment: Experiment, function: str, arguments: Mapping[str, Hashable], known: int
) -> list[Piece]:
    """In a worker: the next pieces after `known` ones; none at the end. A lost generator begins again."""
    iterator, given = BEGUN.get(name) or (_generator(experiment, function, arguments), 0)
    if given > known:  # the answer to an earlier call was lost
        iterator, given = _generator(experiment, function, arguments), 0
    pieces: list[Piece] = []
    started = time.monotonic()
    with TRAINING:
        for piece in iterator:
            given += 1
            if given > known:
                pieces.append(piece)
                if piece[0] >= 1 or time.monotonic() - started >= CALL_SECONDS:
                    break
    BEGUN.put(name, (iterator, given))
    return pieces


def _generator(experiment: Experiment, function: str, arguments: Mapping[str, Hashable]) -> Iterator[Piece]:
    begun: Iterator[Piece] = pkgutil.resolve_name(function)(experiment, **arguments)
    return begun


def _with(values: tuple[Any, ...], place: int, value: Any) -> tuple[Any, ...]:
    return (*values[:place], value, *values[place + 1 :])
