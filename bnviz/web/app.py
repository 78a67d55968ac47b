"""The HTTP routes beside the pages: what moves on a page is fetched from here, without a rerun of the script.

    GET  bnviz/runs/{id}                 how a run stands: state, step, each arm's numbers, the story
    POST bnviz/runs/{id}/{action}        drive it; needs the run's key
    GET  bnviz/figures/{name}            a Plotly figure as JSON, built once for all who watch
    GET  bnviz/assets/{version}/{name}   plotly.js and the pages' own scripts and style
    GET  bnviz/health
    GET  bnviz/exports/…                 files, see bnviz.web.app.exports and bnviz.web.app.handouts

Nothing here blocks the event loop, imports torch, or answers with a traceback.
"""

from __future__ import annotations

import functools
import hmac
from collections.abc import Callable, Hashable, Mapping

import numpy as np
import orjson
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from bnviz.experiment.knob import MAX_LAYERS
from bnviz.recording.recording import fingerprint
from bnviz.runs import Run, RunManager
from bnviz.runs.lab_run import LabRuns
from bnviz.web import assets
from bnviz.web.classes import class_routes
from bnviz.web.exports import ExportRoutes
from bnviz.web.figures import lab_figure_json, lab_view
from bnviz.web.handouts import HandoutRoutes
from bnviz.web.maps import MapRoutes
from bnviz.web.requests import MAX_NUMBER, RequestError, figure_json, view_arguments, whole_number
from bnviz.web.response_cache import SharedBodies
from bnviz.web.responses import body_answer, in_words, json_answer, json_body, not_modified, tag
from bnviz.web.runs import act, words
from bnviz.web.state import chrome, lab_runs, manager, prefix, stills


def routes(base_path: str, manager: Callable[[], RunManager] = manager) -> list[BaseRoute]:
    """The routes to mount beside Streamlit's."""
    base = prefix(base_path)
    ours = [
        *_Routes(manager, lab_runs()).all(),
        *MapRoutes(base, manager).all(),
        *class_routes(base, manager, lab_runs()),
    ]
    return [Mount(base, routes=ours)]


