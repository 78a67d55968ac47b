"""The networks of a Grid's cells, trained as stacks: see `bnviz.stacked`. Needs torch; called in a worker."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

from bnviz.datasets import load
from bnviz.experiment import Experiment
from bnviz.grids import Score
from bnviz.stacked import StackedTrainer
from bnviz.training import Trainer

CHUNK = 10
"""Steps of the stack between which others may have their turn."""


def scores(
    experiments: Sequence[Experiment], turn: AbstractContextManager[object] | None = None
) -> list[Score]:
    """Train all together to their ends and say how each did. turn: held while torch is at work."""
    turn = nullcontext() if turn is None else turn
    with turn:
        stack = StackedTrainer(experiments)
    for trainer in stack.trainers:  # a map shows how each ended, and nothing on the way
        trainer.started, trainer.recorder.due = True, frozenset()
    while stack.step < stack.experiment.steps and stack.going.any():
        with turn:
            stack.advance(CHUNK)
    with turn:
        return [_score(trainer) for trainer in stack.trainers]


def _score(trainer: Trainer) -> Score:
    """On all held-out examples, in inference mode."""
    if trainer.diverged_at is not None:
        return Score(1 / len(load(trainer.experiment.dataset).classes), math.nan, trainer.diverged_at)
    held_out = next(
        item for item in trainer.recorder.evaluate(trainer.experiment.steps) if item.split == "test"
    )
    return Score(held_out.accuracy, held_out.loss)
