"""The points in the plane that a run's networks train on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bnviz.data.datasets import load
from bnviz.experiment.knob import POINT_DATASETS
from bnviz.recording.recording import Recording


def training_points(recordings: Sequence[Recording]) -> tuple[np.ndarray, np.ndarray] | None:
    """The two-dimensional examples that all arms train on, (N, 2) and (N,); None where there are none."""
    if any(recording.watched is not None for recording in recordings):
        return None
    names = {recording.experiment.dataset for recording in recordings}
    if len(names) > 1 or not names <= set(POINT_DATASETS):
        return None
    train = load(names.pop()).train
    return train.inputs, train.labels
