"""A Sweep trains or measures the networks of a Plan, such as a Grid, on the workers, tile after tile."""

from __future__ import annotations

import asyncio
import importlib
import secrets
import threading
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from distributed import Client, KilledWorker

from bnviz.data.dataset import DatasetError
from bnviz.data.lru import Lru
from bnviz.experiment import Experiment, ExperimentError
from bnviz.experiment.plan import Plan
from bnviz.recording import Provenance
from bnviz.runs.actor import TRAINING
from bnviz.runs.trainers import Trainers, TrainersUnavailableError

SweepState = Literal["running", "stopped", "finished", "failed"]
Scores = Mapping[Any, tuple[Any, ...]]
"""Of each cell that is done what the Plan's work returned, one for each seed."""
NOTHING: Scores = MappingProxyType({})


class Sweep:
    """The work on one Plan. Every method may be called from any thread, and returns at once.

    id: whoever has it may watch. provenance: where it was trained.
    scores: of the cells done so far, a Score or a Signal for each seed; the mapping is replaced, never changed.
    """

    def __init__(self, grid: Plan, trainers: Trainers, scores: Scores) -> None:
        self.id = secrets.token_urlsafe(12)
        self.grid = grid
        self.scores = scores
        self.kept = bool(scores)
        self.provenance = Provenance()
        self.state: SweepState = "stopped"
        self.message = ""
        self._trainers = trainers
        self._lock = threading.Lock()
        self._touched = time.monotonic()
        self._task: asyncio.Task[None] | None = None
        self._begun, self._fresh = 0.0, 0  # when `play` began, and the cells trained since then

    @property
    def done(self) -> float:
        """The share of cells that are trained."""
        return len(self.scores) / len(self.grid.cells)

    @property
    def revision(self) -> str:
        """A text that changes with every visible change."""
        return f"{len(self.scores)}-{self.state}"

    @property
    def seconds_left(self) -> float | None:
        """The remaining seconds at the pace so far; None while it is unknown."""
        if self.state != "running" or not self.done or not self._fresh:
            return None
        return (time.monotonic() - self._begun) / self._fresh * (len(self.grid.cells) - len(self.scores))

    @property
    def untouched_seconds(self) -> float:
        """Seconds since somebody last looked."""
        return time.monotonic() - self._touched

    def touch(self) -> None:
        """Somebody looked."""
        self._touched = time.monotonic()

    def play(self) -> None:
        """Train the cells that are missing."""
        with self._lock:
            self.touch()
            if self.state in ("running", "finished"):
                return
            if len(self.scores) == len(self.grid.cells):
                self.state = "finished"
                return
            self.state, self.message = "running", ""
            self._begun, self._fresh = time.monotonic(), 0
        self._trainers.soon(self._begin)

    def stop(self) -> None:
        """Train no further tile; the scores stay."""
        with self._lock:
            if self.state == "running":
                self.state, self.message = "stopped", "Stopped. Play goes on."

    def _begin(self) -> None:
        if self._task is None or self._task.done():
            self._task = self._trainers.spawn(self._work())

    async def _work(self) -> None:
        try:
            client = await self._trainers.client()
            waiting = [tile for tile in self.grid.tiles() if tile[0] not in self.scores][::-1]
            at_work = (self._drain(client, waiting) for _ in range(self._trainers.workers))
            await asyncio.gather(*at_work)
        except (ExperimentError, DatasetError, TrainersUnavailableError) as error:
            self._end("failed", str(error))
        except KilledWorker:
            self._end("failed", "The process that trained a part of the map ended too often.")
        except Exception as error:
            self._end(
                "failed", f"The map stopped because of an error in bnviz: {type(error).__name__}: {error}"
            )
        else:
            if len(self.scores) == len(self.grid.cells):
                self._end("finished", "")

    async def _drain(self, client: Client, waiting: list[tuple[Any, ...]]) -> None:
        """Train the waiting tiles, one after the other."""
        while waiting and self.state == "running":
            tile = waiting.pop()
            seeds = range(self.grid.seeds)
            experiments = tuple(self.grid.experiment(cell, seed) for cell in tile for seed in seeds)
            future = client.submit(trained, self.grid.work, experiments, pure=False)
            try:
                scores: list[Any]
                scores, self.provenance = await future
            finally:
                future.release()
            own = {cell: tuple(scores[place * len(seeds) :][: len(seeds)]) for place, cell in enumerate(tile)}
            with self._lock:
                self.scores = MappingProxyType({**self.scores, **own})
                self._fresh += len(own)

    def _end(self, state: SweepState, message: str) -> None:
        with self._lock:
            if self.state == "running":
                self.state, self.message = state, message


class Sweeps:
    """All Sweeps of a server, and the scores of finished ones. May be called from any thread.

    capacity: how many are kept; beyond it the least recently used is dropped.
    """

    def __init__(self, trainers: Trainers, capacity: int = 50) -> None:
        self._trainers = trainers
        self._lock = threading.Lock()
        self._all: Lru[str, Sweep] = Lru(capacity)
        self._known: Lru[Plan, Scores] = Lru(capacity)

    def open(self, grid: Plan) -> Sweep:
        """A new Sweep, with the scores that an equal Plan has brought on this server."""
        with self._lock:
            for item in self._all.values():
                if len(item.scores) > len(self._known.peek(item.grid) or NOTHING):
                    self._known.put(item.grid, item.scores)
            sweep = Sweep(grid, self._trainers, self._known.get(grid) or NOTHING)
            for dropped in self._all.put(sweep.id, sweep):
                dropped.stop()
        return sweep

    def get(self, sweep_id: str) -> Sweep | None:
        """The one with this id, or None."""
        with self._lock:
            return self._all.get(sweep_id)

    def stop_unwatched(self, seconds: float) -> None:
        """Stop those that nobody has looked at for `seconds`."""
        with self._lock:
            sweeps = self._all.values()
        for sweep in sweeps:
            if sweep.untouched_seconds > seconds:
                sweep.stop()


def trained(work: str, experiments: tuple[Experiment, ...]) -> tuple[list[Any], Provenance]:
    """In a worker: train or measure all, in chunks between which live runs on the same worker get their turns.

    work: a function, as Plan names it.
    """
    from bnviz.engine.trainer import made_on, pick_device

    module, _, name = work.partition(":")
    results = getattr(importlib.import_module(module), name)(experiments, TRAINING)
    return results, made_on(pick_device(experiments[0].device))
