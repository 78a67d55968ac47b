"""Work on the trainers that is played, stopped and gone on with, such as a map or a measurement; and what keeps it."""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from abc import ABC, abstractmethod
from typing import Generic, Literal, TypeVar

from distributed import Client, KilledWorker

from bnviz.data.dataset import DatasetError
from bnviz.data.lru import Lru
from bnviz.experiment import ExperimentError
from bnviz.runs.trainers import Trainers
from bnviz.runs.workers import TrainersUnavailableError, WorkerLostError

WorkState = Literal["running", "stopped", "finished", "failed"]


class StoppableWork(ABC):
    """Every method may be called from any thread, and returns at once.

    id: whoever has it may watch. name: what the work is called in a sentence. stopped: said after a stop.
    """

    name: str
    stopped: str

    def __init__(self, trainers: Trainers) -> None:
        self.id = secrets.token_urlsafe(12)
        self.state: WorkState = "stopped"
        self.message = ""
        self._trainers = trainers
        self._lock = threading.Lock()
        self._touched = time.monotonic()
        self._task: asyncio.Task[None] | None = None
        self._begun, self._done_before = 0.0, 0.0  # when `play` began, and the share that was done then

    @property
    @abstractmethod
    def done(self) -> float:
        """The share of the work done, from 0 to 1."""

    @abstractmethod
    async def _do(self, client: Client) -> None:
        """Do what is missing, for as long as the state is "running"."""

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
        """Do what is missing."""
        with self._lock:
            self.touch()
            if self.state in ("running", "finished"):
                return
            if self.done >= 1:
                self.state = "finished"
                return
            self.state, self.message = "running", ""
            self._begun, self._done_before = time.monotonic(), self.done
        self._trainers.soon(self._begin)

    def stop(self) -> None:
        """Begin no further piece; what was found stays."""
        with self._lock:
            if self.state == "running":
                self.state, self.message = "stopped", self.stopped

    def _begin(self) -> None:
        if self._task is None or self._task.done():
            self._task = self._trainers.spawn(self._work())

    async def _work(self) -> None:
        try:
            await self._do(await self._trainers.client())
        except (ExperimentError, DatasetError, TrainersUnavailableError) as error:
            self._end("failed", str(error))
        except (KilledWorker, WorkerLostError):
            self._end("failed", f"A process that worked on {self.name} ended too often.")
        except Exception as error:
            told = f"{type(error).__name__}: {error}"
            self._end("failed", f"{self.name.capitalize()} stopped because of an error in bnviz: {told}")
        else:
            if self.done >= 1:
                self._end("finished", "")

    def _end(self, state: WorkState, message: str) -> None:
        with self._lock:
            if self.state == "running":
                self.state, self.message = state, message


W = TypeVar("W", bound=StoppableWork)


class KeptWork(Generic[W]):
    """The works of one kind on a server. May be called from any thread.

    capacity: how many are kept; beyond it the least recently used is dropped.
    """

    def __init__(self, trainers: Trainers, capacity: int) -> None:
        self._trainers = trainers
        self._lock = threading.Lock()
        self._all: Lru[str, W] = Lru(capacity)

    def get(self, work_id: str) -> W | None:
        """The one with this id, or None."""
        with self._lock:
            return self._all.get(work_id)

    def stop_unwatched(self, seconds: float) -> None:
        """Stop those that nobody has looked at for `seconds`."""
        with self._lock:
            works = self._all.values()
        for work in works:
            if work.untouched_seconds > seconds:
                work.stop()

    def _put(self, work: W) -> None:
        for dropped in self._all.put(work.id, work):
            dropped.stop()
