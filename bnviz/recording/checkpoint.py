"""A Checkpoint: the whole state of a Trainer after a step, as NumPy arrays, so that training can go on from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bnviz.experiment import Experiment, Intervention


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What a Trainer of the same Experiment needs to go on to the same bits.

    step: the updates taken. started: whether step 0 was recorded. taken: the optimizer's count of its steps.
    settings: as interventions have left them. coming: interventions still to be made.
    arrays: by name, the network's and the optimizer's tensors, the generators' states, the epoch's order, and
    the distributions that drift is measured from.
    """

    step: int
    started: bool
    diverged_at: int | None
    taken: int
    settings: Experiment
    coming: tuple[Intervention, ...]
    arrays: Mapping[str, np.ndarray]

    @property
    def nbytes(self) -> int:
        """How many bytes its arrays take."""
        return sum(array.nbytes for array in self.arrays.values())
