"""The routes of files: figures of every kind, the numbers behind them, recordings.

GET bnviz/exports/formats                  the kinds of file, and who can make each
GET bnviz/exports/{name}.{kind}            a figure of a run: run=, the figure's view arguments
GET bnviz/exports/labs/{name}.{kind}       one of the figures of a lab: run=, unit=, seed=, guess=
GET bnviz/exports/stills/{name}.{kind}     a figure that belongs to no run: still=
GET bnviz/exports/maps/{name}.{kind}       a map: map=
GET bnviz/exports/landscapes/{name}.{kind}  what the page Landscape measured: landscape=
GET bnviz/runs/{id}/recording/{arm}        a Recording, the arm counted from 0

Every figure takes footer=0, for none, and by=browser, for what a browser needs to draw the figure itself: not every
server can draw.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlencode

import anyio
import orjson
import pandas as pd
from anyio import to_thread
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from bnviz.experiment.grid import Grid
from bnviz.export import KINDS, Kind, Stamp, browser_drawing, export_figure, export_numbers, lab_files
from bnviz.export.browser import Chrome, why_none
from bnviz.export.numbers import drawn_numbers, numbers
from bnviz.export.stamp import comparison_query
from bnviz.export.stills import Stills
from bnviz.figures import landscapes
from bnviz.figures.charts.loss_surface import Shape
from bnviz.recording.file import SUFFIX
from bnviz.recording.recording import fingerprint
from bnviz.runs import Run
from bnviz.runs.lab_run import LabRuns
from bnviz.runs.measurements import Measurements
from bnviz.runs.sweeps import Sweeps
from bnviz.web.downloads import download, page_address
from bnviz.web.landscapes import find_measurement, landscape_stamp
from bnviz.web.maps import drawn, find_sweep, sweep_stamp
from bnviz.web.requests import Flag, Query, RequestError, read, refusal, whole_number
from bnviz.web.response_cache import ResponseCache
from bnviz.web.responses import body_response, json_response
from bnviz.web.runs import recorded_version
from bnviz.web.views import LabQuery, draw_view, lab_drawing, view_arguments

if TYPE_CHECKING:
    import plotly.graph_objects as go

MAX_PENDING = 24
"""Requests for files that are served or wait; further ones are refused."""

_NO_VIEW = ("run", "footer", "by", "theme", "narrow")
"""Parameters that are no view arguments here: the kind of file decides on theme and width."""


class ExportQuery(Query):
    """What every export takes. by: who draws."""

    run: str = ""
    still: str = ""
    map: str = ""
    landscape: str = ""
    shape: Shape = "contours"
    footer: Flag = True
    by: Literal["server", "browser"] = Field("server", description="server or browser")


@dataclass(frozen=True)
class _Export:
    """A figure to export: how to build it for a Kind, how to make its table of numbers, its Stamp, its file's name."""

    key: tuple[Any, ...]
    build: Callable[[Kind], go.Figure]
    tabulate: Callable[[go.Figure], pd.DataFrame]
    stamp: Stamp
    name: str


