"""A figure before it is Plotly's: plain data and layout, which become JSON or a go.Figure.

Pages need the JSON alone, again and again, and for that a go.Figure would be made, checked and copied in vain:
four fifths of the time that a figure took.
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
Asked = ParamSpec("Asked")
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
        """The figure as Python knows it."""
        # Checking every property would take four times as long as all the rest; the tests check them.
        return go.Figure({"data": self.data, "layout": self.layout}, _validate=False)

    def json(self) -> bytes:
        """The figure as plotly.js reads it, arrays in binary."""
        return orjson.dumps({"data": self.data, "layout": self.layout}, default=_plain)


class PlotFunction(Generic[Asked]):
    """A function that draws: to call it gives a go.Figure, `draw` the Plot that this is made of."""

    def __init__(self, draw: Callable[Asked, Plot]) -> None:
        self.draw = draw
        functools.update_wrapper(self, draw)

    def __call__(self, *args: Asked.args, **kwargs: Asked.kwargs) -> go.Figure:
        """The figure."""
        return self.draw(*args, **kwargs).figure()


def _plain(value: object) -> Any:
    """What JSON has no word for: an array as plotly.js reads it in binary, a NumPy number as Python's."""
    if isinstance(value, np.ndarray):
        kind = value.dtype.str[1:]
        if not value.size or value.dtype.str[0] == ">" or kind not in PLOTLY_TYPES:
            return value.tolist()
        binary = {"dtype": kind, "bdata": base64.b64encode(value.tobytes()).decode()}
        return binary | ({"shape": ", ".join(map(str, value.shape))} if value.ndim > 1 else {})
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} is nothing that a figure is made of")


def compact(values: Array) -> Array:
    """The smallest type that a chart needs: unsigned integers for steps, float32 for what was measured."""
    values = np.asarray(values)
    if values.dtype.kind in "iu":
        small = np.uint16 if not values.size or values.max() < 2**16 else np.uint32
        return values.astype(small)
    return np.asarray(np.clip(values, -LARGEST, LARGEST).astype(np.float32))
