"""Figures as JSON in which every array stands once, however many figures show it.

The same numbers are drawn light and dark, wide and narrow, and at many steps. The pool holds them once.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from bnviz.figures.frame.plot import Plot, compact

_PLOTLY_TYPES = ("i1", "u1", "i2", "u2", "i4", "u4", "f4")
"""The types that plotly.js reads in binary, but for float64: float32 is finer than any screen."""

Path = tuple[str | int, ...]


class ArrayPool:
    """Arrays as plotly.js reads them, each once. arrays: in the order of their numbers."""

    def __init__(self) -> None:
        self.arrays: list[dict[str, str]] = []
        self._numbers: dict[tuple[str, str, str], int] = {}

    def figure(self, figure: go.Figure | Plot) -> dict[str, Any]:
        """Data and layout, ready for JSON. {"array": 3} stands for array number 3."""
        whole = (
            {"data": figure.data, "layout": figure.layout}
            if isinstance(figure, Plot)
            else figure.to_plotly_json()
        )
        return {"data": self.plain(whole["data"]), "layout": self.plain(whole["layout"])}

    def plain(self, value: Any) -> Any:
        """A value ready for JSON, its arrays put into the pool."""
        if isinstance(value, np.ndarray):
            return self._array(value)
        if isinstance(value, np.generic):
            return value.item()
        if isinstance(value, Mapping) and "bdata" in value:
            return self._array(decoded(value))
        if isinstance(value, Mapping):
            return {str(key): self.plain(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.plain(item) for item in value]
        return value

    def _array(self, values: np.ndarray) -> Any:
        if values.dtype.kind not in "iuf" or not values.size:
            return values.tolist()
        small = values if values.dtype.str[1:] in _PLOTLY_TYPES else compact(values)
        dtype, shape = small.dtype.str[1:], ", ".join(map(str, small.shape)) if small.ndim > 1 else ""
        data = base64.b64encode(small.astype(small.dtype.newbyteorder("<")).tobytes()).decode()
        key = (dtype, shape, data)
        if key not in self._numbers:
            self._numbers[key] = len(self.arrays)
            self.arrays.append({"dtype": dtype, "bdata": data} | ({"shape": shape} if shape else {}))
        return {"array": self._numbers[key]}


def decoded(spec: Mapping[str, str]) -> np.ndarray:
    """The array that Plotly has written in base64."""
    values = np.frombuffer(base64.b64decode(spec["bdata"]), f"<{spec['dtype']}")
    return values.reshape([int(size) for size in spec["shape"].split(",")]) if "shape" in spec else values


def differences(before: Any, now: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """The paths at which two JSON values differ, and the new values. Lists of other lengths differ as a whole."""
    if isinstance(before, dict) and isinstance(now, dict) and before.keys() == now.keys():
        for key, value in now.items():
            yield from differences(before[key], value, (*path, key))
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for index, value in enumerate(now):
            yield from differences(before[index], value, (*path, index))
    elif before != now:
        yield path, now


def patches(base: Any, frames: Sequence[Any]) -> list[list[list[Any]]]:
    """For each frame the changes that turn `base` into it: pairs of path and value."""
    return [[[list(path), value] for path, value in differences(base, frame)] for frame in frames]
