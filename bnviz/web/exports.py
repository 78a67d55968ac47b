"""The HTTP routes that answer with files: figures of every kind, the numbers behind them, recordings.

    GET bnviz/exports/formats                  which kinds of file there are, and who can make them
    GET bnviz/exports/{name}.{kind}            a figure of a run; run=, the figure's view arguments, footer=0
    GET bnviz/exports/labs/{name}.{kind}       one of the figures of a lab's run
    GET bnviz/exports/stills/{name}.{kind}     a figure that belongs to no run; still=
    GET bnviz/exports/maps/{name}.{kind}       a map; map=
    GET bnviz/runs/{id}/recording/{arm}        a Recording, the arm counted from 0

With by=browser a figure comes as what a browser needs to draw it, for servers that cannot draw.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import anyio
import orjson
import pandas as pd
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from bnviz.export import KINDS, Kind, Stamp, browser_drawing, export_figure, export_numbers, lab_files
from bnviz.export.browser import NO_CHROME, Chrome, ChromeBusyError, ChromeError
from bnviz.export.numbers import drawn_numbers, numbers
from bnviz.export.stamp import comparison_query
from bnviz.export.stills import Stills
from bnviz.figures.charts.where_training_works import accuracy_map
from bnviz.recording.file import SUFFIX
from bnviz.recording.recording import fingerprint
from bnviz.runs import Run
from bnviz.runs.lab_run import LabRun, LabRuns
from bnviz.runs.sweeps import Sweeps
from bnviz.web.downloads import download, page_address
from bnviz.web.figures import lab_figure, lab_view
from bnviz.web.map_json import map_data, map_stamp
from bnviz.web.requests import RequestError, view_arguments, view_figure, whole_number
from bnviz.web.response_cache import SharedBodies
from bnviz.web.responses import body_answer, in_words, json_answer

if TYPE_CHECKING:
    import plotly.graph_objects as go

MOST_AT_ONCE = 24
"""Files being made or waited for; whoever asks beyond that is told to try again."""

_OURS = ("run", "footer", "by", "theme", "narrow")
"""Parameters that are no view arguments here: the kind of file decides on the looks."""


@dataclass(frozen=True)
class _Wish:
    """A figure asked for: how it is built for a Kind, its table of numbers, its Stamp, and what it is called."""

    key: tuple[Any, ...]
    build: Callable[[Kind], go.Figure]
    tabulate: Callable[[go.Figure], pd.DataFrame]
    stamp: Stamp
    name: str


class ExportRoutes:
    """The handlers and what they share."""

    def __init__(
        self,
        find: Callable[[str], Run],
        lab_runs: LabRuns,
        chrome: Callable[[], Chrome],
        stills: Stills,
        sweeps: Callable[[], Sweeps],
    ) -> None:
        self._find, self._lab_runs, self._chrome = find, lab_runs, chrome
        self._stills, self._sweeps = stills, sweeps
        self._files = SharedBodies(size=16, hold=0.0, threads=3)
        self._recordings = anyio.CapacityLimiter(2)
        self._waiting = 0

    def all(self) -> list[BaseRoute]:
        """The routes."""
        return [
            Route("/exports/formats", self.formats),
            Route("/exports/{file}", self.figure),
            Route("/exports/labs/{file}", self.lab_figure),
            Route("/exports/stills/{file}", self.still),
            Route("/exports/maps/{file}", self.map),
            Route("/runs/{id}/recording/{arm}", self.recording),
        ]

    @in_words
    async def formats(self, request: Request) -> Response:
        """Every kind of file, and who makes it: the server, the reader's browser, or nobody, and why."""
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
                    "sentence": "" if by else f"No {kind.label}: {_lower(NO_CHROME)}",
                }
            )
        return json_answer({"kinds": kinds})

    @in_words
    async def figure(self, request: Request) -> Response:
        """A figure of `bnviz.figures`."""
        name, kind = _asked(request)
        run = self._find(request.query_params.get("run", ""))
        recordings, query = run.recordings, _view_query(request)
        arguments = view_arguments(name, query)

        def build(kind: Kind) -> go.Figure:
            return view_figure(name, recordings, {**arguments, "theme": "print", "narrow": kind.column})

        told = comparison_query(recordings)
        address = page_address(request)
        link = (
            ""
            if told is None or not address
            else f"{address}/?{'&'.join(filter(None, (told, _shown(arguments))))}"
        )
        at = max(item.last_step for item in recordings)
        wish = _Wish(
            (run.id, name, *sorted(arguments.items())),
            build,
            lambda figure: numbers(name, recordings, figure, **arguments),
            Stamp.of(recordings, step=arguments.get("step", at), link=link),
            _file_name(name, arguments),
        )
        return await self._answer(request, wish, kind, fingerprint(recordings))

    @in_words
    async def lab_figure(self, request: Request) -> Response:
        """One of a lab's figures."""
        name, kind = _asked(request)
        run = self._find(request.query_params.get("run", ""))
        lab_run: LabRun | None = self._lab_runs.get(run.id)
        if lab_run is None:
            raise RequestError(404, "This run belongs to no lab.")
        lab, result = lab_run.lab, lab_run.result()
        view = _view_query(request)
        unit = whole_number(view, "unit", 0, 10**6)

        def build(kind: Kind) -> go.Figure:
            looks = {"theme": "print", "narrow": str(int(kind.column))}
            return lab_figure(lab, name, result, lab_view({**view, **looks}))

        address = page_address(request)
        wish = _Wish(
            (run.id, "lab", name, *sorted(view.items())),
            build,
            drawn_numbers,
            lab_files.stamp(lab, result, f"{address}/labs" if address else "", unit),
            _file_name(name if name == lab.name else f"{lab.name}-{name}", {"unit": unit} if unit else {}),
        )
        return await self._answer(request, wish, kind, f"{fingerprint(run.recordings)}-{lab_run.done}")

    @in_words
    async def still(self, request: Request) -> Response:
        """A figure that belongs to no run."""
        _, kind = _asked(request)
        name = request.query_params.get("still", "")[:64]
        still = self._stills.get(name)
        if still is None:
            raise RequestError(404, "The server has forgotten this figure; reload the page, please.")
        wish = _Wish(("still", name), still.build, drawn_numbers, still.stamp, f"bnviz-{still.name}")
        return await self._answer(request, wish, kind, name)

    @in_words
    async def map(self, request: Request) -> Response:
        """A map, as far as it is trained."""
        _, kind = _asked(request)
        sweep = self._sweeps().get(request.query_params.get("map", "")[:64])
        if sweep is None:
            raise RequestError(404, "This map is over; reload the page, please.")
        grid, scores = sweep.grid, sweep.scores
        address = page_address(request)
        wish = _Wish(
            ("map", sweep.id),
            lambda kind: accuracy_map(map_data(grid, scores), theme="print", narrow=kind.column),
            drawn_numbers,
            map_stamp(grid, sweep.provenance, f"{address}/map" if address else ""),
            "bnviz-map",
        )
        return await self._answer(request, wish, kind, str(len(scores)))

    @in_words
    async def recording(self, request: Request) -> Response:
        """A Recording as the file that `Recording.load` reads."""
        run = self._find(request.path_params["id"])
        arm = whole_number(request.path_params, "arm", 0, len(run.recordings) - 1)
        recording = run.recordings[arm or 0]
        content = await to_thread.run_sync(recording.to_bytes, limiter=self._recordings)
        kind = "watched" if recording.watched else recording.experiment.normalizer
        parts = (f"arm{(arm or 0) + 1}", kind, f"step{recording.last_step}")
        return download(Response(content, media_type="application/zip"), f"bnviz-{'-'.join(parts)}{SUFFIX}")

    async def _answer(self, request: Request, wish: _Wish, kind: Kind, version: str) -> Response:
        query = request.query_params
        footer = whole_number(query, "footer", 0, 1) != 0
        by_browser = query.get("by", "server") == "browser"
        if by_browser and kind.format not in ("png", "svg"):
            raise RequestError(422, f"by = 'browser' is not allowed for {kind.name}; allowed is png or svg")

        def make() -> bytes:
            figure = wish.build(kind)
            if by_browser:
                return orjson.dumps(browser_drawing(figure, kind.name, wish.stamp, footer=footer))
            if kind.format in ("csv", "parquet"):
                return export_numbers(wish.tabulate(figure), kind.name, wish.stamp)
            try:
                return export_figure(figure, kind.name, wish.stamp, footer=footer, chrome=self._chrome())
            except ChromeError as error:
                raise RequestError(501, str(error)) from error
            except ChromeBusyError as error:
                raise RequestError(503, str(error)) from error

        if self._waiting >= MOST_AT_ONCE:
            raise RequestError(503, "Many files are being made right now; please try again in a moment.")
        self._waiting += 1
        try:
            key = (*wish.key, kind.name, footer, by_browser, wish.stamp.link, wish.stamp.step)
            body = await self._files.get(key, version, make)
        finally:
            self._waiting -= 1
        media = "application/json" if by_browser else kind.media
        return download(body_answer(request, body, media, {}), wish.name + kind.suffix)


