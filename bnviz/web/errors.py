"""Which status and which sentence answer what goes wrong in a route: one table for all routes.

Starlette's ExceptionMiddleware reads it, once around all routes, and so whichever way a request comes in.
Nobody is ever shown a traceback.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ExceptionHandler

from bnviz.classroom.invitation import AddressError
from bnviz.classroom.room import ClassroomError
from bnviz.classroom.store import StoreError
from bnviz.experiment import ExperimentError
from bnviz.export.browser import ChromeBusyError, ChromeError
from bnviz.labs.predictions import PredictionError
from bnviz.runs.feeds import FeedError, FeedFullError, FeedOverError
from bnviz.web.requests import RequestError
from bnviz.web.responses import HEADERS, json_response

STATUS: Mapping[type[Exception], int] = MappingProxyType(
    {
        AddressError: 422,
        ChromeBusyError: 503,
        ChromeError: 501,
        ClassroomError: 409,
        ExperimentError: 422,
        FeedError: 422,
        FeedFullError: 507,
        FeedOverError: 409,
        PredictionError: 422,
        StoreError: 507,
    }
)
"""The errors whose message is a sentence for the reader; subclasses, such as TooCostlyError, have the same status."""

UNEXPECTED = "Something went wrong on the server; its log says what."

_log = logging.getLogger(__name__)


def json_error(sentence: str, status: int) -> Response:
    """An error as JSON, for scripts."""
    return json_response({"error": sentence}, status)


def text_error(sentence: str, status: int) -> Response:
    """An error as plain text, for readers who opened the address in a tab."""
    return PlainTextResponse(sentence, status, {"Cache-Control": "no-store", **HEADERS})


def error_handlers(
    respond: Callable[[str, int], Response] = json_error,
) -> Mapping[type[Exception], ExceptionHandler]:
    """The table for an ExceptionMiddleware. respond: how a sentence and a status become a response."""

    def expected(status: int) -> ExceptionHandler:
        async def handler(request: Request, error: Exception) -> Response:
            return respond(str(error), status)

        return handler

    async def refused(request: Request, error: Any) -> Response:
        return respond(str(error), error.status)

    async def unexpected(request: Request, error: Exception) -> Response:
        _log.error("%s failed", request.url.path, exc_info=error)
        return respond(UNEXPECTED, 500)

    handlers = {kind: expected(status) for kind, status in STATUS.items()}
    return {**handlers, RequestError: refused, Exception: unexpected}
