"""A Measurement: what a function of the engine finds in several networks while it trains them, piece by piece.

The function is named "package.module:function", because it needs torch. A worker calls it with an Experiment and
arguments. It is a generator: of each piece it yields the share of the work done, from 0 to 1, and what was found.
"""

from __future__ import annotations

import asyncio
import importlib
import secrets
import threading
import time
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any, Literal

from distributed import Client, KilledWorker

from bnviz.data.dataset import DatasetError
from bnviz.data.lru import Lru
from bnviz.experiment import Experiment, ExperimentError
from bnviz.runs.actor import TRAINING
from bnviz.runs.cost import check
from bnviz.runs.limits import Limits
from bnviz.runs.trainers import Trainers, TrainersUnavailableError
from bnviz.runs.workers import MOST_LOST, WorkerLostError

MeasurementState = Literal["running", "stopped", "finished", "failed"]
Piece = tuple[float, Mapping[str, Any]]
Begun = Lru[str, tuple[Iterator[Piece], int]]

CALL_SECONDS = 0.5
"""About how long a worker measures before it looks whether it is to stop. A piece is never cut."""
KEPT = 8
"""Begun generators that a worker keeps."""


class Measurement:
    """Every method may be called from any thread, and returns at once.

    id: whoever has it may watch. networks: what is trained. found: of each network the pieces so far; replaced, never
    changed. shares: of each network the share of the work done.
    """

    def __init__(
        self,
        networks: Sequence[Experiment],
        function: str,
        arguments: Mapping[str, Hashable],
        trainers: Trainers,
    ) -> None:
        self.id = secrets.token_urlsafe(12)
        self.networks, self.function, self.arguments = tuple(networks), function, dict(arguments)
        self.found: tuple[tuple[Mapping[str, Any], ...], ...] = ((),) * len(self.networks)
        self.shares = (0.0,) * len(self.networks)
        self.state: MeasurementState = "stopped"
        self.message = ""
        self._trainers = trainers
        self._lock = threading.Lock()
        self._touched = time.monotonic()
        self._task: asyncio.Task[None] | None = None
        self._begun, self._done_before = 0.0, 0.0

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

    @property
    def seconds_left(self) -> float | None:
        """The remaining seconds at the pace so far; None while it is unknown."""
        gained = self.done - self._done_before
        if self.state != "running" or gained <= 0:
            return None
        return (time.monotonic() - self._begun) / gained * (1 - self.done)

    @property
    def untouched_seconds(self) -> float:
        """Seconds since somebody last looked."""
        return time.monotonic() - self._touched

    def touch(self) -> None:
        """Somebody looked."""
        self._touched = time.monotonic()

    def play(self) -> None:
        """Measure what is missing."""
        with self._lock:
            self.touch()
            if self.state in ("running", "finished"):
                return
            self.state, self.message = "running", ""
            self._begun, self._done_before = time.monotonic(), self.done
        self._trainers.soon(self._begin)

    def stop(self) -> None:
        """Measure no further piece; what was found stays."""
        with self._lock:
            if self.state == "running":
                self.state, self.message = "stopped", "Stopped. Measure goes on."

    def _begin(self) -> None:
        if self._task is None or self._task.done():
            self._task = self._trainers.spawn(self._work())

    async def _work(self) -> None:
        try:
            client = await self._trainers.client()
            places = range(len(self.networks))
            await asyncio.gather(*(self._follow(client, place) for place in places))
        except (ExperimentError, DatasetError, TrainersUnavailableError) as error:
            self._end("failed", str(error))
        except (KilledWorker, WorkerLostError):
            self._end("failed", "The process that measured ended too often.")
        except Exception as error:
            self._end(
                "failed",
                f"The measurement stopped because of an error in bnviz: {type(error).__name__}: {error}",
            )
        else:
            if min(self.shares) >= 1:
                self._end("finished", "")

    async def _follow(self, client: Client, place: int) -> None:
        """Have one network measured, always by the same worker, which keeps what it has begun."""
        home, lost = "", 0
        while self.state == "running" and self.shares[place] < 1:
            workers = await self._trainers.addresses()
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

    def _end(self, state: MeasurementState, message: str) -> None:
        with self._lock:
            if self.state == "running":
                self.state, self.message = state, message


class Measurements:
    """All Measurements of a server. May be called from any thread.

    capacity: how many are kept; beyond it the least recently used is dropped.
    """

    def __init__(self, trainers: Trainers, limits: Limits, capacity: int = 60) -> None:
        self._trainers, self._limits = trainers, limits
        self._lock = threading.Lock()
        self._all: Lru[str, Measurement] = Lru(capacity)

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
            for dropped in self._all.put(made.id, made):
                dropped.stop()
        return made

    def get(self, measurement_id: str) -> Measurement | None:
        """The one with this id, or None."""
        with self._lock:
            return self._all.get(measurement_id)

    def stop_unwatched(self, seconds: float) -> None:
        """Stop those that nobody has looked at for `seconds`."""
        with self._lock:
            all_ = self._all.values()
        for item in all_:
            if item.untouched_seconds > seconds:
                item.stop()


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
    module, _, found = function.partition(":")
    begun: Iterator[Piece] = getattr(importlib.import_module(module), found)(experiment, **arguments)
    return begun


def _with(values: tuple[Any, ...], place: int, value: Any) -> tuple[Any, ...]:
    return (*values[:place], value, *values[place + 1 :])
