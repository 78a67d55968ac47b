"""Whether the server is up; and, told to the machine itself only, what it keeps in memory.

GET bnviz/health
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import psutil
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from bnviz.data.lru import Held
from bnviz.web.peer import at_the_server
from bnviz.web.responses import json_response


class HealthRoutes:
    """The handler and what it tells. held: how much of each kind is kept."""

    def __init__(self, held: Callable[[], Mapping[str, Held]]) -> None:
        self._held = held

    def all(self) -> list[BaseRoute]:
        """The route."""
        return [Route("/health", self.health)]

    async def health(self, request: Request) -> Response:
        """Answers while the server is up."""
        peer = request.client.host if request.client else None
        if not at_the_server(peer, request.headers):
            return json_response({"ok": True})
        kept = {
            name: {"count": item.count, "bytes": item.nbytes, "oldest_seconds": round(item.oldest_seconds)}
            for name, item in self._held().items()
        }
        return json_response({"ok": True, "memory_bytes": psutil.Process().memory_info().rss, "kept": kept})
