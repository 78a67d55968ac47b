"""Answers that are files: under which name they are kept, and at which address their reader finds this server."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from bnviz.web.responses import HEADERS

_HOST = re.compile(r"[A-Za-z0-9.:\[\]-]{1,255}")


def page_address(request: Request) -> str:
    """Where the reader finds this server's pages, as the browser says; nothing where it says nonsense."""
    host = request.headers.get("Host", "")
    if not _HOST.fullmatch(host):
        return ""
    base = request.url.path.rpartition("/exports/")[0].removesuffix("/bnviz")
    page = urlsplit(request.headers.get("Referer", "")[:2000])
    known = page.netloc == host and page.scheme in (
        "http",
        "https",
    )  # behind a proxy it alone knows the scheme
    return f"{page.scheme if known else request.url.scheme}://{host}{base}"


def download(answer: Response, name: str) -> Response:
    """The answer as a file to be kept under a name."""
    answer.headers.update(HEADERS | {"Cache-Control": "no-store"})
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer
