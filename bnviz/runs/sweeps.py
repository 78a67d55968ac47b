"""A Sweep trains or measures the networks of a Plan, such as a Grid, on the workers, tile after tile."""

from __future__ import annotations

import asyncio
import pkgutil
from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from distributed import Client

from bnviz.data.lru import Lru
from bnviz.experiment import Experiment
from bnviz.experiment.plan import Plan
from bnviz.recording import Provenance
from bnviz.runs.actor import TRAINING
from bnviz.runs.stoppable_work import KeptWork, StoppableWork
from bnviz.runs.trainers import Trainers
from bnviz.runs.workers import MOST_LOST, WorkerLostError

Scores = Mapping[Any, tuple[Any, ...]]
"""Of each cell that is done what the Plan's work returned, one for each seed."""
NOTHING: Scores = MappingProxyType({})
Tile = tuple[Any, ...]
"""The cells that are trained together."""

LOOK_SECONDS = 1.0
"""Between two looks whether there are other workers now."""


class Sweep(StoppableWork):
    """The work on one Plan.

    provenance: where it was trained.
    scores: of the cells done so far, a Score or a Signal for each seed; the mapping is replaced, never changed.
    """

    name = "the map"
    stopped = "Stopped. What is done is kept."

    def __init__(self, grid: Plan, trainers: Trainers, scores: Scores) -> None:
        super().__init__(trainers)
        self.grid = grid
        self.scores = scores
        self.kept = bool(scores)
        self.provenance = Provenance()

    @property
    def done(self) -> float:
        """The share of cells that are trained."""
        return len(self.scores) / len(self.grid.cells)

    @property
    def revision(self) -> str:
        """A text that changes with every visible change."""
        return f"{len(self.scores)}-{self.state}"

    def _experiments(self, tile: Tile) -> tuple[Experiment, ...]:
        return tuple(self.grid.experiment(cell, seed) for cell in tile for seed in range(self.grid.seeds))

    async def _do(self, client: Client) -> None:
        """Train the tiles, each worker one after the other, also workers that come meanwhile."""
        waiting = [tile for tile in self.grid.tiles() if tile[0] not in self.scores][::-1]
        lost: Counter[Tile] = Counter()
        busy: dict[str, asyncio.Task[None]] = {}
        try:
            while waiting or busy:
                if waiting and self.state == "running":
                    for worker in await self._trainers.addresses(self._experiments(waiting[-1])[0].dataset):
                        if worker not in busy:
                            busy[worker] = asyncio.create_task(self._drain(client, worker, waiting, lost))
                elif not busy:
                    return
                await asyncio.wait(busy.values(), timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                for worker in [worker for worker, task in busy.items() if task.done()]:
                    busy.pop(worker).result()
        finally:
            for task in busy.values():
                task.cancel()

    async def _drain(self, client: Client, worker: str, waiting: list[Tile], lost: Counter[Tile]) -> None:
        """Train the waiting tiles on one worker, one after the other. lost: how many workers each has taken with it."""
        while waiting and self.state == "running":
            tile = waiting.pop()
            seeds = range(self.grid.seeds)
            future = client.submit(
                trained, self.grid.work, self._experiments(tile), pure=False, workers=[worker]
            )
            try:
                scores: list[Any]
                scores, self.provenance = await self._trainers.answer(worker, future)
            except WorkerLostError:
                lost[tile] += 1
                if lost[tile] >= MOST_LOST:
                    raise
                waiting.append(tile)
                return
            finally:
                future.release()
            own = {cell: tuple(scores[place * len(seeds) :][: len(seeds)]) for place, cell in enumerate(tile)}
            with self._lock:
                self.scores = MappingProxyType({**self.scores, **own})


class Sweeps(KeptWork[Sweep]):
    """All Sweeps of a server, and the scores of finished ones."""

    def __init__(self, trainers: Trainers, capacity: int = 50) -> None:
        super().__init__(trainers, capacity)
        self._known: Lru[Plan, Scores] = Lru(capacity)

    def open(self, grid: Plan) -> Sweep:
        """A new Sweep, with the scores that an equal Plan has brought on this server."""
        with self._lock:
            for item in self._all.values():
                if len(item.scores) > len(self._known.peek(item.grid) or NOTHING):
                    self._known.put(item.grid, item.scores)
            sweep = Sweep(grid, self._trainers, self._known.get(grid) or NOTHING)
            self._put(sweep)
        return sweep


def trained(work: str, experiments: tuple[Experiment, ...]) -> tuple[list[Any], Provenance]:
    """In a worker: train or measure all, in chunks between which live runs on the same worker get their turns.

    work: a function, as Plan names it.
    """
    from bnviz.engine.trainer import made_on, pick_device

    results = pkgutil.resolve_name(work)(experiments, TRAINING)
    return results, made_on(pick_device(experiments[0].device))
