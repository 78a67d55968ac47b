"""Questions to a network as it stood at a step, answered in a worker process.

A question is a function by its dotted name, "package.module:function", called with a Trainer that was
advanced to the step: it needs torch, and whoever asks has none. It returns plain data, numbers and NumPy
arrays, and leaves the Trainer as it finds it, as the next question may be to the same one.
"""

from __future__ import annotations

import functools
import importlib
import threading
import zlib
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from distributed import Future as RemoteFuture
from distributed import KilledWorker

from bnviz.experiment import Experiment, ExperimentError, Intervention
from bnviz.mnist import DatasetError
from bnviz.runs.trainers import Trainers, TrainersUnavailableError

if TYPE_CHECKING:
    from bnviz.training import Trainer

TRAINERS_AT_HAND = 3
"""Trainers that a worker keeps between questions; each holds its dataset."""


class InspectionError(Exception):
    """A question could not be answered; the message is a sentence."""


class Inspections:
    """Asks each question once and keeps the `capacity` answers asked for most recently. For any thread."""

    def __init__(self, trainers: Trainers, capacity: int) -> None:
        self._trainers = trainers
        self._capacity = capacity
        self._lock = threading.Lock()
        self._answers: OrderedDict[Hashable, Future[Any]] = OrderedDict()

    def ask(
        self,
        experiment: Experiment,
        interventions: Sequence[Intervention],
        step: int,
        function: str,
        **arguments: Hashable,
    ) -> Future[Any]:
        """The answer of `function`, on its way or there already. It raises InspectionError."""
        key = (experiment, tuple(interventions), step, function, *sorted(arguments.items()))
        with self._lock:
            answer = self._answers.get(key)
            if answer is None or (answer.done() and answer.exception() is not None):
                answer = self._answers[key] = Future()
                question = functools.partial(
                    self._answer, answer, experiment, tuple(interventions), step, function, arguments
                )
                self._trainers.soon(functools.partial(self._begin, question))
            self._answers.move_to_end(key)
            while len(self._answers) > self._capacity:
                self._answers.popitem(last=False)
            return answer

    def _begin(self, question: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._trainers.spawn(question())

    async def _answer(self, answer: Future[Any], experiment: Experiment, *question: Any) -> None:
        try:
            answer.set_result(await self._remotely(experiment, *question))
        except (ExperimentError, DatasetError, TrainersUnavailableError) as error:
            answer.set_exception(InspectionError(str(error)))
        except KilledWorker:
            answer.set_exception(InspectionError("The process that looked into the network ended too often."))
        except Exception as error:
            answer.set_exception(InspectionError(f"{type(error).__name__}: {error}"))
        finally:
            if not answer.done():  # cancelled, as the cluster closes
                answer.set_exception(InspectionError("The server is closing."))

    async def _remotely(self, experiment: Experiment, *question: Any) -> Any:
        client = await self._trainers.client()
        workers = sorted(await client.nthreads())
        # The same network is asked in the same process, which has it at hand.
        home = workers[zlib.crc32(experiment.to_json().encode()) % len(workers)] if workers else None
        future: RemoteFuture[Any] = client.submit(
            answered, experiment, *question, pure=False, workers=home, allow_other_workers=True
        )
        try:
            return await future
        finally:
            future.release()


def answered(
    experiment: Experiment,
    interventions: tuple[Intervention, ...],
    step: int,
    function: str,
    arguments: dict[str, Any],
) -> Any:
    """Call the function on the network at the step, or where it diverged before. Runs in a worker."""
    module, _, name = function.partition(":")
    return getattr(importlib.import_module(module), name)(
        _trained(experiment, interventions, step), **arguments
    )


@functools.lru_cache(maxsize=TRAINERS_AT_HAND)
def _trained(experiment: Experiment, interventions: tuple[Intervention, ...], step: int) -> Trainer:
    from bnviz.training import Trainer

    trainer = Trainer(experiment)
    trainer.advance(step, interventions)
    return trainer
