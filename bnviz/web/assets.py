"""The files that pages load besides Streamlit's own: plotly.js from the installed package, and bnviz/ui/static."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from bnviz.export import plotly_js

_BNVIZ = Path(__file__).parents[1]
_STATIC = _BNVIZ / "ui" / "static"
_DRAWING = _BNVIZ / "export" / "drawing.js"
_MEDIA = {".js": "text/javascript", ".css": "text/css"}

ASSETS: Mapping[str, Path] = MappingProxyType(
    {plotly_js.PATH.name: plotly_js.PATH, _DRAWING.name: _DRAWING}
    | {path.name: path for path in sorted(_STATIC.iterdir()) if path.suffix in _MEDIA}
)


@functools.cache
def version(name: str) -> str:
    """A text that is another one when the asset is. Scripts that import each other share one."""
    if ASSETS[name] == plotly_js.PATH:
        return plotly_js.VERSION
    digest = hashlib.blake2b(digest_size=6)
    for path in ASSETS.values():
        if path != plotly_js.PATH:
            digest.update(path.read_bytes())
    return digest.hexdigest()


def url(base: str, name: str) -> str:
    """Where a browser finds the asset and may keep it for ever. `base` is where the routes are."""
    return f"{base}/assets/{version(name)}/{name}"


def media_type(name: str) -> str:
    """The asset's type, as HTTP calls it."""
    return _MEDIA[ASSETS[name].suffix]
