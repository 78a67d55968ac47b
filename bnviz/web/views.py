"""A figure as a request wants to see it: the view arguments of a query, and the figure drawn with them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import create_model

from bnviz.figures.frame.plot import Plot
from bnviz.figures.registry import FIGURES
from bnviz.labs.base import Drawing, Lab, Result, View
from bnviz.recording import Recording
from bnviz.recording.training_points import training_points
from bnviz.web.requests import MAX_NUMBER, Flag, Query, RequestError, read, real, text, whole

if TYPE_CHECKING:
    pass

_POINTS = "points"
"""The one argument of a figure that no query gives: the dataset, which the recordings name."""


class LabQuery(Query):
    """How a lab's figure is to be drawn."""

    theme: str = text(40, View.theme)
    narrow: Flag = False
    unit: int = whole(0, MAX_NUMBER, 0)
    seed: int = whole(0, 99, 0)
    guess: float | None = real(0, MAX_NUMBER, None)

    @property
    def view(self) -> View:
        """The same as the lab's figures take it."""
        return View(
            theme=self.theme,
            narrow=self.narrow,
            unit=self.unit or None,
            seed=self.seed,
            guess=self.guess or None,
        )


def view_arguments(name: str, query: Mapping[str, str]) -> dict[str, Any]:
    """The arguments for the figure `name` that a query gives, absent ones left out. Raises RequestError.

    Only types are checked here; the figure refuses values that it does not allow.
    """
    model = view_query(name)
    query = {item: value for item, value in query.items() if item != "run"}
    for item in query:
        if item not in model.model_fields:
            known = ", ".join(model.model_fields)
            raise RequestError(422, f"{item[:40]!r} is no view argument of {name}; there are {known}")
    return read(model, query).model_dump(exclude_unset=True)


@functools.cache
def view_query(name: str) -> type[Query]:
    """The query that the figure `name` takes, made of its function's parameters. Raises RequestError."""
    fields: dict[str, Any] = {}
    for item in _parameters(name):
        if item.annotation is bool:
            fields[item.name] = Flag, item.default
        elif item.annotation in (int, int | None):
            fields[item.name] = item.annotation, whole(0, MAX_NUMBER, item.default)
        elif item.name != _POINTS:
            fields[item.name] = str, text(40, item.default)
    return create_model(f"{name}_query", __base__=Query, **fields)


def draw_view(name: str, recordings: Sequence[Recording], arguments: Mapping[str, Any]) -> Plot:
    """The figure with these view arguments. Raises RequestError for values that it does not allow."""
    if any(item.name == _POINTS for item in _parameters(name)):
        arguments = {**arguments, _POINTS: training_points(recordings)}
    try:
        return FIGURES[name].function.draw(recordings, **arguments)
    except ValueError as error:
        raise RequestError(422, str(error)) from error


def lab_drawing(lab: Lab, name: str, result: Result, view: View) -> Drawing:
    """One of a lab's figures. Raises RequestError for a name or a view that the lab does not have."""
    try:
        drawings = {item.name: item for item in lab.figures(result, view)}
    except ValueError as error:
        raise RequestError(422, str(error)) from error
    if name not in drawings:
        raise RequestError(404, f"there is no figure {name[:40]!r}; there are {', '.join(drawings)}")
    return drawings[name]


@functools.cache
def _parameters(name: str) -> tuple[inspect.Parameter, ...]:
    """The parameters of the figure's function after the recordings. Raises RequestError."""
    if name not in FIGURES:
        raise RequestError(404, f"there is no figure {name[:40]!r}; there are {', '.join(FIGURES)}")
    return tuple(inspect.signature(FIGURES[name].function, eval_str=True).parameters.values())[1:]
