"""What was measured of the loss around a network's weights: along its gradient, and its largest curvature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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

    @classmethod
    def joined(cls, pieces: Sequence[Mapping[str, Any]]) -> Self:
        """From what was found step by step."""
        names = ("steps", "loss", "losses", "change", "distance")
        return cls.of({name: np.array([piece[name] for piece in pieces]) for name in names} if pieces else {})

    @property
    def lowest(self) -> np.ndarray:
        """(R,), the lowest loss on the way, its beginning included."""
        return np.asarray(np.minimum(self.loss, self.losses.min(axis=1)))

    @property
    def highest(self) -> np.ndarray:
        """(R,), the highest loss on the way, its beginning included."""
        return np.asarray(np.maximum(self.loss, self.losses.max(axis=1)))

    @property
    def loss_range(self) -> np.ndarray:
        """(R,), by how much the loss varies on the way."""
        return np.asarray(self.highest - self.lowest)

    @property
    def gradient_change(self) -> np.ndarray:
        """(R,), the largest change of the gradient on the way, as the length of the difference."""
        return np.asarray(self.change.max(axis=1))

    @property
    def smoothness(self) -> np.ndarray:
        """(R,), the effective β: the largest ratio of the gradient's change to the distance. NaN where g is 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray((self.change / self.distance).max(axis=1))


@dataclass(frozen=True, eq=False)
class Sharpness:
    """The largest eigenvalue of the Hessian of the loss, at R steps of training; all (R,).

    sharpness: NaN where it is unknown. loss: over the examples that the Hessian is of. limit: 2/η.
    """

    steps: np.ndarray
    sharpness: np.ndarray
    loss: np.ndarray
    limit: np.ndarray

    @classmethod
    def joined(cls, pieces: Sequence[Mapping[str, Any]]) -> Self:
        """From what was found step by step."""
        steps = np.array([piece["step"] for piece in pieces], np.int64)
        found = (
            np.array([piece[name] for piece in pieces], float) for name in ("sharpness", "loss", "limit")
        )
        return cls(steps, *found)


@dataclass(frozen=True, eq=False)
class Plane:
    """The loss over a plane through a network's weights, as far as it is measured.

    across, up: (C,), the coordinates of columns and rows. losses: (C, C), by row and column; NaN where none is measured
    yet. steps: (P,), path: (P, 2) and on_path: (P,), the weights in training, and their losses; empty without a path.
    explained: (2,), the share of the path's variance along either axis.
    """

    across: np.ndarray
    up: np.ndarray
    losses: np.ndarray
    steps: np.ndarray
    path: np.ndarray
    on_path: np.ndarray
    explained: np.ndarray

    @classmethod
    def joined(cls, pieces: Sequence[Mapping[str, Any]]) -> Self:
        """From what was found piece by piece."""
        first = pieces[0] if pieces else {}
        across, up = first.get("axes", (np.linspace(-1, 1, 2),) * 2)
        losses = np.full((len(up), len(across)), np.nan)
        for piece in pieces:
            columns, rows = piece["places"].T
            losses[rows, columns] = piece["losses"]
        return cls(
            across,
            up,
            losses,
            first.get("steps", np.empty(0, np.int64)),
            first.get("path", np.empty((0, 2))),
            first.get("losses_on_path", np.empty(0)),
            first.get("explained", np.empty(0)),
        )

    @property
    def grid(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """across, up and losses of the finest grid that is measured whole; empty before the coarsest is."""
        for stride in (1, 2, 4, 8):
            losses = self.losses[::stride, ::stride]
            if not np.isnan(losses).any():
                return self.across[::stride], self.up[::stride], losses
        return np.empty(0), np.empty(0), np.empty((0, 0))
