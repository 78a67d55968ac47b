"""The HTTP routes of handouts, and of reports on labs. The addresses say "lessons", as they always did.

GET bnviz/exports/lessons/{id}.html          a run, or a finished lab, on one page that needs no server
GET bnviz/exports/reports/{id}.html, .pdf    a finished lab: said=, the student's prediction
GET bnviz/exports/worksheets/{lab}.html      a lab as a page to print and fill in; nothing measured stands on it

The first two take unit= for a lab. Their addresses are opened in a tab, so errors are plain text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from anyio import to_thread
from starlette.middleware import Middleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from bnviz.export.browser import Chrome
from bnviz.export.handouts.lab_page import lab_handout
from bnviz.export.handouts.report import lab_report, printed
from bnviz.export.handouts.run_page import run_handout
from bnviz.export.handouts.worksheet import lab_worksheet
from bnviz.export.stamp import comparison_query
from bnviz.labs import all_labs
from bnviz.recording.recording import fingerprint
from bnviz.runs import Run
from bnviz.runs.lab_run import LabRun, LabRuns
from bnviz.web.downloads import download, page_address
from bnviz.web.errors import error_handlers, text_error
from bnviz.web.requests import MAX_NUMBER, Query, RequestError, read, text, whole
from bnviz.web.response_cache import ResponseCache
from bnviz.web.responses import HEADERS, body_response

CAPACITY = 8
"""Handouts that are cached: each has megabytes."""

MEDIA = {"html": "text/html; charset=utf-8", "pdf": "application/pdf"}
_FILE = re.compile(r"(?P<id>[\w-]{1,64})\.(?P<format>html|pdf)")


class HandoutQuery(Query):
    """The unit that a lab's figures show, and what the student predicted."""

    unit: int = whole(0, MAX_NUMBER, 0)
    said: str = text(200, "")


class HandoutRoutes:
    """The handlers and what they share. find: the run of an id."""

    def __init__(self, find: Callable[[str], Run], lab_runs: LabRuns, chrome: Callable[[], Chrome]) -> None:
        self._find, self._lab_runs, self._chrome = find, lab_runs, chrome
        self._cache = ResponseCache(capacity=CAPACITY, lifetime=0.0, threads=2)

    def all(self) -> list[BaseRoute]:
        """The routes."""
        as_text = [Middleware(ExceptionMiddleware, handlers=error_handlers(text_error))]
        return [
            Route("/exports/lessons/{file}", self.handout, middleware=as_text),
            Route("/exports/reports/{file}", self.report, middleware=as_text),
            Route("/exports/worksheets/{lab}.html", self.worksheet, middleware=as_text),
        ]

    async def handout(self, request: Request) -> Response:
        """A run or a lab as a handout."""
        run, made = self._requested_file(request, ("html",))
        query = read(HandoutQuery, request.query_params)
        lab_run = self._lab_runs.get(run.id)
        if lab_run is None:
            recordings = run.recordings
            if not any(item.snapshots for item in recordings):
                raise RequestError(409, "Nothing was recorded yet: press Play first.")
            address, parameters = page_address(request), comparison_query(recordings)
            link = f"{address}/?{parameters}" if address and parameters is not None else ""
            return await self._response(
                request, run, query, "handout", made, lambda: run_handout(recordings, link=link).encode()
            )
        lab, result, link = _finished(lab_run).lab, lab_run.result(), _labs_address(request)

        def build() -> bytes:
            with _unit_checked():
                return lab_handout(lab, result, link=link, unit=query.unit or None).encode()

        return await self._response(request, run, query, f"{lab.name}-handout", made, build)

    async def report(self, request: Request) -> Response:
        """A lab as a report."""
        run, made = self._requested_file(request, tuple(MEDIA))
        query = read(HandoutQuery, request.query_params)
        lab_run = self._lab_runs.get(run.id)
        if lab_run is None:
            raise RequestError(404, "This run belongs to no lab.")
        lab, result, link = _finished(lab_run).lab, lab_run.result(), _labs_address(request)

        def build() -> bytes:
            chrome, unit = self._chrome(), query.unit or None
            with _unit_checked():
                page = lab_report(lab, result, said=query.said, link=link, unit=unit, chrome=chrome)
            return page.encode() if made == "html" else printed(lab, result, page, chrome, link=link)

        return await self._response(request, run, query, f"{lab.name}-report", made, build)

    async def worksheet(self, request: Request) -> Response:
        """A lab as a worksheet, to be opened and printed."""
        lab = all_labs().get(request.path_params["lab"])
        if lab is None:
            raise RequestError(404, f"there is no such lab; there are {', '.join(all_labs())}")
        page = await to_thread.run_sync(lambda: lab_worksheet(lab, link=_labs_address(request)))
        return HTMLResponse(page, headers=HEADERS)

    def _requested_file(self, request: Request, formats: tuple[str, ...]) -> tuple[Run, str]:
        """The run and the format of the file. Raises RequestError."""
        found = _FILE.fullmatch(request.path_params["file"])
        if found is None or found["format"] not in formats:
            raise RequestError(404, f"there is no such page; there are {', '.join(formats)}")
        return self._find(found["id"]), found["format"]

    async def _response(
        self,
        request: Request,
        run: Run,
        query: HandoutQuery,
        name: str,
        made: str,
        build: Callable[[], bytes],
    ) -> Response:
        key = (run.id, name, made, page_address(request), query)
        body = await self._cache.get(key, fingerprint(run.recordings), build)
        return download(body_response(request, body, MEDIA[made], {}), f"bnviz-{name}.{made}")


def _finished(lab_run: LabRun) -> LabRun:
    """The same, if it has a verdict. Raises RequestError."""
    if not lab_run.done or lab_run.trouble:
        raise RequestError(409, lab_run.trouble or "This lab has no verdict yet: let it train to its end.")
    return lab_run


@contextmanager
def _unit_checked() -> Iterator[None]:
    """Raises RequestError where a handout refuses the unit."""
    try:
        yield
    except ValueError as error:
        raise RequestError(422, str(error)) from error


def _labs_address(request: Request) -> str:
    """The address of the page with the labs; empty if it is not known."""
    address = page_address(request)
    return f"{address}/labs" if address else ""
