"""How a mini-batch passes forward, and its gradient backward, through a deep network that is not trained yet.

z_l is the output of hidden layer l, (B, F), of a network of L layers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np

from bnviz.experiment import Experiment

SINGULAR = ("q05", "q50", "q95", "largest", "rms")
"""What is kept of a layer's singular values: three quantiles, the largest, and the root of the mean square."""
NEAR = (0.5, 2.0)
"""Singular values between these count as near 1."""
APART = 0.1
"""The share of the layers, at each end, that the growth of the gradient leaves out: there the input, and the loss, make
the difference."""


@dataclass(frozen=True, eq=False)
class Signal:
    """Measured of one network on one mini-batch, each of the first four (L,).

    activation: the root mean square of z_l. gradient: the Euclidean norm of ∂loss/∂z_l. rank: the effective rank of
    z_l, (tr M)²/‖M‖²_F with M = z_lᵀz_l (Daneshmand et al. 2020), from 1 to the smaller of B and F. cosine: between
    z_l of two examples, mean over all pairs; NaN where all are 0.
    jacobian_layers: (J,), those, counted from 1, whose Jacobian ∂z_l/∂z_{l−1} of one example is taken.
    singular: (J, 5), its singular values, as SINGULAR has them. near: (J,), the share of them within NEAR.
    """

    activation: np.ndarray
    gradient: np.ndarray
    rank: np.ndarray
    cosine: np.ndarray
    jacobian_layers: np.ndarray
    singular: np.ndarray
    near: np.ndarray

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Self:
        """The Signal in what an inspection returned."""
        return cls(**{item.name: np.asarray(found[item.name]) for item in fields(cls)})

    @classmethod
    def nothing(cls) -> Self:
        """That of no network yet."""
        none = np.empty(0)
        return cls(none, none, none, none, np.empty(0, np.int64), np.empty((0, len(SINGULAR))), none)

    def arrays(self) -> dict[str, np.ndarray]:
        """All of it by name."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

    @property
    def layers(self) -> np.ndarray:
        """The numbers of the layers, (L,), from 1 at the input."""
        return np.arange(1, len(self.gradient) + 1)

    @property
    def growth(self) -> float:
        """The factor by which ‖∂loss/∂z‖² grows from a layer to the one before it, the mean over the inner layers.

        NaN where there are fewer than two layers, or no gradient.
        """
        first, last = self.inner
        if last <= first:
            return math.nan
        ends = self.gradient[[first - 1, last - 1]]
        if not (np.isfinite(ends).all() and (ends > 0).all()):
            return math.nan
        return float((ends[0] / ends[1]) ** (2 / (last - first)))

    @property
    def inner(self) -> tuple[int, int]:
        """The first and the last layer between which the growth is taken."""
        cut = int(APART * len(self.gradient))
        return 1 + cut, len(self.gradient) - cut

    @property
    def near_one(self) -> float:
        """The share of singular values near 1, the median of the layers; NaN without any."""
        return float(np.median(self.near)) if self.near.size else math.nan


def expected_growth(experiment: Experiment) -> float:
    """What Yang et al. 2019 derive for Signal.growth of wide, deep networks with batch normalization; NaN for others.

    ReLU: π/(π − 1), for large mini-batches. Linear: (B − 2)/(B − 3) for B > 3.
    """
    size = experiment.batch_size
    if experiment.normalizer not in ("batch", "batch-no-affine") or experiment.residual != "none":
        return math.nan
    if experiment.activation == "relu":
        return math.pi / (math.pi - 1)
    if experiment.activation == "identity" and size > 3:
        return (size - 2) / (size - 3)
    return math.nan
