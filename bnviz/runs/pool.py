"""Many experiments trained in parallel, one in each worker process: for the command line, labs and scripts.

This module imports quickly; only the workers load torch. A script that calls `train_many` needs the usual guard
`if __name__ == "__main__":`, because the workers are started by "spawn".
"""

from __future__ import annotations

import os
import pkgutil
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnContext
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from bnviz.experiment.job import Job
from bnviz.experiment.progress import on_progress
from bnviz.recording import Recording, Snapshot
from bnviz.recording.outcome import Outcome

if TYPE_CHECKING:
    from bnviz.engine.trainer import Trainer

CHUNK = 20
"""Steps between two reports: a few tens of milliseconds, so that progress is smooth and costs nothing."""
PATIENCE = 0.1
"""How many seconds to wait for messages before checking whether the training was cancelled."""


class TrainingCancelledError(Exception):
    """The training was cancelled."""


class TrainingError(RuntimeError):
    """An experiment could not be trained; the message is a sentence that says why."""


def run_job(job: Job, report: Callable[[int], None] = lambda step: None) -> Outcome:
    """Train in this process. report: called with the step every CHUNK steps; an exception of it ends the job.

    Raises ExperimentError or DatasetError.
    """
    from bnviz.engine.trainer import Trainer

    trainer = Trainer(job.experiment)
    snapshots: list[Snapshot] = []
    while not trainer.ended:
        snapshots += trainer.advance(CHUNK)
        report(trainer.step)
    recording = Recording(job.experiment, provenance=trainer.provenance)
    recording = recording.extended(snapshots, diverged_at=trainer.diverged_at)
    if not job.inspection:
        return Outcome(recording)

    def inspected(share: float) -> None:
        report(job.experiment.steps + round(share * job.inspection_steps))

    with on_progress(inspected):
        return Outcome(recording, inspect(trainer, job.inspection, dict(job.arguments)))


def inspect(
    trainer: Trainer, name: str, arguments: Mapping[str, Any] = MappingProxyType({})
) -> Mapping[str, Any]:
    """Call the inspection "package.module:function" on a Trainer, in the process that trains."""
    found: Mapping[str, Any] = pkgutil.resolve_name(name)(trainer, **arguments)
    return found


def train_many(
    jobs: Sequence[Job],
    workers: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    cancel: threading.Event | None = None,
) -> list[Outcome]:
    """Train all jobs in worker processes of one thread each. Returns their Outcomes, in the order of the jobs.

    workers: how many processes; None for one per core. progress: called with the steps done and the steps in
    all; a network that diverged is done. cancel: once another thread sets it, training ends within a second.
    All processes end with this call. Raises TrainingCancelledError, TrainingError.
    """
    done = [0] * len(jobs)
    outcomes: dict[int, Outcome] = {}
    waiting = list(range(len(jobs)))[::-1]
    total = sum(job.steps for job in jobs)
    context = get_context("spawn")
    count = min(len(jobs), workers or os.cpu_count() or 1)
    pool: dict[Connection, _Worker] = {}
    try:
        for _ in range(count):
            worker = _Worker(context)
            pool[worker.connection] = worker
            worker.take(waiting.pop(), jobs)
        while len(outcomes) < len(jobs):
            if cancel is not None and cancel.is_set():
                raise TrainingCancelledError
            for ready in wait(list(pool), PATIENCE):
                worker = pool[ready]  # type: ignore[index]
                message = worker.message(jobs)
                if isinstance(message, Outcome):
                    outcomes[worker.number] = message
                    done[worker.number] = jobs[worker.number].steps
                    if waiting:
                        worker.take(waiting.pop(), jobs)
                else:
                    done[worker.number] = message
                progress(sum(done), total)
    finally:
        for worker in pool.values():
            worker.process.terminate()  # it holds nothing worth saving
        for worker in pool.values():
            worker.process.join()
            worker.connection.close()
    return [outcomes[number] for number in range(len(jobs))]


class _Worker:
    """A process that trains one job after the other. number: of its present job."""

    def __init__(self, context: SpawnContext) -> None:
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()  # so that the end of either process closes the pipe
        self.number = -1

    def take(self, number: int, jobs: Sequence[Job]) -> None:
        self.number = number
        self.connection.send(jobs[number])

    def message(self, jobs: Sequence[Job]) -> int | Outcome:
        """The step reached, or the outcome. Raises TrainingError."""
        try:
            message: int | Outcome | str = self.connection.recv()
        except (EOFError, OSError):
            self.process.join()
            what = _named(jobs[self.number])
            code = self.process.exitcode
            raise TrainingError(f"the process that trained {what} ended early, with code {code}") from None
        if isinstance(message, str):
            raise TrainingError(message)
        return message


def _work(connection: Connection) -> None:
    """A worker's loop: receive a job; send its steps, then its Outcome or a sentence that says why there is none.

    It ends when the other end of the pipe closes, even if that process was killed.
    """
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C is sent to it too; the process that started it decides
    try:
        while True:
            job = connection.recv()
            try:
                answer: Outcome | str = run_job(job, connection.send)
            except OSError:
                raise
            except Exception as error:
                answer = f"{_named(job)} could not be trained: {type(error).__name__}: {error}"
            connection.send(answer)
    except (EOFError, OSError):
        return


def _named(job: Job) -> str:
    return job.experiment.to_query() or "the default experiment"
