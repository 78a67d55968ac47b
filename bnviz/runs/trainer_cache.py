"""A worker process's cache of trained networks, so that questions about them need no second training.

A run's Trainer is kept when it has reached its end. Questions leave a Trainer unchanged.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bnviz.data.lru import Lru
from bnviz.experiment import Experiment, Intervention
from bnviz.recording.checkpoint import Checkpoint

if TYPE_CHECKING:
    from bnviz.engine.trainer import Trainer

CAPACITY = 24
"""How many Trainers a worker keeps: those of the largest lab. They share one copy of their dataset."""

Key = tuple[Experiment, tuple[Intervention, ...], int]


class TrainerCache:
    """The Trainers used most recently, by experiment, interventions and step. May be called from any thread."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._lock = threading.Lock()
        self._all: Lru[Key, Trainer] = Lru(capacity)

    def keep(
        self, experiment: Experiment, interventions: Sequence[Intervention], step: int, trainer: Trainer
    ) -> None:
        """Keep `trainer`, which has reached `step`."""
        with self._lock:
            self._all.put((experiment, tuple(interventions), step), trainer)

    def trainer(
        self,
        experiment: Experiment,
        interventions: Sequence[Intervention],
        step: int,
        start: Checkpoint | None = None,
    ) -> Trainer:
        """A Trainer at `step`, or where it diverged before that; trained now if there is none.

        start: of the same training up to `step`, to begin from in place of step 0.
        """
        key = (experiment, tuple(interventions), step)
        with self._lock:
            found = self._all.get(key)
            if found is not None:
                return found
        from bnviz.engine.checkpoints import resumed
        from bnviz.engine.trainer import Trainer

        made = Trainer(experiment) if start is None else resumed(experiment, start)
        made.advance(step - made.step, [item for item in interventions if item.step >= made.step])
        self.keep(*key, made)
        return made


TRAINER_CACHE = TrainerCache()
"""The cache of this process."""
