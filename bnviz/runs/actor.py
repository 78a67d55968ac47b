"""What lives in a worker process: a Trainer behind the few calls that a run makes.

This module is imported by the web process as well, to name the class it submits, so torch and the
Trainer are imported inside the methods, which only workers call.
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
from bnviz.runs.trainer_cache import AT_HAND

if TYPE_CHECKING:
    from bnviz.engine.trainer import Trainer


TRAINING = threading.Lock()
"""Held while torch is at work in this process: by one trainer, by the warm-up, or for ever by its exit.

A thread inside torch while Python shuts down would abort the process, with a message on the terminal.
"""


@dataclass(frozen=True)
class Progress:
    """What one call of `advance` brought.

    seconds: spent training, without waiting for a turn. error: why training cannot go on, a sentence.
    """

    step: int
    snapshots: Sequence[Snapshot] = ()
    diverged_at: int | None = None
    provenance: Provenance = field(default_factory=Provenance)
    seconds: float = 0.0
    error: str | None = None


class TrainerActor:
    """A Trainer as a Dask actor. It answers every call: an exception comes back as Progress.error.

    So an exception on the manager's side always means that the process or the connection was lost.
    """

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment
        self.trainer: Trainer | None = None
        self.interventions: tuple[Intervention, ...] = ()

    def advance(self, steps: int, interventions: Sequence[Intervention], every_step: bool) -> Progress:
        """Trainer.advance; the first call builds the Trainer, which may have to fetch its data."""
        from bnviz.data.datasets import DatasetError

        step = 0 if self.trainer is None else self.trainer.step
        try:
            with TRAINING:
                started = time.perf_counter()
                if self.trainer is None:
                    self.trainer = _build(self.experiment)
                snapshots = self.trainer.advance(steps, interventions, every_step)
                self.interventions += tuple(interventions)
        except (DatasetError, ExperimentError) as error:
            return Progress(step, error=str(error))
        except Exception as error:
            return Progress(step, error=f"Training stopped at step {step:,}: {type(error).__name__}: {error}")
        if self.trainer.ended:
            AT_HAND.keep(self.experiment, self.interventions, self.experiment.steps, self.trainer)
        return Progress(
            step=self.trainer.step,
            snapshots=snapshots,
            diverged_at=self.trainer.diverged_at,
            provenance=self.trainer.provenance,
            seconds=time.perf_counter() - started,
        )


class TrainerSetup(WorkerPlugin):
    """Prepares a worker process for training.

    polite: the worker shares its machine with the web server and yields to it.
    """

    name = "bnviz-trainers"
    idempotent = True

    def __init__(self, polite: bool) -> None:
        self.polite = polite

    def setup(self, worker: Worker) -> None:
        """Lower the priority and warm up, in the background: the worker is ready to be asked meanwhile."""
        if self.polite and sys.platform != "win32":
            os.nice(5)  # of this thread, and so of every thread it starts
        atexit.register(TRAINING.acquire)
        threading.Thread(target=_warm_up, name="bnviz-warm-up", daemon=True).start()


def _build(experiment: Experiment) -> Trainer:
    import torch

    from bnviz.engine.trainer import Trainer

    torch.set_num_threads(1)
    return Trainer(experiment)


def _warm_up() -> None:
    """Import what training needs and take a few steps, so that the first Play answers at once."""
    with TRAINING, suppress(Exception):  # whatever is wrong here, the first run says in words
        _build(Experiment(hidden=(8, 8), steps=5)).advance(5)