def _asked(request: Request) -> tuple[str, Kind]:
    """The name of the figure and the Kind of file in a path. Raises RequestError."""
    name, _, kind = str(request.path_params["file"]).rpartition(".")
    if kind not in KINDS:
        raise RequestError(404, f"there is no kind of file {kind[:40]!r}; there are {', '.join(KINDS)}")
    return name, KINDS[kind]


def _view_query(request: Request) -> dict[str, str]:
    return {name: text for name, text in request.query_params.items() if name not in _OURS}


def _shown(arguments: Mapping[str, Any]) -> str:
    """The view arguments as the Playground's link has them."""
    names = {"layer": "layer", "unit": "unit", "step": "at"}
    query = {theirs: str(arguments[name]) for name, theirs in names.items() if arguments.get(name)}
    return urlencode(query | ({"before": "true"} if arguments.get("where") == "before" else {}))


def _file_name(name: str, arguments: Mapping[str, Any]) -> str:
    """The file's name up to its kind, such as "bnviz-bands-layer2-step400"."""
    parts = [key + str(value) for key, value in sorted(arguments.items()) if isinstance(value, int)]
    parts += [value for value in arguments.values() if value in ("before", "train", "test")]
    return re.sub(r"[^A-Za-z0-9-]+", "", "-".join(("bnviz", name, *parts)))[:100]


def _lower(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]
