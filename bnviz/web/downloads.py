"""Responses that are files: the name to save them under, and the address at which their reader finds this server."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from bnviz.web.responses import HEADERS

_HOST = re.compile(r"[A-Za-z0-9.:\[\]-]{1,255}")


def page_address(request: Request) -> str:
    """The address of this server's pages as the browser gives it; empty if the browser gives none that is valid."""
    host = request.headers.get("Host", "")
    if not _HOST.fullmatch(host):
        return ""
    base = request.url.path.rpartition("/exports/")[0].removesuffix("/bnviz")
    page = urlsplit(request.headers.get("Referer", "")[:2000])
    # Behind a proxy only the page's own address has the right scheme.
    known = page.netloc == host and page.scheme in ("http", "https")
    return f"{page.scheme if known else request.url.scheme}://{host}{base}"


def download(response: Response, name: str) -> Response:
    """The response as a file to be saved as `name`."""
    response.headers.update(HEADERS | {"Cache-Control": "no-store"})
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
