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


def _without_chance(kind: Callable[[int], Normalizer]) -> Maker:
    """A maker of normalizers that draw nothing."""
    return lambda features, chance: kind(features)


NORMALIZER_CLASSES: Mapping[str, Maker] = MappingProxyType(
    {
        "none": _without_chance(NoNormalizer),
        "batch": _without_chance(BatchNorm),
        "batch-no-affine": _without_chance(partial(BatchNorm, affine=False)),
        "batch-after-activation": _without_chance(ScaledAfterActivation),
        "input-only": _without_chance(NoNormalizer),
        "whiten": _without_chance(Whitening),
        "l1": _without_chance(L1BatchNorm),
        "batch-stop-mean": _without_chance(StoppedMean),
        "batch-stop-statistics": _without_chance(StoppedStatistics),
        "noisy-batch": NoisyBatchNorm,
        "noise": Noise,
    }
)
"""The hidden layers' normalizer by its name in an Experiment; called with the number of features and a
source of chance of its own. What "input-only" puts before the first layer is in network.build."""
