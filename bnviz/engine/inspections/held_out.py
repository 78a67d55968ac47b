"""A trained network's class probabilities for every held-out example, to be combined with those of others."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bnviz.engine.trainer import Trainer, one_thread


def probabilities(trainer: Trainer) -> Mapping[str, np.ndarray]:
    """probabilities: (N, classes) float32, in inference mode. labels: (N,) int64."""
    test = trainer.recorder.test
    inputs, labels = test.batch(test.spread(len(test)))
    with one_thread():
        found = trainer.recorder.scores(inputs).softmax(1)
    return {"probabilities": found.cpu().numpy().astype(np.float32), "labels": labels.cpu().numpy()}
