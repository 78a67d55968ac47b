"""What the HTTP routes have in common: how they answer, in whatever form, and how they say what went wrong."""

from __future__ import annotations

import functools
import hashlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import orjson
from starlette.requests import Request
from starlette.responses import Response

from bnviz.experiment import ExperimentError
from bnviz.web.requests import RequestError
from bnviz.web.response_cache import Body

MAX_BODY = 1000
"""Bytes that a request to drive a run may send."""

HEADERS = {"X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin"}
"""Of every answer."""

Routes = TypeVar("Routes")
_log = logging.getLogger(__name__)


def in_words(
    handler: Callable[[Routes, Request], Awaitable[Response]],
) -> Callable[[Routes, Request], Awaitable[Response]]:
    """Let a handler, a method, answer with a status and a sentence whatever goes wrong in it."""

    @functools.wraps(handler)
    async def answer(self: Routes, request: Request) -> Response:
        try:
            return await handler(self, request)
        except RequestError as error:
            return json_answer({"error": str(error)}, error.status)
        except ExperimentError as error:
            return json_answer({"error": str(error)}, 422)
        except Exception:
            _log.exception("%s could not be answered", request.url.path)
            return json_answer({"error": "Something went wrong on the server; its log says what."}, 500)

    return answer


def json_answer(content: Any, status: int = 200) -> Response:
    """An answer that nobody keeps."""
    return Response(
        orjson.dumps(content), status, {"Cache-Control": "no-store", **HEADERS}, media_type="application/json"
    )


def body_answer(request: Request, body: Body, media: str, headers: dict[str, str]) -> Response:
    """A shared Body, compressed for those who read that."""
    headers = {**headers, "Vary": "Accept-Encoding", **HEADERS}
    if "gzip" not in request.headers.get("Accept-Encoding", ""):
        return Response(body.plain, headers=headers, media_type=media)
    return Response(body.compressed, headers={**headers, "Content-Encoding": "gzip"}, media_type=media)


def not_modified(tag: str, headers: dict[str, str]) -> Response:
    """For who has it already."""
    return Response(status_code=304, headers={"ETag": tag, **headers, **HEADERS})


def tag(key: object, version: str) -> str:
    """An ETag."""
    digest = hashlib.blake2b(repr((key, version)).encode(), digest_size=12).hexdigest()
    return f'W/"{digest}"'


async def json_body(request: Request) -> dict[str, Any]:
    """The JSON object that a request carries, empty if it carries nothing. Raises RequestError."""
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > MAX_BODY:
            raise RequestError(413, f"the request is too long; allowed are {MAX_BODY} bytes")
    try:
        values = orjson.loads(content or b"{}")
    except orjson.JSONDecodeError:
        values = None
    if not isinstance(values, dict):
        raise RequestError(422, "the request is no JSON object")
    return values
