"""A Job: an experiment to train to its end, and what else to find out about the trained network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bnviz.experiment.experiment import Experiment

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class Job:
    """An experiment to train to its end, and what else to find out about the trained network.

    inspection: "package.module:function"; the function takes the Trainer and returns plain data by name,
    numbers and NumPy arrays. A name, because the function needs torch and whoever asks has none.
    inspection_steps: how many steps' worth of work that is, where it trains a second time.
    """

    experiment: Experiment
    inspection: str | None = None
    inspection_steps: int = 0

    @property
    def steps(self) -> int:
        """All the work, in training steps."""
        return self.experiment.steps + self.inspection_steps
