"""Batch normalization and its relatives, written to be read beside the paper.

base: Algorithm 1 line by line. batch: batch normalization and what shares its statistics.
whiten: full whitening. noise: noise after batch normalization, and alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

from torch import Generator

from bnviz.engine.normalizers.base import EPSILON, MOMENTUM, NoNormalizer, Normalizer, batch_normalize
from bnviz.engine.normalizers.batch import (
    BatchNorm,
    L1BatchNorm,
    ScaledAfterActivation,
    StoppedMean,
    StoppedStatistics,
)
from bnviz.engine.normalizers.noise import Noise, NoisyBatchNorm
from bnviz.engine.normalizers.whiten import Whitening

__all__ = [
    "EPSILON",
    "MOMENTUM",
    "NORMALIZER_CLASSES",
    "BatchNorm",
    "L1BatchNorm",
    "NoNormalizer",
    "Noise",
    "NoisyBatchNorm",
    "Normalizer",
    "ScaledAfterActivation",
    "StoppedMean",
    "StoppedStatistics",
    "Whitening",
    "batch_normalize",
]

Maker = Callable[[int, Generator], Normalizer]


def _without_rng(kind: Callable[[int], Normalizer]) -> Maker:
    """A maker of normalizers that need no random generator."""
    return lambda features, rng: kind(features)


NORMALIZER_CLASSES: Mapping[str, Maker] = MappingProxyType(
    {
        "none": _without_rng(NoNormalizer),
        "batch": _without_rng(BatchNorm),
        "batch-no-affine": _without_rng(partial(BatchNorm, affine=False)),
        "batch-after-activation": _without_rng(ScaledAfterActivation),
        "input-only": _without_rng(NoNormalizer),
        "whiten": _without_rng(Whitening),
        "l1": _without_rng(L1BatchNorm),
        "batch-stop-mean": _without_rng(StoppedMean),
        "batch-stop-statistics": _without_rng(StoppedStatistics),
        "noisy-batch": NoisyBatchNorm,
        "noise": Noise,
    }
)
"""The hidden layers' normalizer by its name in an Experiment; called with the number of features and a
random generator of its own. network.build adds the normalizer that "input-only" puts before the first layer."""
