"""The routes of figures, as JSON that plotly.js draws; each version is drawn once for all who watch.

GET bnviz/figures/{name}    a figure of `bnviz.figures`: run=, its view arguments
GET bnviz/labs/{name}       one of the figures of a lab: run=, theme=, narrow=, unit=, seed=, guess=

A response names in X-Bnviz-Recorded the version it shows and, where a newer one is there but not yet drawn, in
X-Bnviz-Rest the milliseconds until asking again brings something newer.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from bnviz.recording import Recording
from bnviz.recording.recording import fingerprint
from bnviz.runs import Run
from bnviz.runs.lab_run import LabRuns
from bnviz.web.requests import RequestError, read
from bnviz.web.response_cache import ResponseCache
from bnviz.web.responses import body_response, not_modified, weak_etag
from bnviz.web.runs import recorded_version
from bnviz.web.views import LabQuery, draw_view, lab_drawing, view_arguments


class FigureRoutes:
    """The handlers and what they share. find: the run of an id. cache: of figures."""

    def __init__(self, find: Callable[[str], Run], lab_runs: LabRuns) -> None:
        self._find, self._lab_runs = find, lab_runs
        self.cache = ResponseCache()

    def all(self) -> list[BaseRoute]:
        """The routes."""
        return [Route("/figures/{name}", self.figure), Route("/labs/{name}", self.lab_figure)]

    async def figure(self, request: Request) -> Response:
        """A figure of `bnviz.figures`."""
        name, query = request.path_params["name"], request.query_params
        run = self._find(query.get("run", ""))
        recordings = run.recordings
        arguments = view_arguments(name, query)
        key = (run.id, _anything(recordings), name, *sorted(arguments.items()))
        return await self._response(
            request, key, fingerprint(recordings), lambda: draw_view(name, recordings, arguments).json()
        )

    async def lab_figure(self, request: Request) -> Response:
        """One of a lab's figures."""
        name, query = request.path_params["name"], request.query_params
        run = self._find(query.get("run", ""))
        lab_run = self._lab_runs.get(run.id)
        if lab_run is None:
            raise RequestError(404, "This run belongs to no lab.")
        lab, result, version = lab_run.lab, lab_run.result(), recorded_version(run.recordings, lab_run)
        view = read(LabQuery, query).view
        return await self._response(
            request,
            (run.id, _anything(run.recordings), "lab", name, view),
            version,
            lambda: lab_drawing(lab, name, result, view).plot.json(),
        )

    async def _response(
        self, request: Request, key: Hashable, version: str, draw: Callable[[], bytes]
    ) -> Response:
        """The figure, or status 304 where the client has it already."""
        known = request.headers.get("If-None-Match")
        if known == weak_etag(key, version):
            return not_modified(known, {"X-Bnviz-Recorded": version})
        body = await self.cache.get(key, version, draw)
        etag = weak_etag(key, body.version)
        headers = {"X-Bnviz-Recorded": body.version}
        if body.version != version:
            headers["X-Bnviz-Rest"] = f"{1000 * self.cache.fresh_seconds(key):.0f}"
        if known == etag:
            return not_modified(etag, headers)
        headers |= {"ETag": etag, "Cache-Control": "no-cache"}
        return body_response(request, body, "application/json", headers)


def _anything(recordings: Sequence[Recording]) -> bool:
    """Whether anything was recorded. A body from before a reset is no answer after it, however new the body is."""
    return any(item.snapshots for item in recordings)
