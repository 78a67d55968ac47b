"""A fast path to the routes that pages ask several times a second: past the layers that Streamlit's pages need.

Each of Streamlit's layers (sessions, compression, the guard of its files) takes time for each response, and a hundred
viewers multiply it. No route on the fast path needs them: none knows a session or sends a file, and what it sends is
short or compressed already.
"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.routing import BaseRoute, Router
from starlette.types import ASGIApp, Receive, Scope, Send

RESOURCES = ("runs", "figures", "labs", "classes")
"""The first parts of the paths that take the fast path."""


class FastPath:
    """ASGI middleware: requests below base/runs and the like go straight to `routes`, all others to the app."""

    def __init__(self, app: ASGIApp, routes: Sequence[BaseRoute], base: str) -> None:
        self._app = app
        self._router = Router(routes)
        self._prefixes = tuple(f"{base}/{name}/" for name in RESOURCES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        fast = scope["type"] == "http" and scope["path"].startswith(self._prefixes)
        await (self._router if fast else self._app)(scope, receive, send)
