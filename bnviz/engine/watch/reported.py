"""What the watched program tells of an update that it made: loss and accuracy."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from bnviz.recording import CurvePoint

UNKNOWN_EXAMPLES = 0
"""How many examples a number was computed on that the watched program has told."""

Number = float | Tensor | None


class Told:
    """Numbers of the latest update, kept until the record of it is made."""

    def __init__(self) -> None:
        self._points: dict[str, CurvePoint] = {}

    @property
    def points(self) -> Sequence[CurvePoint]:
        """The numbers, a point for each split."""
        return tuple(self._points.values())

    def tell(self, split: str, loss: Number, accuracy: Number) -> None:
        """Keep what is not None; the first of each split counts."""
        if (loss is None and accuracy is None) or split in self._points:
            return
        self._points[split] = CurvePoint(split, _number(loss), _number(accuracy), UNKNOWN_EXAMPLES)

    def forget(self) -> None:
        """Another update was made."""
        self._points = {}


def _number(value: Number) -> float:
    return math.nan if value is None else float(value.detach() if isinstance(value, Tensor) else value)
