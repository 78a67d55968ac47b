"""Questions to a network as it stood at a step, answered in a worker process.

A question is a function by its dotted name, "package.module:function", called with a Trainer that was
advanced to the step: it needs torch, and whoever asks has none. It returns plain data, numbers and NumPy
arrays, and leaves the Trainer as it finds it, as the next question may be to the same one.
"""

from __future__ import annotations

import functools
import importlib
import secrets
import threading
import time
import zlib
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable, Sequence
from concurrent.futures import Future
from typing import Any

from distributed import Client, KilledWorker, get_worker
from distributed import Future as RemoteFuture

from bnviz.data.mnist import DatasetError
from bnviz.experiment import Experiment, ExperimentError, Intervention
from bnviz.experiment.progress import heard_by
from bnviz.runs.cost import check
from bnviz.runs.fair_queue import Turns
from bnviz.runs.limits import Limits
from bnviz.runs.person import Person
from bnviz.runs.trainer_cache import AT_HAND
from bnviz.runs.trainers import Trainers, TrainersUnavailableError

TOPIC = "bnviz-inspections"
"""Of the events by which workers tell how far they are."""

TELL_SECONDS = 0.25
"""Between two such events of one question."""


class InspectionError(Exception):
    """A question could not be answered; the message is a sentence."""


class Looking(Future[Any]):
    """An answer on its way. share: how much of the work is done, from 0 to 1, where the question tells."""

    share = 0.0


class Inspections:
    """Asks each question once and keeps the answers asked for most recently. For any thread."""

    def __init__(self, trainers: Trainers, limits: Limits) -> None:
        self._trainers, self._limits = trainers, limits
        self._turns = Turns(at_once=1)
        self._lock = threading.Lock()
        self._answers: OrderedDict[Hashable, Looking] = OrderedDict()
        self._telling: dict[str, Looking] = {}
        self._listening = False

    def ask(
        self,
        experiment: Experiment,
        interventions: Sequence[Intervention],
        step: int,
        function: str,
        person: Person,
        **arguments: Hashable,
    ) -> Looking:
        """The answer of `function`, on its way or there already. It raises InspectionError.

        Raises TooCostlyError for a network that this server does not train.
        """
        check([experiment], self._limits)
        key = (experiment, tuple(interventions), step, function, *sorted(arguments.items()))
        with self._lock:
            answer = self._answers.get(key)
            if answer is None or (answer.done() and answer.exception() is not None):
                answer = self._answers[key] = Looking()
                question = functools.partial(
                    self._answer, answer, person, experiment, tuple(interventions), step, function, arguments
                )
                self._trainers.soon(functools.partial(self._begin, question))
            self._answers.move_to_end(key)
            while len(self._answers) > self._limits.kept_inspections:
                self._answers.popitem(last=False)
            return answer

    def _begin(self, question: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._trainers.spawn(question())

    async def _answer(self, answer: Looking, person: Person, experiment: Experiment, *question: Any) -> None:
        try:
            answer.set_result(await self._remotely(answer, person, experiment, *question))
        except (ExperimentError, DatasetError, TrainersUnavailableError) as error:
            answer.set_exception(InspectionError(str(error)))
        except KilledWorker:
            answer.set_exception(InspectionError("The process that looked into the network ended too often."))
        except Exception as error:
            answer.set_exception(InspectionError(f"{type(error).__name__}: {error}"))
        finally:
            if not answer.done():  # cancelled, as the cluster closes
                answer.set_exception(InspectionError("The server is closing."))

    async def _remotely(self, answer: Looking, person: Person, experiment: Experiment, *question: Any) -> Any:
        client = await self._trainers.client()
        if not self._listening:
            self._listening = True
            client.subscribe_topic(TOPIC, self._heard)
        workers = sorted(await client.nthreads())
        # The network is asked in the process that trained it, or else always in the same: there it is at hand.
        home = self._trainers.home(experiment)
        if home not in workers:
            home = workers[zlib.crc32(experiment.to_json().encode()) % len(workers)] if workers else None
        async with self._turns.turn(home or "", person, 0.0) as turn:
            started = time.monotonic()
            try:
                return await self._submitted(client, home, answer, (experiment, *question))
            finally:
                turn.seconds = time.monotonic() - started

    async def _submitted(
        self, client: Client, home: str | None, answer: Looking, question: tuple[Any, ...]
    ) -> Any:
        name = secrets.token_hex(8)
        self._telling[name] = answer
        future: RemoteFuture[Any] = client.submit(
            _answered_telling, name, *question, pure=False, workers=home, allow_other_workers=True
        )
        try:
            return await future
        finally:
            del self._telling[name]
            future.release()

    def _heard(self, event: tuple[float, Any]) -> None:
        name, share = event[1]
        if name in self._telling:
            self._telling[name].share = float(share)


def answered(
    experiment: Experiment,
    interventions: tuple[Intervention, ...],
    step: int,
    function: str,
    arguments: dict[str, Any],
) -> Any:
    """Call the function on the network at the step, or where it diverged before. Needs torch."""
    module, _, name = function.partition(":")
    trainer = AT_HAND.trainer(experiment, interventions, step)
    return getattr(importlib.import_module(module), name)(trainer, **arguments)


def _answered_telling(question: str, *asked: Any) -> Any:
    """The same in a worker. question: the name under which it tells how far it is."""
    worker, told = get_worker(), -TELL_SECONDS

    def tell(share: float) -> None:
        nonlocal told
        if time.monotonic() - told >= TELL_SECONDS:
            told = time.monotonic()
            worker.log_event(TOPIC, (question, share))

    with heard_by(tell):
        return answered(*asked)
