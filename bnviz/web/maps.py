"""The routes of maps, and a map's sweep as figure, link and stamp.

GET  bnviz/maps/{id}             how it stands
GET  bnviz/maps/{id}/figure      the figure as JSON: theme=, narrow=
GET  bnviz/maps/{id}/open        on to the Playground, with the two networks of row= and column=
POST bnviz/maps/{id}/{action}    play or stop; only the page that opened the map knows its id
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal
from urllib.parse import urlencode

import numpy as np
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from bnviz.experiment.comparison import Comparison
from bnviz.experiment.grid import KINDS, Cell, Grid, Score
from bnviz.experiment.plan import Plan
from bnviz.export.stamp import ArmStamp, Stamp
from bnviz.figures.charts.where_training_works import MapData, accuracy_map
from bnviz.figures.frame.plot import Plot
from bnviz.recording import Provenance
from bnviz.runs import RunManager
from bnviz.runs.sweeps import Scores, Sweep, Sweeps
from bnviz.web.depths import depth_stamp, drawn_depths
from bnviz.web.requests import ActionReader, Flag, JsonObject, Query, RequestError, read, text, whole_number
from bnviz.web.response_cache import ResponseCache
from bnviz.web.responses import HEADERS, body_response, json_response, not_modified, weak_etag

MAX_ID = 64
"""Characters of an id; longer ones are not looked up."""


class MapQuery(Query):
    """How the figure is to be drawn."""

    theme: str = text(40, "light")
    narrow: Flag = False


class Play(JsonObject):
    """Train the cells that are missing."""

    action: Literal["play"] = "play"


class Stop(JsonObject):
    """Stop training; what is trained is kept."""

    action: Literal["stop"] = "stop"


map_actions: ActionReader[Play | Stop] = ActionReader(Play | Stop)


class MapRoutes:
    """The handlers and what they share. base: where the routes are, such as "/bnviz"."""

    def __init__(self, base: str, manager: Callable[[], RunManager]) -> None:
        self._base = base
        self._manager = manager
        self._cache = ResponseCache(capacity=40)

    def all(self) -> list[BaseRoute]:
        """The routes."""
        return [
            Route("/maps/{id}", self.status),
            Route("/maps/{id}/figure", self.figure),
            Route("/maps/{id}/open", self.open),
            Route("/maps/{id}/{action}", self.act, methods=["POST"]),
        ]

    async def status(self, request: Request) -> Response:
        """How the map stands. To ask counts as watching it."""
        sweep = self._sweep(request)
        sweep.touch()
        return _status(sweep)

    async def act(self, request: Request) -> Response:
        """Play or stop, and tell how the map stands then."""
        sweep = self._sweep(request)
        match map_actions.read(request.path_params["action"], {}):
            case Play():
                sweep.play()
            case Stop():
                sweep.stop()
        return _status(sweep)

    async def figure(self, request: Request) -> Response:
        """The figure, drawn once for each number of trained cells, theme and width."""
        sweep = self._sweep(request)
        query = read(MapQuery, request.query_params)
        scores, version, key = sweep.scores, str(len(sweep.scores)), (sweep.id, query.theme, query.narrow)
        if request.headers.get("If-None-Match") == weak_etag(key, version):
            return not_modified(weak_etag(key, version), {})

        def draw() -> bytes:
            try:
                return drawn(sweep.grid, scores, theme=query.theme, narrow=query.narrow).json()
            except ValueError as error:
                raise RequestError(422, str(error)) from error

        body = await self._cache.get(key, version, draw)
        headers = {"ETag": weak_etag(key, body.version), "Cache-Control": "no-cache"}
        return body_response(request, body, "application/json", headers)

    async def open(self, request: Request) -> Response:
        """A redirect to the Playground with the two networks of a row and a column."""
        sweep = self._sweep(request)
        if not isinstance(sweep.grid, Grid):
            raise RequestError(404, "Only the cells of the page Map open in the Playground.")
        last = sweep.grid.size - 1
        row, column = (
            whole_number(name, request.query_params.get(name) or 0, 0, last) for name in ("row", "column")
        )
        query = urlencode(playground_query(sweep.grid, row, column))
        return RedirectResponse(f"{self._base.removesuffix('bnviz')}?{query}", 303, HEADERS)

    def _sweep(self, request: Request) -> Sweep:
        return find_sweep(self._manager().sweeps, request.path_params["id"])


def find_sweep(sweeps: Sweeps, sweep_id: str) -> Sweep:
    """The sweep of that id. Raises RequestError."""
    sweep = sweeps.get(sweep_id) if len(sweep_id) <= MAX_ID else None
    if sweep is None:
        raise RequestError(
            404, "This map is over: the server was restarted, or newer maps took its place; reload the page."
        )
    return sweep


def drawn(plan: Plan, scores: Scores, *, theme: str, narrow: bool) -> Plot:
    """The figure of a sweep, as far as it is done."""
    if isinstance(plan, Grid):
        return accuracy_map.draw(map_data(plan, scores), theme=theme, narrow=narrow)
    return drawn_depths(plan, scores, theme=theme, narrow=narrow)


def sweep_stamp(sweep: Sweep, address: str) -> Stamp:
    """Where a sweep's numbers come from. address: of the server, "" where it is unknown."""
    if isinstance(sweep.grid, Grid):
        return map_stamp(sweep.grid, sweep.provenance, f"{address}/map" if address else "")
    return depth_stamp(sweep.grid, sweep.provenance, address)


def map_data(grid: Grid, scores: Mapping[Cell, tuple[Score, ...]]) -> MapData:
    """What the figure draws."""
    shape = (len(KINDS), grid.size, grid.size)
    accuracy, lowest, highest, diverged = (np.full(shape, np.nan) for _ in range(4))
    for cell, seeds in scores.items():
        place = KINDS.index(cell.normalizer), cell.row, cell.column
        ends = [item.accuracy for item in seeds]
        accuracy[place], lowest[place], highest[place] = np.mean(ends), min(ends), max(ends)
        diverged[place] = sum(item.diverged_at is not None for item in seeds)
    return MapData(
        grid.learning_rates,
        grid.init_scales,
        accuracy,
        lowest,
        highest,
        diverged,
        grid.base.steps,
        grid.seeds,
    )


def playground_query(grid: Grid, row: int, column: int) -> dict[str, str]:
    """The Playground's parameters for the two experiments at a place on the map."""
    plain, normalized = (grid.experiment(Cell(kind, row, column)) for kind in KINDS)
    return Comparison(plain, "normalizer", (plain.normalizer, normalized.normalizer)).to_query()


def map_stamp(grid: Grid, provenance: Provenance, link: str) -> Stamp:
    """Where a map's numbers come from: the two kinds of network, and what was varied."""
    rates, scales = grid.learning_rates, grid.init_scales
    remark = (
        f"{grid.size} × {grid.size} settings: learning rate {rates[0]:g} to {rates[-1]:g}, σ {scales[0]:g} to "
        f"{scales[-1]:g}, {grid.seeds} {'network' if grid.seeds == 1 else 'networks'} each"
    )
    arms = tuple(ArmStamp(grid.base.replace(normalizer=kind), (), None, provenance) for kind in KINDS)
    return Stamp(arms, grid.base.steps, link, remark)


def _status(sweep: Sweep) -> Response:
    left = sweep.seconds_left
    return json_response(
        {
            "state": sweep.state,
            "message": sweep.message,
            "kept": sweep.kept,
            "done": len(sweep.scores),
            "cells": len(sweep.grid.cells),
            "seconds_left": None if left is None else round(left, 1),
        }
    )
