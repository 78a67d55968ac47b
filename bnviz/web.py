"""The HTTP routes beside the pages: what moves on a page is fetched from here, without a rerun of the script.

    GET  bnviz/runs/{id}            how a run stands: state, step, each arm's numbers, the story in words
    POST bnviz/runs/{id}/{action}   drive it; needs the run's key
    GET  bnviz/figures/{name}       a Plotly figure as JSON, built once for all who watch
    GET  bnviz/assets/{name}        plotly.js and the pages' own script and style
    GET  bnviz/health

Nothing here blocks the event loop, imports torch, or answers with a traceback.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import plotly
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from bnviz.experiment import MAX_LAYERS, ExperimentError
from bnviz.runs import Run, RunManager
from bnviz.shared import Body, SharedBodies
from bnviz.views import (
    MAX_NUMBER,
    Refused,
    figure_json,
    fingerprint,
    number,
    view_arguments,
    whole_number,
    words,
)

MAX_BODY = 1000
"""Bytes that a request to drive a run may send."""

_UI = Path(__file__).parent / "ui"
_ASSETS = {
    "plotly.min.js": (Path(plotly.__file__).parent / "package_data" / "plotly.min.js", "text/javascript"),
    "live.js": (_UI / "live.js", "text/javascript"),
    "live.css": (_UI / "live.css", "text/css"),
}
_HEADERS = {"X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin"}
_log = logging.getLogger(__name__)


class _Home:
    """Where the one RunManager of this process lives; scripts and routes find it here."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._manager: RunManager | None = None

    def manager(self) -> RunManager:
        with self._lock:
            if self._manager is None:
                self._manager = RunManager()
                self._manager.start()
            return self._manager

    def close(self) -> None:
        with self._lock:
            manager, self._manager = self._manager, None
        if manager is not None:
            manager.close()


_HOME = _Home()


def manager() -> RunManager:
    """The RunManager of this process, started at the first call."""
    return _HOME.manager()


@asynccontextmanager
async def lifespan(app: object) -> AsyncIterator[None]:
    """Start the RunManager with the server and close it, and with it every trainer, when the server ends."""
    await to_thread.run_sync(manager)
    try:
        yield
    finally:
        await to_thread.run_sync(_HOME.close)


def prefix(base_path: str) -> str:
    """Where the routes are, given Streamlit's server.baseUrlPath: "/bnviz", or "/base/bnviz"."""
    return "/".join(["", *filter(None, base_path.split("/")), "bnviz"])


def routes(base_path: str, manager: Callable[[], RunManager] = manager) -> list[BaseRoute]:
    """The routes to mount beside Streamlit's."""
    return [Mount(prefix(base_path), routes=_Routes(manager).all())]


@functools.cache
def _version(name: str) -> str:
    """A text that is another one when the asset is."""
    path, _ = _ASSETS[name]
    return (
        str(plotly.__version__)
        if name.startswith("plotly")
        else hashlib.blake2b(path.read_bytes(), digest_size=6).hexdigest()
    )


def asset_url(base: str, name: str) -> str:
    """Where a browser finds an asset, and may keep it for ever. `base` comes from `prefix`."""
    return f"{base}/assets/{name}?v={_version(name)}"


Handler = Callable[["_Routes", Request], Awaitable[Response]]


def _in_words(handler: Handler) -> Handler:
    """Let a handler answer with a status and a sentence whatever goes wrong in it."""

    @functools.wraps(handler)
    async def answer(self: _Routes, request: Request) -> Response:
        try:
            return await handler(self, request)
        except Refused as refusal:
            return _json({"error": str(refusal)}, refusal.status)
        except ExperimentError as error:
            return _json({"error": str(error)}, 422)
        except Exception:
            _log.exception("%s could not be answered", request.url.path)
            return _json({"error": "Something went wrong on the server; its log says what."}, 500)

    return answer


