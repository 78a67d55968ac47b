"""The short way to what pages ask for several times a second, past what Streamlit's own pages need.

Each of Streamlit's layers (sessions, compression, the guard of its files) costs every answer some time, which a
hundred viewers multiply. What is answered here is no file, is short or compressed already, and knows no session.
"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.routing import BaseRoute, Router
from starlette.types import ASGIApp, Receive, Scope, Send

OFTEN = ("runs", "figures", "labs", "classes")
"""What is asked for again and again."""


class Shortcut:
    """ASGI middleware: requests below base/runs and the like go straight to `routes`, all others on to the app."""

    def __init__(self, app: ASGIApp, routes: Sequence[BaseRoute], base: str) -> None:
        self._app = app
        self._short = ExceptionMiddleware(Router(routes))
        self._often = tuple(f"{base}/{name}/" for name in OFTEN)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        short = scope["type"] == "http" and scope["path"].startswith(self._often)
        await (self._short if short else self._app)(scope, receive, send)
