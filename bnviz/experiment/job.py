"""A Job: an experiment to train to its end, and an inspection of the trained network."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from bnviz.experiment.experiment import Experiment


@dataclass(frozen=True)
class Job:
    """An experiment to train to its end, and an inspection of the trained network.

    inspection: "package.module:function"; the function takes the Trainer and returns plain data by name, numbers and
    NumPy arrays. It is named, not passed, because it needs torch and the process that asks does not load it.
    inspection_steps: the work of the inspection, in training steps, if it trains again.
    arguments: what the function takes besides the Trainer, by name.
    """

    experiment: Experiment
    inspection: str | None = None
    inspection_steps: int = 0
    arguments: tuple[tuple[str, Hashable], ...] = ()

    @property
    def steps(self) -> int:
        """The work of the training and the inspection, in training steps."""
        return self.experiment.steps + self.inspection_steps
