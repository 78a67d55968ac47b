"""What was measured of the loss around a network's weights: along its gradient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np


@dataclass(frozen=True, eq=False)
class AlongGradient:
    """The loss and its gradient at w − s·g, for several step sizes s, at R steps of training.

    steps, loss: (R,), and the loss at w. losses, change, distance: (R, S), for each s: the loss, ‖∇L(w − s·g) − g‖ and
    ‖s·g‖. What is not a finite number is infinite.
    """

    steps: np.ndarray
    loss: np.ndarray
    losses: np.ndarray
    change: np.ndarray
    distance: np.ndarray

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Self:
        """From what `engine.inspections.smoothness` found; of no step if that is empty."""
        if not found:
            return cls(np.empty(0, np.int64), np.empty(0), *(np.empty((0, 1)) for _ in range(3)))
        return cls(*(np.asarray(found[name]) for name in ("steps", "loss", "losses", "change", "distance")))

    @property
    def lowest(self) -> np.ndarray:
        """(R,), the lowest loss on the way, its beginning included."""
        return np.minimum(self.loss, self.losses.min(axis=1))

    @property
    def highest(self) -> np.ndarray:
        """(R,), the highest loss on the way, its beginning included."""
        return np.maximum(self.loss, self.losses.max(axis=1))

    @property
    def loss_range(self) -> np.ndarray:
        """(R,), by how much the loss varies on the way."""
        return self.highest - self.lowest

    @property
    def gradient_change(self) -> np.ndarray:
        """(R,), the largest change of the gradient on the way, as the length of the difference."""
        return np.asarray(self.change.max(axis=1))

    @property
    def smoothness(self) -> np.ndarray:
        """(R,), the effective β: the largest ratio of the gradient's change to the distance. NaN where g is 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray((self.change / self.distance).max(axis=1))
