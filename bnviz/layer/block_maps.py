"""What the convolutions of a block make of one image, before and after their normalization, as read from a network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Statistics:
    """The running statistics of some feature maps, each (k,): what inference normalizes them by."""

    mean: np.ndarray
    deviation: np.ndarray


@dataclass(frozen=True, eq=False)
class ConvolutionMaps:
    """The first feature maps behind one convolution of a block.

    name: which convolution, such as "3×3". features: how many maps it has. before, after: (k, height, width) float32,
    what enters its normalizer and what leaves it, in inference mode. normalized: whether it has one; without one both
    are equal. statistics: None unless each map is normalized by a running mean and variance of its own.
    """

    name: str
    features: int
    before: np.ndarray
    after: np.ndarray
    normalized: bool
    statistics: Statistics | None


@dataclass(frozen=True, eq=False)
class BlockMaps:
    """One block of a network of images after `step` updates, for one held-out example.

    block: counted from 1 behind the stem. example: counted from 1; name: its class.
    """

    step: int
    block: int
    example: int
    name: str
    convolutions: tuple[ConvolutionMaps, ...]
