"""The Dask cluster whose worker processes hold the trainers, and the thread that drives all runs.

One thread with one asyncio loop holds the client, the embedded cluster and a task for each busy run, so that a
hundred runs need no hundred threads.
"""

from __future__ import annotations

import asyncio
import atexit
import contextvars
import logging
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import dask
from dask.system import CPU_COUNT
from distributed import Client, Future, LocalCluster, Status
from distributed.utils import get_mp_context

from bnviz import fork_server
from bnviz.data.lru import Lru
from bnviz.experiment import Experiment
from bnviz.runs.actor import TrainerActor, TrainerSetup
from bnviz.runs.admission import Admission
from bnviz.runs.checkpoints import Checkpoints
from bnviz.runs.fair_queue import FairQueue
from bnviz.runs.installed import installed
from bnviz.runs.limits import Limits
from bnviz.runs.person import Person
from bnviz.runs.workers import TOPIC, TrainersUnavailableError, Workers

MOST_REMEMBERED = 1000
"""Experiments of which the worker that trained them is remembered."""

STARTS = 3
"""Attempts to start the embedded cluster."""

RENEWAL_SECONDS = 1.0
"""Between two looks whether a worker has to be replaced."""

GIVEN_UP = (Status.closed, Status.failed)

SETTINGS: dict[str, Any] = {
    # Dask serves HTTP routes even without a dashboard; here it serves none.
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    # Dask looks, 15 s after a worker was lost, whether it is back just then; if not, it is given up for good. A worker
    # that is killed often is often not back just then.
    "distributed.deploy.lost-worker-timeout": "1000 days",
    "distributed.worker.multiprocessing-method": "forkserver" if fork_server.AVAILABLE else "spawn",
}
"""Of the embedded cluster."""

LEAST_CALL_SECONDS = 0.05
"""Below it the overhead of a call exceeds its training."""


@dataclass(frozen=True)
class ActorHandle:
    """An actor on a worker; the future keeps it alive."""

    actor: Any
    future: Future[Any]
    worker: str


