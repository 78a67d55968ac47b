"""The HTTP routes that answer with pages to take along: lessons, and reports on labs.

    GET bnviz/exports/lessons/{id}.html          a run, or a finished lab, on one page that needs no server
    GET bnviz/exports/reports/{id}.html, .pdf    a finished lab; said=, the student's prediction, unit=

They are made once for each run as it stands, at most two at a time.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from bnviz.export.browser import Chrome, ChromeBusyError, ChromeError
from bnviz.export.handouts.lab_page import lab_lesson
from bnviz.export.handouts.report import lab_report, printed
from bnviz.export.handouts.run_page import run_lesson
from bnviz.export.stamp import comparison_query
from bnviz.recording.recording import fingerprint
from bnviz.runs import Run
from bnviz.runs.lab_run import LabRun, LabRuns
from bnviz.web.downloads import download, page_address
from bnviz.web.requests import MAX_NUMBER, RequestError, whole_number
from bnviz.web.response_cache import SharedBodies
from bnviz.web.responses import HEADERS, body_answer, in_words

MOST_KEPT = 8
"""Pages kept for the next who asks: they are megabytes."""

MEDIA = {"html": "text/html; charset=utf-8", "pdf": "application/pdf"}
_FILE = re.compile(r"(?P<id>[\w-]{1,64})\.(?P<format>html|pdf)")


Handler = Callable[["HandoutRoutes", Request], Awaitable[Response]]


def _for_readers(handler: Handler) -> Handler:
    """Let a handler refuse in plain text: these answers are opened in a tab."""

    @functools.wraps(handler)
    async def answer(self: HandoutRoutes, request: Request) -> Response:
        try:
            return await handler(self, request)
        except RequestError as error:
            return PlainTextResponse(str(error), error.status, {"Cache-Control": "no-store", **HEADERS})

    return answer


class HandoutRoutes:
    """The handlers and what they share."""

    def __init__(self, find: Callable[[str], Run], lab_runs: LabRuns, chrome: Callable[[], Chrome]) -> None:
        self._find, self._lab_runs, self._chrome = find, lab_runs, chrome
        self._pages = SharedBodies(size=MOST_KEPT, hold=0.0, threads=2)

    def all(self) -> list[BaseRoute]:
        """The routes."""
        return [Route("/exports/lessons/{file}", self.lesson), Route("/exports/reports/{file}", self.report)]

    @in_words
    @_for_readers
    async def lesson(self, request: Request) -> Response:
        """A run or a lab as a page."""
        run, made = self._asked(request, ("html",))
        lab_run = self._lab_runs.get(run.id)
        if lab_run is None:
            recordings = run.recordings
            if not any(item.snapshots for item in recordings):
                raise RequestError(409, "Nothing was recorded yet: press Play first.")
            query = comparison_query(recordings)
            link = f"{page_address(request)}/?{query}" if query is not None and page_address(request) else ""
            return await self._answer(
                request, run, made, "lesson", lambda: run_lesson(recordings, link=link).encode()
            )
        result, link, unit = _finished(lab_run).result(), _labs(request), _unit(request)
        return await self._answer(
            request,
            run,
            made,
            f"{lab_run.lab.name}-lesson",
            lambda: lab_lesson(lab_run.lab, result, link=link, unit=unit).encode(),
        )

    @in_words
    @_for_readers
    async def report(self, request: Request) -> Response:
        """A lab as a report."""
        run, made = self._asked(request, tuple(MEDIA))
        lab_run = self._lab_runs.get(run.id)
        if lab_run is None:
            raise RequestError(404, "This run belongs to no lab.")
        lab, result = _finished(lab_run).lab, lab_run.result()
        link, unit, said = _labs(request), _unit(request), request.query_params.get("said", "")[:200]

        def make() -> bytes:
            try:
                chrome = self._chrome()
                page = lab_report(lab, result, said=said, link=link, unit=unit, chrome=chrome)
                return page.encode() if made == "html" else printed(lab, result, page, chrome, link=link)
            except ChromeBusyError as error:
                raise RequestError(503, str(error)) from error
            except ChromeError as error:
                raise RequestError(501, str(error)) from error
            except ValueError as error:  # a prediction, or a unit, that the lab does not allow
                raise RequestError(422, str(error)) from error

        return await self._answer(request, run, made, f"{lab.name}-report", make)

    def _asked(self, request: Request, formats: tuple[str, ...]) -> tuple[Run, str]:
        """The run, and the format of file. Raises RequestError."""
        found = _FILE.fullmatch(request.path_params["file"])
        if found is None or found["format"] not in formats:
            raise RequestError(404, f"there is no such page; there are {', '.join(formats)}")
        return self._find(found["id"]), found["format"]

    async def _answer(
        self, request: Request, run: Run, made: str, name: str, make: Callable[[], bytes]
    ) -> Response:
        key = (run.id, name, made, page_address(request), str(request.query_params)[:400])
        body = await self._pages.get(key, fingerprint(run.recordings), make)
        return download(body_answer(request, body, MEDIA[made], {}), f"bnviz-{name}.{made}")


def _finished(lab_run: LabRun) -> LabRun:
    """The same, if it has a verdict. Raises RequestError."""
    if not lab_run.done or lab_run.trouble:
        raise RequestError(409, lab_run.trouble or "This lab has no verdict yet: let it train to its end.")
    return lab_run


def _labs(request: Request) -> str:
    """Where the reader finds the page with the labs."""
    address = page_address(request)
    return f"{address}/labs" if address else ""


def _unit(request: Request) -> int | None:
    return whole_number(request.query_params, "unit", 0, MAX_NUMBER) or None
