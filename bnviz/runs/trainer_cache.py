"""Trained networks that a worker process keeps at hand for questions, the last used ones.

A run's trainer goes here when it has reached its end, so that whoever asks about the trained network need
not train it again. What is asked leaves a Trainer as it finds it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bnviz.experiment import Experiment, Intervention

if TYPE_CHECKING:
    from bnviz.engine.trainer import Trainer

CAPACITY = 24
"""Trainers that a worker keeps: those of the largest lab. All share one copy of their dataset."""

Key = tuple[Experiment, tuple[Intervention, ...], int]


class AtHand:
    """Trainers by what they trained: experiment, interventions, step. For any thread."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._lock = threading.Lock()
        self._all: OrderedDict[Key, Trainer] = OrderedDict()

    def keep(
        self, experiment: Experiment, interventions: Sequence[Intervention], step: int, trainer: Trainer
    ) -> None:
        """Have `trainer`, which stands at `step`, at hand."""
        with self._lock:
            self._all[experiment, tuple(interventions), step] = trainer
            self._all.move_to_end((experiment, tuple(interventions), step))
            while len(self._all) > self._capacity:
                self._all.popitem(last=False)

    def trainer(self, experiment: Experiment, interventions: Sequence[Intervention], step: int) -> Trainer:
        """One that stands at `step`, or where it diverged before; trained now if there is none."""
        key = (experiment, tuple(interventions), step)
        with self._lock:
            found = self._all.get(key)
            if found is not None:
                self._all.move_to_end(key)
                return found
        from bnviz.engine.trainer import Trainer

        made = Trainer(experiment)
        made.advance(step, interventions)
        self.keep(*key, made)
        return made


AT_HAND = AtHand()
"""This process's."""