class Trainers:
    """Opens the cluster in a thread of its own, and builds actors on it.

    workers: processes to start, by default one for each core; scheduler: the address of a cluster to
    use instead. `soon`, `start` and `close` may be called from any thread, the other methods in the loop.

    fair_queue: the turns of all calls on the workers. admission: which runs may train at a time.
    checkpoints: what a training goes on from when its worker was lost; used in the loop only.
    """

    def __init__(self, workers: int | None, scheduler: str | None, limits: Limits) -> None:
        self.workers = workers or max(1, CPU_COUNT)
        self.scheduler = scheduler
        self.fair_queue = FairQueue()
        self.admission = Admission(limits)
        self.checkpoints = Checkpoints(limits.checkpoints_mb * 1_000_000)
        self._call_seconds = limits.call_seconds
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        self._open = False
        self._waiting: list[Callable[[], None]] = []
        self._last_worker: Lru[Experiment, str] = Lru(MOST_REMEMBERED)
        self._held: Counter[str] = Counter()  # actors by the address of their worker
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, background: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Begin to open the cluster; `background` runs in the loop until the end. Returns at once."""
        with self._lock:
            if self._closed or self._thread is not None:
                return
            self._loop = asyncio.new_event_loop()
            self._opened: asyncio.Future[tuple[Client, Workers]] = self._loop.create_future()
            self._ending = asyncio.Event()
            self._thread = threading.Thread(
                target=self._live, args=(self._loop, background), name="bnviz-runs", daemon=True
            )
            self._thread.start()
        # Registered after distributed's own, so run before it: it finds everything closed.
        atexit.register(self.close)

    def close(self) -> None:
        """End every run and every worker process, and wait until they have ended. May be called again."""
        with self._lock:
            self._closed = True
            thread, loop = self._thread, self._loop
        if thread is None or loop is None:
            return
        with suppress(RuntimeError):  # the loop has ended already
            loop.call_soon_threadsafe(self._ending.set)
        thread.join()
        atexit.unregister(self.close)

    def soon(self, callback: Callable[[], None]) -> None:
        """Call `callback` in the loop, as soon as the cluster is open; never after `close`."""
        with self._lock:
            if not self._open:
                self._waiting.append(callback)
                return
            loop = self._loop
        if loop is not None:
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(callback)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start `work` as a task that ends with the cluster."""
        assert self._loop is not None
        task = self._loop.create_task(work, context=self._context.copy())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def client(self) -> Client:
        """The cluster's client, once the cluster is open. Raises TrainersUnavailableError."""
        return (await self._both())[0]

    async def acquire(self, experiment: Experiment) -> ActorHandle:
        """Build an actor for `experiment` on the worker that holds fewest; `release` it in the end.

        Dask itself spreads actors evenly too, but no longer when many are alike. Raises WorkerLostError.
        """
        client, workers = await self._both()
        there = await self.addresses(experiment.dataset)
        worker = min(there, key=lambda address: self._held[address])
        self._held[worker] += 1
        self._last_worker.put(experiment, worker)
        future = client.submit(TrainerActor, experiment, actor=True, pure=False, workers=[worker])
        handle = ActorHandle(None, future, worker)
        try:
            actor = await workers.answer(worker, future)
            await workers.answer(worker, actor.warm())
            return replace(handle, actor=actor)
        except BaseException:
            self.release(handle)
            raise

    async def answer(self, worker: str, work: Awaitable[Any]) -> Any:
        """The result of `work`, which that worker does. Raises WorkerLostError, and what `work` raises."""
        return await (await self._both())[1].answer(worker, work)

    async def addresses(self, dataset: str = "") -> list[str]:
        """Of the workers that may train on the dataset, sorted; waits while there is none.

        Raises TrainersUnavailableError where there are some and none of them may.
        """
        found = await (await self._both())[1].addresses(dataset)
        if self.scheduler is not None:
            self.workers = len(found)  # on a cluster elsewhere they come and go
        return found

    def worker_of(self, experiment: Experiment) -> str | None:
        """The address of the worker that trained `experiment` last; None if it is not remembered."""
        return self._last_worker.get(experiment)

    def release(self, handle: ActorHandle) -> None:
        """Release an actor."""
        self._held[handle.worker] -= 1
        handle.future.release()

    def share(self, person: Person, arms: int) -> float:
        """How many seconds a call may take when the person calls `arms` more trainers.

        The trainers of one person divide that person's share of the workers.
        """
        mine = self.fair_queue.present(person)
        others = self.fair_queue.persons - (mine > 0)
        each = self._call_seconds * self.workers / ((1 + others) * (mine + arms))
        return max(LEAST_CALL_SECONDS, min(self._call_seconds, each))

    async def _both(self) -> tuple[Client, Workers]:
        return await asyncio.shield(self._opened)

    def _live(
        self, loop: asyncio.AbstractEventLoop, background: Callable[[], Coroutine[Any, Any, None]]
    ) -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(self._serve(background))

    async def _serve(self, background: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._context = contextvars.copy_context()
        self.spawn(background())
        try:
            async with self._client() as client:
                # Actors that arrive in one of our tasks must find this client, not another's.
                with client.as_current():
                    self._context = contextvars.copy_context()
                own = None if self.scheduler is None else installed()
                self._opened.set_result((client, Workers(client, own)))
                self._call_waiting()
                await self._ending.wait()
                await self._cancel()
                client.unsubscribe_topic(TOPIC)  # the scheduler would tell it of its own end
        except (OSError, RuntimeError, ValueError) as error:
            self._opened.set_exception(
                TrainersUnavailableError(f"The trainer processes could not be started: {error}")
            )
            self._opened.exception()  # retrieved here, as nobody may ask for a trainer
            self._call_waiting()
            await self._ending.wait()
        finally:
            await self._cancel()

    def _call_waiting(self) -> None:
        with self._lock:
            self._open = True
            waiting, self._waiting = self._waiting, []
        for callback in waiting:
            callback()

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[Client]:
        if self.scheduler is not None:
            async with Client(self.scheduler, asynchronous=True, set_as_default=False, timeout=20) as client:
                yield client
            return
        with dask.config.set(SETTINGS):  # as long as the cluster lives: Dask reads some of them at each death
            get_mp_context()  # it sets what a fork server loads; ours loads more
            fork_server.start()
            cluster = await self._cluster()
            async with (
                cluster,
                Client(cluster, asynchronous=True, set_as_default=False, direct_to_workers=True) as client,
            ):
                await client.register_plugin(TrainerSetup(polite=True))
                self.spawn(self._renew(cluster))
                yield client

    async def _cluster(self) -> LocalCluster:
        """An embedded cluster. A worker may be killed while it starts: then it is started once more."""
        for left in reversed(range(STARTS)):
            cluster = LocalCluster(
                n_workers=self.workers,
                threads_per_worker=1,
                processes=True,
                dashboard_address="127.0.0.1:0",
                scheduler_kwargs={"dashboard": False},
                asynchronous=True,
                silence_logs=logging.CRITICAL,  # the page reports a lost worker, and the arm is rebuilt
            )
            try:
                return await cluster
            except (OSError, RuntimeError):
                if (closing := cluster.close()) is not None:
                    await closing
                if not left:
                    raise
        raise AssertionError("unreachable")

    async def _renew(self, cluster: LocalCluster) -> None:
        """Replace each worker whose nanny gave up: one that was killed while it started, again and again."""
        while True:
            await asyncio.sleep(RENEWAL_SECONDS)
            if given_up := [name for name, nanny in cluster.workers.items() if nanny.status in GIVEN_UP]:
                for name in given_up:
                    del cluster.workers[name]
                cluster.scale(self.workers)

    async def _cancel(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
