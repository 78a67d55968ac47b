"""A Trainer as a Dask actor in a worker process.

The web process imports this module too, to name the class that it submits. So torch and the Trainer are imported
inside the methods, which only workers call.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from distributed import Worker
from distributed.diagnostics.plugin import WorkerPlugin

from bnviz.experiment import Experiment, ExperimentError, Intervention
from bnviz.recording import Provenance, Snapshot
from bnviz.recording.checkpoint import Checkpoint
from bnviz.runs.trainer_cache import TRAINER_CACHE

if TYPE_CHECKING:
    from bnviz.engine.trainer import Trainer


TRAINING = threading.Lock()
"""Held while torch computes in this process, by one trainer or by the warm-up. The process acquires it for good at
its exit: a thread inside torch while Python shuts down would abort the process with a message on the terminal.
"""


CHECKPOINT_SECONDS = 0.5
"""Of training between two Checkpoints. The first follows the first steps, so that a process killed soon gains too."""

CHECKPOINT_BYTES_A_SECOND = 4_000_000
"""A large network's Checkpoints follow each other later: at most so many bytes for a second of training."""


@dataclass(frozen=True)
class Progress:
    """What one call of `advance` returned.

    seconds: spent training, without the wait for a turn. error: why training cannot go on, a sentence.
    checkpoint: of the Trainer after these steps, from time to time.
    """

    step: int
    snapshots: Sequence[Snapshot] = ()
    diverged_at: int | None = None
    provenance: Provenance = field(default_factory=Provenance)
    seconds: float = 0.0
    error: str | None = None
    checkpoint: Checkpoint | None = None


class TrainerActor:
    """A Trainer behind the one call that a run makes.

    It returns every exception as Progress.error. So an exception in the web process always means that the worker
    process or the connection was lost.
    """

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment
        self.trainer: Trainer | None = None
        self.interventions: tuple[Intervention, ...] = ()
        self._since = self._pause = 0.0  # seconds of training: since the last Checkpoint, and until the next

    def warm(self) -> None:
        """Return when the process is ready to train: a process that dies before has not begun with this network."""
        with TRAINING:
            pass

    def advance(
        self,
        steps: int,
        interventions: Sequence[Intervention],
        every_step: bool,
        start: Checkpoint | None = None,
        made: Sequence[Intervention] = (),
    ) -> Progress:
        """Trainer.advance; the first call builds the Trainer, which may have to fetch its data.

        start: what the first call begins from in place of step 0. made: the interventions before it.
        """
        from bnviz.data.datasets import DatasetError

        step = 0 if self.trainer is None else self.trainer.step
        try:
            with TRAINING:
                started = time.perf_counter()
                if self.trainer is None:
                    self.trainer, self.interventions = built(self.experiment, start), tuple(made)
                begun = time.perf_counter()
                snapshots = self.trainer.advance(steps, interventions, every_step)
                self.interventions += tuple(interventions)
                checkpoint = self._checkpoint(time.perf_counter() - begun) if steps else None
        except (DatasetError, ExperimentError) as error:
            return Progress(step, error=str(error))
        except Exception as error:
            return Progress(step, error=f"Training stopped at step {step:,}: {type(error).__name__}: {error}")
        if self.trainer.ended:
            TRAINER_CACHE.keep(self.experiment, self.interventions, self.experiment.steps, self.trainer)
        return Progress(
            step=self.trainer.step,
            snapshots=snapshots,
            diverged_at=self.trainer.diverged_at,
            provenance=self.trainer.provenance,
            seconds=time.perf_counter() - started,
            checkpoint=checkpoint,
        )

    def _checkpoint(self, seconds: float) -> Checkpoint | None:
        """One of the Trainer, if it is time, after so many seconds of further training."""
        self._since += seconds
        if self.trainer is None or self.trainer.ended or self._since < self._pause:
            return None
        from bnviz.engine.checkpoints import saved

        checkpoint = saved(self.trainer)
        self._since = 0.0
        self._pause = max(CHECKPOINT_SECONDS, checkpoint.nbytes / CHECKPOINT_BYTES_A_SECOND)
        return checkpoint


class TrainerSetup(WorkerPlugin):
    """Prepares a worker process for training.

    polite: whether to lower its priority, because it shares a machine with the web server.
    """

    name = "bnviz-trainers"
    idempotent = True

    def __init__(self, polite: bool) -> None:
        self.polite = polite

    def setup(self, worker: Worker) -> None:
        """Lower the priority, and warm up in a thread, so that the worker is ready at once."""
        if self.polite and sys.platform != "win32":
            os.nice(5)  # of this thread, and of every thread that it starts
        atexit.register(TRAINING.acquire)
        threading.Thread(target=_warm_up, name="bnviz-warm-up", daemon=True).start()


async def prepare(dask_worker: Worker) -> None:
    """Prepare a worker of a cluster elsewhere, which another server may have prepared already."""
    if TrainerSetup.name not in dask_worker.plugins:
        await dask_worker.plugin_add(TrainerSetup(polite=False), name=TrainerSetup.name)


def built(experiment: Experiment, start: Checkpoint | None = None) -> Trainer:
    """A Trainer in this process, at step 0 or at `start`."""
    import torch

    from bnviz.engine.checkpoints import resumed
    from bnviz.engine.trainer import Trainer

    torch.set_num_threads(1)
    return Trainer(experiment) if start is None else resumed(experiment, start)


def _warm_up() -> None:
    """Import what training needs and take a few steps, so that the first Play responds at once."""
    with TRAINING, suppress(Exception):  # the first run reports whatever is wrong here
        built(Experiment(hidden=(8, 8), steps=5)).advance(5)
