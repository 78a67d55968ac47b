"""Questions to a network as it was at a step, answered in a worker process.

A question is a function, named "package.module:function" because it needs torch, which the web process does not
load. A worker calls it with a Trainer that was advanced to the step. It returns plain data, numbers and NumPy
arrays, and leaves the Trainer unchanged: the next question may be to the same one.
"""

from __future__ import annotations

import functools
import pkgutil
import secrets
import sys
import threading
import time
import zlib
from collections.abc import Callable, Coroutine, Hashable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
from distributed import Client, KilledWorker, get_worker
from distributed import Future as RemoteFuture

from bnviz.data.dataset import DatasetError
from bnviz.data.lru import Held, Lru
from bnviz.experiment import Experiment, ExperimentError, Intervention
from bnviz.experiment.progress import on_progress
from bnviz.recording.checkpoint import Checkpoint
from bnviz.runs.cost import check
from bnviz.runs.fair_queue import FairQueue
from bnviz.runs.limits import Limits
from bnviz.runs.person import Person
from bnviz.runs.trainer_cache import TRAINER_CACHE
from bnviz.runs.trainers import Trainers
from bnviz.runs.workers import MOST_LOST, TrainersUnavailableError, WorkerLostError

TOPIC = "bnviz-inspections"
"""The topic of the events in which workers report their progress."""

REPORT_SECONDS = 0.25
"""Between two reports on one question."""

MOST_SENT_BYTES = 8_000_000
"""A larger Checkpoint is not sent with a question: Dask warns of tasks of more than 10 million bytes."""


class InspectionError(Exception):
    """A question could not be answered; the message is a sentence."""


class Answer(Future[Any]):
    """The future result of a question. share: of the work done, from 0 to 1, if the question reports it."""

    share = 0.0


class Questions:
    """Asks each question once, and keeps the answers asked for most recently. May be called from any thread."""

    def __init__(self, trainers: Trainers, limits: Limits) -> None:
        self._trainers, self._limits = trainers, limits
        self._fair_queue = FairQueue(at_once=1)
        self._lock = threading.Lock()
        self._answers: Lru[Hashable, Answer] = Lru(limits.kept_inspections, limits.kept_mb * 1_000_000)
        self._pending: dict[str, Answer] = {}
        self._subscribed = False

    def ask(
        self,
        experiment: Experiment,
        interventions: Sequence[Intervention],
        step: int,
        function: str,
        person: Person,
        **arguments: Hashable,
    ) -> Answer:
        """The Answer of `function`, new or kept; its result may raise InspectionError.

        Raises TooCostlyError for a network beyond the limits.
        """
        check([experiment], self._limits)
        key = (experiment, tuple(interventions), step, function, *sorted(arguments.items()))
        with self._lock:
            answer = self._answers.get(key)
            if answer is None or (answer.done() and answer.exception() is not None):
                answer = Answer()
                self._answers.put(key, answer)
                answer.add_done_callback(functools.partial(self._weigh, key))
                question = functools.partial(
                    self._answer, answer, person, experiment, tuple(interventions), step, function, arguments
                )
                self._trainers.soon(functools.partial(self._begin, question))
            return answer

    def held(self) -> Held:
        """How much is kept."""
        with self._lock:
            return self._answers.held()

    def _weigh(self, key: Hashable, answer: Future[Any]) -> None:
        if answer.exception() is None:
            with self._lock:
                self._answers.weigh(key, size_of(answer.result()))

    def _begin(self, question: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._trainers.spawn(question())

    async def _answer(self, answer: Answer, person: Person, experiment: Experiment, *question: Any) -> None:
        try:
            answer.set_result(await self._remotely(answer, person, experiment, *question))
        except (ExperimentError, DatasetError, TrainersUnavailableError) as error:
            answer.set_exception(InspectionError(str(error)))
        except InspectionError as error:
            answer.set_exception(error)
        except Exception as error:
            answer.set_exception(InspectionError(f"{type(error).__name__}: {error}"))
        finally:
            if not answer.done():  # cancelled, as the cluster closes
                answer.set_exception(InspectionError("The server is closing."))

    async def _remotely(self, answer: Answer, person: Person, experiment: Experiment, *question: Any) -> Any:
        client = await self._trainers.client()
        if not self._subscribed:
            self._subscribed = True
            client.subscribe_topic(TOPIC, self._on_report)
        for _ in range(MOST_LOST):
            # Ask the process that trained the network, or else always the same one: its cache has the Trainer.
            workers = await self._trainers.addresses(experiment.dataset)
            home = self._trainers.worker_of(experiment)
            if home not in workers:
                home = workers[zlib.crc32(experiment.to_json().encode()) % len(workers)]
            async with self._fair_queue.turn(home, person, 0.0) as turn:
                started = time.monotonic()
                try:
                    start = self._start(experiment, *question[:2])
                    return await self._submitted(client, home, answer, (experiment, *question, start))
                except (WorkerLostError, KilledWorker):
                    continue
                finally:
                    turn.seconds = time.monotonic() - started
        raise InspectionError("The process that looked into the network ended too often.")

    def _start(
        self, experiment: Experiment, interventions: Sequence[Intervention], step: int
    ) -> Checkpoint | None:
        found = self._trainers.checkpoints.nearest(experiment, interventions, step)
        return found if found is not None and found.nbytes <= MOST_SENT_BYTES else None

    async def _submitted(self, client: Client, home: str, answer: Answer, question: tuple[Any, ...]) -> Any:
        name = secrets.token_hex(8)
        self._pending[name] = answer
        future: RemoteFuture[Any] = client.submit(
            _answered_with_reports, name, *question, pure=False, workers=[home]
        )
        try:
            return await self._trainers.answer(home, future)
        finally:
            del self._pending[name]
            future.release()

    def _on_report(self, event: tuple[float, Any]) -> None:
        name, share = event[1]
        if name in self._pending:
            self._pending[name].share = float(share)


def size_of(value: Any) -> int:
    """About how many bytes of memory an answer takes: plain data and NumPy arrays."""
    if isinstance(value, np.ndarray):
        return value.nbytes
    if isinstance(value, Mapping):
        return sum(map(size_of, value.values())) + sum(map(size_of, value))
    if isinstance(value, list | tuple | set | frozenset):
        return sys.getsizeof(value) + sum(map(size_of, value))
    if is_dataclass(value):
        return sum(size_of(getattr(value, item.name)) for item in fields(value))
    return sys.getsizeof(value)


def answered(
    experiment: Experiment,
    interventions: tuple[Intervention, ...],
    step: int,
    function: str,
    arguments: dict[str, Any],
    start: Checkpoint | None = None,
) -> Any:
    """Call the function on the network at the step, or where it diverged before that. Needs torch.

    start: what to train on from, in place of step 0, if this process has no such network.
    """
    trainer = TRAINER_CACHE.trainer(experiment, interventions, step, start)
    return pkgutil.resolve_name(function)(trainer, **arguments)


def _answered_with_reports(question: str, *asked: Any) -> Any:
    """The same in a worker, which reports its progress. question: the name in the reports."""
    worker, reported = get_worker(), -REPORT_SECONDS

    def report(share: float) -> None:
        nonlocal reported
        if time.monotonic() - reported >= REPORT_SECONDS:
            reported = time.monotonic()
            worker.log_event(TOPIC, (question, share))

    with on_progress(report):
        return answered(*asked)
