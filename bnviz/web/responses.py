"""The forms of response that the routes share."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from bnviz.web.response_cache import Body

HEADERS = {"X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin"}
"""Headers of every response."""


def json_response(content: Any, status: int = 200) -> Response:
    """JSON that no cache keeps."""
    return Response(
        orjson.dumps(content), status, {"Cache-Control": "no-store", **HEADERS}, media_type="application/json"
    )


def body_response(request: Request, body: Body, media: str, headers: dict[str, str]) -> Response:
    """A cached body, compressed for clients that accept gzip."""
    headers = {**headers, "Vary": "Accept-Encoding", **HEADERS}
    if "gzip" not in request.headers.get("Accept-Encoding", ""):
        return Response(body.plain, headers=headers, media_type=media)
    return Response(body.compressed, headers={**headers, "Content-Encoding": "gzip"}, media_type=media)


def not_modified(etag: str, headers: dict[str, str]) -> Response:
    """Status 304: the client has this version."""
    return Response(status_code=304, headers={"ETag": etag, **headers, **HEADERS})


def weak_etag(key: object, version: str) -> str:
    """The ETag of a version of what `key` names; weak, as its bytes differ when compressed."""
    digest = hashlib.blake2b(repr((key, version)).encode(), digest_size=12).hexdigest()
    return f'W/"{digest}"'
