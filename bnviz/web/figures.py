"""What a browser may ask to see of a lab, read from a query, and the answers as JSON. No HTTP in here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from bnviz.labs.base import Drawing, Lab, Result, View
from bnviz.web.requests import MAX_NUMBER, RequestError, whole_number

if TYPE_CHECKING:
    import plotly.graph_objects as go


def lab_view(query: Mapping[str, str]) -> View:
    """How a lab's figures are to be drawn, read from a query. Raises RequestError."""
    unit = whole_number(query, "unit", 0, MAX_NUMBER)
    return View(
        theme=query.get("theme", View.theme)[:40],
        narrow=whole_number(query, "narrow", 0, 1) == 1,
        unit=unit or None,
        seed=whole_number(query, "seed", 0, 99) or 0,
    )


def lab_figure_json(lab: Lab, name: str, result: Result, view: View) -> bytes:
    """One of a lab's figures as Plotly reads it. Raises RequestError for one that there is not."""
    return _drawing(lab, name, result, view).plot.json()


def lab_figure(lab: Lab, name: str, result: Result, view: View) -> go.Figure:
    """One of a lab's figures. Raises RequestError for one that there is not."""
    return _drawing(lab, name, result, view).figure


def _drawing(lab: Lab, name: str, result: Result, view: View) -> Drawing:
    try:
        drawings = {item.name: item for item in lab.figures(result, view)}
    except ValueError as error:
        raise RequestError(422, str(error)) from error
    if name not in drawings:
        raise RequestError(404, f"there is no figure {name[:40]!r}; there are {', '.join(drawings)}")
    return drawings[name]
