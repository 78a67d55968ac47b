"""The files that pages load besides Streamlit's own: plotly.js from the installed package, and bnviz/ui/static.

GET bnviz/assets/{version}/{name}
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from bnviz.export import plotly_js
from bnviz.web.requests import RequestError
from bnviz.web.response_cache import ResponseCache
from bnviz.web.responses import body_response

_BNVIZ = Path(__file__).parents[1]
_STATIC = _BNVIZ / "ui" / "static"
_EXPORT = _BNVIZ / "export"
_SHARED = tuple(
    _EXPORT / name for name in ("drawing.js", "figure_table.js", "table_dialog.js", "table_dialog.css")
)
"""Scripts and a style sheet that exported files have too."""

_MEDIA_TYPES = {".js": "text/javascript", ".css": "text/css"}

ASSETS: Mapping[str, Path] = MappingProxyType(
    {path.name: path for path in (plotly_js.PATH, *_SHARED)}
    | {path.name: path for path in sorted(_STATIC.iterdir()) if path.suffix in _MEDIA_TYPES}
)


class AssetRoutes:
    """The handler and its cache."""

    def __init__(self) -> None:
        self._cache = ResponseCache(capacity=len(ASSETS))

    def all(self) -> list[BaseRoute]:
        """The routes."""
        return [Route("/assets/{version}/{name}", self.asset)]

    async def asset(self, request: Request) -> Response:
        """An asset; under its present version browsers may keep it for a year."""
        name = request.path_params["name"]
        if name not in ASSETS:
            raise RequestError(404, f"there is no asset {name[:40]!r}; there are {', '.join(ASSETS)}")
        present = version(name)
        body = await self._cache.get(name, present, ASSETS[name].read_bytes)
        lasting = request.path_params["version"] == present
        headers = {"Cache-Control": "public, max-age=31536000, immutable" if lasting else "no-cache"}
        return body_response(request, body, _MEDIA_TYPES[ASSETS[name].suffix], headers)


@functools.cache
def version(name: str) -> str:
    """A text that changes with the asset. The pages' own files share one, as they import each other."""
    if ASSETS[name] == plotly_js.PATH:
        return plotly_js.VERSION
    digest = hashlib.blake2b(digest_size=6)
    for path in ASSETS.values():
        if path != plotly_js.PATH:
            digest.update(path.read_bytes())
    return digest.hexdigest()


def url(base: str, name: str) -> str:
    """The address of the asset's present version. base: where the routes are."""
    return f"{base}/assets/{version(name)}/{name}"