class ExportRoutes:
    """The handlers and what they share. find: the run of an id."""

    def __init__(
        self,
        find: Callable[[str], Run],
        lab_runs: LabRuns,
        chrome: Callable[[], Chrome],
        stills: Stills,
        sweeps: Callable[[], Sweeps],
        measurements: Callable[[], Measurements],
    ) -> None:
        self._find, self._lab_runs, self._chrome = find, lab_runs, chrome
        self._stills, self._sweeps, self._measurements = stills, sweeps, measurements
        self._files = ResponseCache(capacity=16, lifetime=0.0, threads=3)
        self._recordings = anyio.CapacityLimiter(2)
        self._pending = 0

    def all(self) -> list[BaseRoute]:
        """The routes."""
        return [
            Route("/exports/formats", self.formats),
            Route("/exports/{file}", self.figure),
            Route("/exports/labs/{file}", self.lab_figure),
            Route("/exports/stills/{file}", self.still),
            Route("/exports/maps/{file}", self.map),
            Route("/exports/landscapes/{file}", self.landscape),
            Route("/runs/{id}/recording/{arm}", self.recording),
        ]

    async def formats(self, request: Request) -> Response:
        """Every kind of file, and who makes it: the server, the reader's browser, or nobody, with the reason."""
        able = await to_thread.run_sync(Chrome.path) is not None
        kinds = []
        for kind in KINDS.values():
            by = "server" if able or not kind.drawn else "" if kind.format == "pdf" else "browser"
            kinds.append(
                {
                    "kind": kind.name,
                    "group": kind.group,
                    "label": kind.label,
                    "by": by,
                    "sentence": "" if by else f"No {kind.label}: {_lower(why_none())}",
                }
            )
        return json_response({"kinds": kinds})

    async def figure(self, request: Request) -> Response:
        """A figure of `bnviz.figures`."""
        name, kind = _requested_file(request)
        query = read(ExportQuery, request.query_params)
        run = self._find(query.run)
        recordings = run.recordings
        arguments = view_arguments(
            name, {item: value for item, value in request.query_params.items() if item not in _NO_VIEW}
        )

        def build(kind: Kind) -> go.Figure:
            return draw_view(
                name, recordings, {**arguments, "theme": "print", "narrow": kind.column}
            ).figure()

        address, parameters = page_address(request), comparison_query(recordings)
        link = ""
        if address and parameters is not None:
            link = f"{address}/?{'&'.join(filter(None, (parameters, _playground_view(arguments))))}"
        at = max(item.last_step for item in recordings)
        export = _Export(
            (run.id, name, *sorted(arguments.items())),
            build,
            lambda figure: numbers(name, recordings, figure, **arguments),
            Stamp.of(recordings, step=arguments.get("step", at), link=link),
            _file_name(name, arguments),
        )
        return await self._response(request, query, export, kind, fingerprint(recordings))

    async def lab_figure(self, request: Request) -> Response:
        """One of a lab's figures."""
        name, kind = _requested_file(request)
        query = read(ExportQuery, request.query_params)
        run = self._find(query.run)
        lab_run = self._lab_runs.get(run.id)
        if lab_run is None:
            raise RequestError(404, "This run belongs to no lab.")
        lab, result, version = lab_run.lab, lab_run.result(), recorded_version(run.recordings, lab_run)
        view = replace(read(LabQuery, request.query_params).view, theme="print")
        unit, address = view.unit, page_address(request)
        export = _Export(
            (run.id, "lab", name, unit, view.seed, view.guess),
            lambda kind: lab_drawing(lab, name, result, replace(view, narrow=kind.column)).figure,
            drawn_numbers,
            lab_files.stamp(lab, result, f"{address}/labs" if address else "", unit),
            _file_name(name if name == lab.name else f"{lab.name}-{name}", {"unit": unit} if unit else {}),
        )
        return await self._response(request, query, export, kind, version)

    async def still(self, request: Request) -> Response:
        """A figure that belongs to no run."""
        _, kind = _requested_file(request)
        query = read(ExportQuery, request.query_params)
        still = self._stills.get(query.still)
        if still is None:
            raise RequestError(404, "The server has forgotten this figure; please reload the page.")
        export = _Export(
            ("still", query.still), still.build, drawn_numbers, still.stamp, f"bnviz-{still.name}"
        )
        return await self._response(request, query, export, kind, query.still)

    async def map(self, request: Request) -> Response:
        """A map, or the networks of the page Depth, as far as they are done."""
        _, kind = _requested_file(request)
        query = read(ExportQuery, request.query_params)
        sweep = find_sweep(self._sweeps(), query.map)
        plan, scores = sweep.grid, sweep.scores
        export = _Export(
            ("map", sweep.id),
            lambda kind: drawn(plan, scores, theme="print", narrow=kind.column).figure(),
            drawn_numbers,
            sweep_stamp(sweep, page_address(request)),
            "bnviz-map" if isinstance(plan, Grid) else "bnviz-depth",
        )
        return await self._response(request, query, export, kind, str(len(scores)))

    async def landscape(self, request: Request) -> Response:
        """What the page Landscape measured, as far as it is measured."""
        _, kind = _requested_file(request)
        query = read(ExportQuery, request.query_params)
        measurement = find_measurement(self._measurements(), query.landscape)
        found, address = measurement.found, page_address(request)
        export = _Export(
            ("landscape", measurement.id, query.shape),
            lambda kind: landscapes.draw(
                measurement.function,
                measurement.networks,
                found,
                shape=query.shape,
                theme="print",
                narrow=kind.column,
            ).figure(),
            drawn_numbers,
            landscape_stamp(measurement, f"{address}/landscape" if address else ""),
            _file_name("landscape", {}),
        )
        return await self._response(request, query, export, kind, measurement.revision)

    async def recording(self, request: Request) -> Response:
        """A Recording as the file that `Recording.load` reads."""
        run = self._find(request.path_params["id"])
        recordings = run.recordings
        arm = whole_number("arm", request.path_params["arm"], 0, len(recordings) - 1)
        recording = recordings[arm]
        content = await to_thread.run_sync(recording.to_bytes, limiter=self._recordings)
        kind = "watched" if recording.watched else recording.experiment.normalizer
        parts = (f"arm{arm + 1}", kind, f"step{recording.last_step}")
        return download(Response(content, media_type="application/zip"), f"bnviz-{'-'.join(parts)}{SUFFIX}")

    async def _response(
        self, request: Request, query: ExportQuery, export: _Export, kind: Kind, version: str
    ) -> Response:
        footer, stamp, by_browser = query.footer, export.stamp, query.by == "browser"
        if by_browser and kind.format not in ("png", "svg"):
            raise refusal("by", query.by, f"server for a file of kind {kind.name}")

        def build() -> bytes:
            figure = export.build(kind)
            if by_browser:
                return orjson.dumps(browser_drawing(figure, kind.name, stamp, footer=footer))
            if kind.format in ("csv", "parquet"):
                return export_numbers(export.tabulate(figure), kind.name, stamp)
            return export_figure(figure, kind.name, stamp, footer=footer, chrome=self._chrome())

        if self._pending >= MAX_PENDING:
            raise RequestError(503, "Many files are being made right now; please try again in a moment.")
        self._pending += 1
        try:
            key = (*export.key, kind.name, footer, by_browser, stamp.link, stamp.step)
            body = await self._files.get(key, version, build)
        finally:
            self._pending -= 1
        media = "application/json" if by_browser else kind.media
        return download(body_response(request, body, media, {}), export.name + kind.suffix)


def _requested_file(request: Request) -> tuple[str, Kind]:
    """The name of the figure and the Kind of file in a path. Raises RequestError."""
    name, _, kind = str(request.path_params["file"]).rpartition(".")
    if kind not in KINDS:
        raise RequestError(404, f"there is no kind of file {kind[:40]!r}; there are {', '.join(KINDS)}")
    return name, KINDS[kind]


def _playground_view(arguments: Mapping[str, Any]) -> str:
    """The view arguments as parameters of the Playground's link."""
    names = {"layer": "layer", "unit": "unit", "step": "at"}
    query = {parameter: str(arguments[name]) for name, parameter in names.items() if arguments.get(name)}
    return urlencode(query | ({"before": "true"} if arguments.get("where") == "before" else {}))


def _file_name(name: str, arguments: Mapping[str, Any]) -> str:
    """The file's name up to its kind, such as "bnviz-bands-layer2-step400"."""
    parts = [key + str(value) for key, value in sorted(arguments.items()) if isinstance(value, int)]
    parts += [value for value in arguments.values() if value in ("before", "train", "test")]
    return re.sub(r"[^A-Za-z0-9-]+", "", "-".join(("bnviz", name, *parts)))[:100]


def _lower(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]
