"""Trains the networks of a Grid's cells, as a stack where that is faster, and scores each. Called in a worker."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

from bnviz.data.datasets import load
from bnviz.engine.stack import StackedTrainer, worth_stacking
from bnviz.engine.trainer import Trainer
from bnviz.experiment import Experiment
from bnviz.experiment.grid import Score

CHUNK = 10
"""Steps for which `turn` is held at a time."""


def scores(
    experiments: Sequence[Experiment], turn: AbstractContextManager[object] | None = None
) -> list[Score]:
    """Train all to their ends. Returns their Scores, in their order. turn: held while torch computes."""
    turn = nullcontext() if turn is None else turn
    with turn:
        trainers, units = _units(experiments)
    for trainer in trainers:  # a map shows only how each ended, so nothing is recorded
        trainer.started, trainer.recorder.due = True, frozenset()
    for unit in units:
        while not unit.ended:
            with turn:
                unit.advance(CHUNK)
    with turn:
        return [_score(trainer) for trainer in trainers]


def _units(experiments: Sequence[Experiment]) -> tuple[list[Trainer], Sequence[Trainer | StackedTrainer]]:
    """A Trainer for each, and what to advance: one stack of all, or every Trainer."""
    if worth_stacking(experiments):
        stack = StackedTrainer(experiments)
        return stack.trainers, [stack]
    trainers = [Trainer(item) for item in experiments]
    return trainers, trainers


def _score(trainer: Trainer) -> Score:
    """On all held-out examples, in inference mode."""
    if trainer.diverged_at is not None:
        dataset = load(trainer.experiment.dataset, trainer.experiment.image_side)
        return Score(1 / len(dataset.classes), math.nan, trainer.diverged_at)
    held_out = next(
        item for item in trainer.recorder.evaluate(trainer.experiment.steps) if item.split == "test"
    )
    return Score(held_out.accuracy, held_out.loss)
