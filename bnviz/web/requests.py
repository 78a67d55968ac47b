"""What a browser may ask to see of a run, read from a query, and the answers as JSON. No HTTP in here."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from bnviz.figures.frame.plot import Plot
from bnviz.figures.registry import FIGURES
from bnviz.recording import Recording
from bnviz.recording.training_points import training_points

if TYPE_CHECKING:
    import plotly.graph_objects as go

MAX_NUMBER = 1_000_000
"""Beyond any step, layer and unit."""


class RequestError(Exception):
    """What was asked for cannot be given: an HTTP status and one sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def whole_number(values: Mapping[str, str], name: str, low: int, high: int) -> int | None:
    """The whole number `name` from `low` to `high` in a query; None if absent. Raises RequestError."""
    text = values.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 9 and low <= int(text) <= high):
        raise RequestError(
            422, f"{name} = {text[:40]!r} is not allowed; allowed is a whole number from {low} to {high:,}"
        )
    return int(text)


@functools.cache
def view_parameters(name: str) -> Mapping[str, Any]:
    """The view arguments that the figure `name` takes, and their types. Raises RequestError."""
    if name not in FIGURES:
        raise RequestError(404, f"there is no figure {name[:40]!r}; there are {', '.join(FIGURES)}")
    _, *parameters = inspect.signature(FIGURES[name].function, eval_str=True).parameters.values()
    return MappingProxyType({item.name: item.annotation for item in parameters})


def view_arguments(name: str, query: Mapping[str, str]) -> dict[str, Any]:
    """The arguments for the figure `name` that a query gives, absent ones left out. Raises RequestError.

    Only types are checked here; the figure refuses values that it does not allow.
    """
    parameters = view_parameters(name)
    arguments: dict[str, Any] = {}
    for item, text in query.items():
        if item == "run":
            continue
        if item not in parameters:
            raise RequestError(
                422, f"{item[:40]!r} is no view argument of {name}; there are {', '.join(parameters)}"
            )
        kind = parameters[item]
        if kind is bool:
            arguments[item] = whole_number(query, item, 0, 1) == 1
        elif kind in (int, int | None):
            arguments[item] = whole_number(query, item, 0, MAX_NUMBER)
        else:
            arguments[item] = text[:40]
    return arguments


def figure_json(name: str, recordings: Sequence[Recording], arguments: Mapping[str, Any]) -> bytes:
    """The figure as Plotly reads it, arrays in binary. Raises RequestError for what it does not allow."""
    return _plot(name, recordings, arguments).json()


def view_figure(name: str, recordings: Sequence[Recording], arguments: Mapping[str, Any]) -> go.Figure:
    """The figure with these view arguments. Raises RequestError for what it does not allow."""
    return _plot(name, recordings, arguments).figure()


def _plot(name: str, recordings: Sequence[Recording], arguments: Mapping[str, Any]) -> Plot:
    if "points" in view_parameters(name):
        arguments = {**arguments, "points": training_points(recordings)}
    try:
        return FIGURES[name].function.draw(recordings, **arguments)
    except ValueError as error:
        raise RequestError(422, str(error)) from error
