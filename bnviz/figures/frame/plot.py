"""A Plot: the traces and the layout of a figure as plain values, which become JSON or a go.Figure.

Pages need the JSON alone. By way of a go.Figure it took five times as long.
"""

from __future__ import annotations

import base64
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, ParamSpec

import numpy as np
import orjson
import plotly.graph_objects as go

Array = np.ndarray
Arguments = ParamSpec("Arguments")
LARGEST = float(np.finfo(np.float32).max)

PLOTLY_TYPES = frozenset({"i1", "u1", "i2", "u2", "i4", "u4", "f4", "f8"})
"""The arrays that plotly.js reads in binary."""


@dataclass(frozen=True)
class Plot:
    """data: the traces. layout: all else, as plotly.js names it. Both as plain values and NumPy arrays."""

    data: list[dict[str, Any]]
    layout: dict[str, Any]

    @property
    def height(self) -> int:
        """Of the whole figure, in pixels."""
        return int(self.layout["height"])

    def figure(self) -> go.Figure:
        """The Plot as a go.Figure."""
        # Checking every property would take four times as long as all the rest; the tests check them.
        return go.Figure({"data": self.data, "layout": self.layout}, _validate=False)

    def json(self) -> bytes:
        """The Plot as plotly.js reads it, arrays in binary."""
        return orjson.dumps({"data": self.data, "layout": self.layout}, default=_plain)


class PlotFunction(Generic[Arguments]):
    """A function that draws a chart: called it returns a go.Figure, by its method `draw` the Plot."""

    def __init__(self, draw: Callable[Arguments, Plot]) -> None:
        self.draw = draw
        functools.update_wrapper(self, draw)

    def __call__(self, *args: Arguments.args, **kwargs: Arguments.kwargs) -> go.Figure:
        """The chart as a go.Figure."""
        return self.draw(*args, **kwargs).figure()


def _plain(value: object) -> Any:
    """An array in the binary form that plotly.js reads, a NumPy number as Python's. Raises TypeError for all else."""
    if isinstance(value, np.ndarray):
        kind = value.dtype.str[1:]
        if not value.size or value.dtype.str[0] == ">" or kind not in PLOTLY_TYPES:
            return value.tolist()
        binary = {"dtype": kind, "bdata": base64.b64encode(value.tobytes()).decode()}
        return binary | ({"shape": ", ".join(map(str, value.shape))} if value.ndim > 1 else {})
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(
        f"{type(value).__name__} is not allowed in a figure; allowed are plain values and NumPy arrays"
    )


def compact(values: Array) -> Array:
    """The smallest type that a chart needs: unsigned integers for steps, float32 for what was measured."""
    values = np.asarray(values)
    if values.dtype.kind in "iu":
        small = np.uint16 if not values.size or values.max() < 2**16 else np.uint32
        return values.astype(small)
    return np.asarray(np.clip(values, -LARGEST, LARGEST).astype(np.float32))