class _Routes:
    """The handlers and what they share."""

    def __init__(self, manager: Callable[[], RunManager], lab_runs: LabRuns) -> None:
        self._manager = manager
        self._lab_runs = lab_runs
        self._figures = SharedBodies()
        self._exports = ExportRoutes(self._run, lab_runs, chrome, stills(), lambda: self._manager().sweeps)
        self._handouts = HandoutRoutes(self._run, lab_runs, chrome)
        self._words = SharedBodies(hold=0.0)  # cheap, and the answer to a change made by hand
        self._assets = SharedBodies(size=len(assets.ASSETS))

    def all(self) -> list[BaseRoute]:
        return [
            Route("/health", self.health),
            Route("/runs/{id}", self.status),
            Route("/runs/{id}/{action}", self.drive, methods=["POST"]),
            Route("/figures/{name}", self.figure),
            Route("/labs/{name}", self.lab_figure),
            Route("/assets/{version}/{name}", self.asset),
            *self._exports.all(),
            *self._handouts.all(),
        ]

    async def health(self, request: Request) -> Response:
        return json_answer({"ok": True})

    @in_words
    async def status(self, request: Request) -> Response:
        run = self._run(request.path_params["id"])
        run.touch()
        return await self._status(run, request.query_params)

    async def _status(self, run: Run, query: Mapping[str, str]) -> Response:
        """How the run stands. Of the recorded steps only those after known=count:last are told."""
        recordings = run.recordings
        version = fingerprint(recordings)
        lab_run = self._lab_runs.get(run.id)
        if lab_run:
            lab_run.look_closer()
        step = whole_number(query, "step", 0, MAX_NUMBER)
        layer = whole_number(query, "layer", 1, MAX_LAYERS)
        told = await self._words.get((run.id, step, layer), version, lambda: words(recordings, step, layer))
        steps = max((item.steps for item in recordings), key=len)
        known = _known(query.get("known", ""), steps)
        return json_answer(
            {
                "state": run.state,
                "message": (lab_run.message if lab_run else "") or run.message,
                "step": run.step,
                "steps": run.steps,
                "revision": run.revision,
                "kept": run.kept,
                "speed": run.speed,
                "recorded": self._version(run, version),
                "done": lab_run.done if lab_run else run.state == "finished",
                "known": known,
                "recorded_steps": steps[known:].tolist(),
                "words": orjson.Fragment(told.plain),
            }
        )

    @in_words
    async def drive(self, request: Request) -> Response:
        run = self._run(request.path_params["id"])
        key = request.headers.get("X-Bnviz-Key", "")
        if not hmac.compare_digest(key.encode(), run.key.encode()):
            raise RequestError(403, "Only who started this run may drive it.")
        await to_thread.run_sync(act, run, request.path_params["action"], await json_body(request))
        return await self._status(run, request.query_params)

    @in_words
    async def figure(self, request: Request) -> Response:
        name, query = request.path_params["name"], request.query_params
        run = self._run(query.get("run", ""))
        recordings = run.recordings
        arguments = view_arguments(name, query)
        key = (run.id, name, *sorted(arguments.items()))
        make = functools.partial(figure_json, name, recordings, arguments)
        return await self._drawn(request, key, fingerprint(recordings), make)

    @in_words
    async def lab_figure(self, request: Request) -> Response:
        name, query = request.path_params["name"], request.query_params
        run = self._run(query.get("run", ""))
        lab_run = self._lab_runs.get(run.id)
        if lab_run is None:
            raise RequestError(404, "This run belongs to no lab.")
        result, version = lab_run.result(), self._version(run, fingerprint(run.recordings))
        view = lab_view(query)
        key = (run.id, "lab", name, view)
        make = functools.partial(lab_figure_json, lab_run.lab, name, result, view)
        return await self._drawn(request, key, version, make)

    async def _drawn(
        self, request: Request, key: Hashable, version: str, make: Callable[[], bytes]
    ) -> Response:
        """A figure for those who do not have it yet, and how long there will be nothing newer."""
        have = request.headers.get("If-None-Match")
        if have == tag(key, version):
            return not_modified(have, {"X-Bnviz-Recorded": version})
        body = await self._figures.get(key, version, make)
        now = tag(key, body.version)
        headers = {"X-Bnviz-Recorded": body.version}
        if body.version != version:
            headers["X-Bnviz-Rest"] = (
                f"{1000 * self._figures.rest(key):.0f}"  # ms in which nobody need ask again
            )
        if have == now:
            return not_modified(now, headers)
        headers |= {"ETag": now, "Cache-Control": "no-cache"}
        return body_answer(request, body, "application/json", headers)

    def _version(self, run: Run, version: str) -> str:
        """The fingerprint of what was recorded, and whether a lab has looked into the trained networks."""
        lab_run = self._lab_runs.get(run.id)
        return f"{version}-done" if lab_run and lab_run.done else version

    @in_words
    async def asset(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in assets.ASSETS:
            raise RequestError(404, f"there is no asset {name[:40]!r}; there are {', '.join(assets.ASSETS)}")
        version = assets.version(name)
        body = await self._assets.get(name, version, assets.ASSETS[name].read_bytes)
        lasting = request.path_params["version"] == version
        headers = {"Cache-Control": "public, max-age=31536000, immutable" if lasting else "no-cache"}
        return body_answer(request, body, assets.media_type(name), headers)

    def _run(self, run_id: str) -> Run:
        run = self._manager().get(run_id) if len(run_id) <= 64 else None
        if run is None:
            raise RequestError(
                404, "This run is over: the server was started anew, or nobody watched it for a while."
            )
        return run


def _known(text: str, steps: np.ndarray) -> int:
    """How many of the steps an asker knows who says that it knows "count:last"; 0 if that fits no more."""
    count, _, last = text[:20].partition(":")
    known = int(count) if count.isascii() and count.isdecimal() else 0
    return known if 0 < known <= len(steps) and str(steps[known - 1]) == last else 0