class _Routes:
    """The handlers and what they share."""

    def __init__(self, manager: Callable[[], RunManager]) -> None:
        self._manager = manager
        self._figures = SharedBodies()
        self._words = SharedBodies()
        self._assets = SharedBodies(size=len(_ASSETS))

    def all(self) -> list[BaseRoute]:
        return [
            Route("/health", self.health),
            Route("/runs/{id}", self.status),
            Route("/runs/{id}/{action}", self.drive, methods=["POST"]),
            Route("/figures/{name}", self.figure),
            Route("/assets/{name}", self.asset),
        ]

    async def health(self, request: Request) -> Response:
        return _json({"ok": True})

    @_in_words
    async def status(self, request: Request) -> Response:
        run = self._run(request.path_params["id"])
        run.touch()
        return await self._status(run, request.query_params)

    async def _status(self, run: Run, query: Mapping[str, str]) -> Response:
        """How the run stands. Of the recorded steps only those after known=count:last are told."""
        recordings = run.recordings
        version = fingerprint(recordings)
        step, layer = (
            whole_number(query, "step", 0, MAX_NUMBER),
            whole_number(query, "layer", 1, MAX_LAYERS) or 1,
        )
        told = await self._words.get((run.id, step, layer), version, lambda: words(recordings, step, layer))
        steps = max((item.steps for item in recordings), key=len)
        known = _known(query.get("known", ""), steps)
        return _json(
            {
                "state": run.state,
                "message": run.message,
                "step": run.step,
                "steps": run.steps,
                "revision": run.revision,
                "kept": run.kept,
                "speed": run.speed,
                "recorded": version,
                "known": known,
                "recorded_steps": steps[known:].tolist(),
                "words": orjson.Fragment(told.plain),
            }
        )

    @_in_words
    async def drive(self, request: Request) -> Response:
        run = self._run(request.path_params["id"])
        key = request.headers.get("X-Bnviz-Key", "")
        if not hmac.compare_digest(key.encode(), run.key.encode()):
            raise Refused(403, "Only who started this run may drive it.")
        await to_thread.run_sync(_act, run, request.path_params["action"], await _body(request))
        return await self._status(run, request.query_params)

    @_in_words
    async def figure(self, request: Request) -> Response:
        name, query = request.path_params["name"], request.query_params
        run = self._run(query.get("run", ""))
        recordings = run.recordings
        arguments = view_arguments(name, query)
        version, key = fingerprint(recordings), (run.id, name, *sorted(arguments.items()))
        tag = _tag(key, version)
        if request.headers.get("If-None-Match") == tag:
            return Response(status_code=304, headers={"ETag": tag, "X-Bnviz-Recorded": version, **_HEADERS})
        body = await self._figures.get(key, version, lambda: figure_json(name, recordings, arguments))
        headers = {
            "ETag": _tag(key, body.version),
            "X-Bnviz-Recorded": body.version,
            "Cache-Control": "no-cache",
        }
        return _body_response(request, body, "application/json", headers)

    @_in_words
    async def asset(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in _ASSETS:
            raise Refused(404, f"there is no asset {name[:40]!r}; there are {', '.join(_ASSETS)}")
        path, media = _ASSETS[name]
        version = _version(name)
        body = await self._assets.get(name, version, path.read_bytes)
        lasting = request.query_params.get("v") == version
        headers = {"Cache-Control": "public, max-age=31536000, immutable" if lasting else "no-cache"}
        return _body_response(request, body, media, headers)

    def _run(self, run_id: str) -> Run:
        run = self._manager().get(run_id) if len(run_id) <= 64 else None
        if run is None:
            raise Refused(
                404, "This run is over: the server was started anew, or nobody watched it for a while."
            )
        return run


def _known(text: str, steps: np.ndarray) -> int:
    """How many of the steps an asker knows who says that it knows "count:last"; 0 if that fits no more."""
    count, _, last = text[:20].partition(":")
    known = int(count) if count.isascii() and count.isdecimal() else 0
    return known if 0 < known <= len(steps) and str(steps[known - 1]) == last else 0


def _json(content: Any, status: int = 200) -> Response:
    headers = {"Cache-Control": "no-store", **_HEADERS}
    return Response(orjson.dumps(content), status, headers, media_type="application/json")


def _body_response(request: Request, body: Body, media: str, headers: dict[str, str]) -> Response:
    headers = {**headers, "Vary": "Accept-Encoding", **_HEADERS}
    if "gzip" not in request.headers.get("Accept-Encoding", ""):
        return Response(body.plain, headers=headers, media_type=media)
    return Response(body.compressed, headers={**headers, "Content-Encoding": "gzip"}, media_type=media)


def _tag(key: object, version: str) -> str:
    digest = hashlib.blake2b(repr((key, version)).encode(), digest_size=12).hexdigest()
    return f'W/"{digest}"'


async def _body(request: Request) -> dict[str, Any]:
    """The JSON object that a request carries, empty if it carries nothing. Raises Refused."""
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > MAX_BODY:
            raise Refused(413, f"the request is too long; allowed are {MAX_BODY} bytes")
    try:
        values = orjson.loads(content or b"{}")
    except orjson.JSONDecodeError:
        values = None
    if not isinstance(values, dict):
        raise Refused(422, "the request is no JSON object")
    return values


def _act(run: Run, action: str, values: Mapping[str, Any]) -> None:
    """Do what was asked for. Raises Refused or ExperimentError."""
    if action == "play":
        run.play()
    elif action == "pause":
        run.pause()
    elif action == "reset":
        run.reset()
    elif action == "step":
        run.advance(int(number(values, "steps", 1, 10_000, 1)))
    elif action == "speed":
        run.set_speed(None if values.get("speed") is None else number(values, "speed", 0.1, 1e6))
    elif action == "intervene":
        arm = None if values.get("arm") is None else int(number(values, "arm", 0, len(run.arms) - 1))
        run.intervene(str(values.get("field"))[:40], number(values, "value", -1e9, 1e9), arm)
    else:
        raise Refused(
            404, f"{action[:40]!r} is no action; there are play, pause, step, reset, speed, intervene"
        )
