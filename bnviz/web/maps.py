"""The routes of the map.

GET  bnviz/maps/{id}             how it stands
GET  bnviz/maps/{id}/figure      the figure as JSON
GET  bnviz/maps/{id}/open        on to the Playground, with the networks of one place
POST bnviz/maps/{id}/{action}    play or stop; the id is known to its page alone
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from bnviz.runs import RunManager
from bnviz.runs.sweeps import Sweep
from bnviz.web.map_json import map_json, playground_query
from bnviz.web.requests import RequestError, whole_number
from bnviz.web.response_cache import SharedBodies
from bnviz.web.responses import HEADERS, body_answer, in_words, json_answer, not_modified, tag


class MapRoutes:
    """The handlers. base: where the routes are, such as "/bnviz"."""

    def __init__(self, base: str, manager: Callable[[], RunManager]) -> None:
        self._base = base
        self._manager = manager
        self._figures = SharedBodies(size=40)

    def all(self) -> list[BaseRoute]:
        """To mount."""
        return [
            Route("/maps/{id}", self.status),
            Route("/maps/{id}/figure", self.figure),
            Route("/maps/{id}/open", self.open),
            Route("/maps/{id}/{action}", self.drive, methods=["POST"]),
        ]

    @in_words
    async def status(self, request: Request) -> Response:
        """How the map stands; to ask counts as looking."""
        sweep = self._sweep(request)
        sweep.touch()
        return _status(sweep)

    @in_words
    async def drive(self, request: Request) -> Response:
        """Play or stop."""
        sweep, action = self._sweep(request), request.path_params["action"]
        if action not in ("play", "stop"):
            raise RequestError(404, f"{action[:40]!r} is no action; there are play, stop")
        if action == "play":
            sweep.play()
        else:
            sweep.stop()
        return _status(sweep)

    @in_words
    async def figure(self, request: Request) -> Response:
        """The figure, drawn once for each revision and look."""
        sweep = self._sweep(request)
        theme = request.query_params.get("theme", "light")[:40]
        narrow = whole_number(request.query_params, "narrow", 0, 1) == 1
        scores, version, key = sweep.scores, str(len(sweep.scores)), (sweep.id, theme, narrow)
        if request.headers.get("If-None-Match") == tag(key, version):
            return not_modified(tag(key, version), {})

        def draw() -> bytes:
            try:
                return map_json(sweep.grid, scores, theme, narrow)
            except ValueError as error:
                raise RequestError(422, str(error)) from error

        body = await self._figures.get(key, version, draw)
        headers = {"ETag": tag(key, body.version), "Cache-Control": "no-cache"}
        return body_answer(request, body, "application/json", headers)

    @in_words
    async def open(self, request: Request) -> Response:
        """The Playground with the two networks of a row and a column."""
        sweep = self._sweep(request)
        last = sweep.grid.size - 1
        row, column = (whole_number(request.query_params, name, 0, last) or 0 for name in ("row", "column"))
        query = urlencode(playground_query(sweep.grid, row, column))
        return RedirectResponse(f"{self._base.removesuffix('bnviz')}?{query}", 303, HEADERS)

    def _sweep(self, request: Request) -> Sweep:
        name = request.path_params["id"]
        sweep = self._manager().sweeps.get(name) if len(name) <= 64 else None
        if sweep is None:
            raise RequestError(
                404, "This map is over: the server was started anew, or others were asked for since."
            )
        return sweep


def _status(sweep: Sweep) -> Response:
    left = sweep.seconds_left
    return json_answer(
        {
            "state": sweep.state,
            "message": sweep.message,
            "kept": sweep.kept,
            "done": len(sweep.scores),
            "cells": len(sweep.grid.cells),
            "seconds_left": None if left is None else round(left, 1),
        }
    )
