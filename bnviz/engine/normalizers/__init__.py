"""Batch normalization and the normalizers that stand beside it, written to be read beside the papers.

base: Algorithm 1 line by line, and what all have in common. batch: batch normalization and what shares its statistics.
per_activation: each position of a feature map by itself. layer, group, instance, rms: each example by itself. renorm,
ghost, halves: batch normalization changed in one thing. weights: the weights in place of the activations. dyt: a
squashing function. whiten: full whitening. noise: noise after batch normalization, and alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

from torch import Generator

from bnviz.engine.normalizers.base import (
    DEFAULT,
    EPSILON,
    MOMENTUM,
    NoNormalizer,
    Normalizer,
    Settings,
    batch_normalize,
)
from bnviz.engine.normalizers.batch import (
    BatchNorm,
    L1BatchNorm,
    ScaledAfterActivation,
    StoppedMean,
    StoppedStatistics,
)
from bnviz.engine.normalizers.dyt import DynamicTanh
from bnviz.engine.normalizers.ghost import GhostBatchNorm
from bnviz.engine.normalizers.group import GroupNorm
from bnviz.engine.normalizers.halves import MeanOnly, VarianceOnly
from bnviz.engine.normalizers.instance import InstanceNorm
from bnviz.engine.normalizers.layer import LayerNorm
from bnviz.engine.normalizers.noise import Noise, NoisyBatchNorm
from bnviz.engine.normalizers.per_activation import PerActivationBatchNorm
from bnviz.engine.normalizers.renorm import BatchRenorm
from bnviz.engine.normalizers.rms import RMSNorm
from bnviz.engine.normalizers.weights import WeightNorm, WeightStandardized
from bnviz.engine.normalizers.whiten import Whitening

__all__ = [
    "EPSILON",
    "MOMENTUM",
    "NORMALIZER_CLASSES",
    "BatchNorm",
    "BatchRenorm",
    "DynamicTanh",
    "GhostBatchNorm",
    "GroupNorm",
    "InstanceNorm",
    "L1BatchNorm",
    "LayerNorm",
    "MeanOnly",
    "NoNormalizer",
    "Noise",
    "NoisyBatchNorm",
    "Normalizer",
    "PerActivationBatchNorm",
    "RMSNorm",
    "ScaledAfterActivation",
    "Settings",
    "StoppedMean",
    "StoppedStatistics",
    "VarianceOnly",
    "WeightNorm",
    "WeightStandardized",
    "Whitening",
    "batch_normalize",
    "make",
]

Maker = Callable[[int, Generator, Settings], Normalizer]


def _plain(kind: Callable[[int], Normalizer]) -> Maker:
    """A maker of normalizers that need neither a random generator nor settings."""
    return lambda features, rng, settings: kind(features)


def _set(kind: Callable[[int, Settings], Normalizer]) -> Maker:
    """A maker of normalizers that need no random generator."""
    return lambda features, rng, settings: kind(features, settings)


NORMALIZER_CLASSES: Mapping[str, Maker] = MappingProxyType(
    {
        "none": _plain(NoNormalizer),
        "batch": _set(BatchNorm),
        "layer": _set(LayerNorm),
        "group": _set(GroupNorm),
        "instance": _set(InstanceNorm),
        "rms": _set(RMSNorm),
        "weight": _plain(WeightNorm),
        "weight-standardized": _set(WeightStandardized),
        "batch-renorm": _set(BatchRenorm),
        "ghost-batch": _set(GhostBatchNorm),
        "mean-only": _set(MeanOnly),
        "variance-only": _set(VarianceOnly),
        "dynamic-tanh": _plain(DynamicTanh),
        "batch-no-affine": _set(partial(BatchNorm, affine=False)),
        "batch-after-activation": _set(ScaledAfterActivation),
        "input-only": _plain(NoNormalizer),
        "whiten": _set(Whitening),
        "l1": _set(L1BatchNorm),
        "batch-stop-mean": _set(StoppedMean),
        "batch-stop-statistics": _set(StoppedStatistics),
        "noisy-batch": NoisyBatchNorm,
        "noise": lambda features, rng, settings: Noise(features, rng),
    }
)
"""The hidden layers' normalizer by its name in an Experiment; called with the number of features, a random generator of
its own and its settings. network.build adds the normalizer that "input-only" puts before the first layer."""


def make(name: str, features: int, rng: Generator, settings: Settings = DEFAULT) -> Normalizer:
    """A new normalizer of this name for so many features."""
    return NORMALIZER_CLASSES[name](features, rng, settings)
