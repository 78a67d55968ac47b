"""The routes by which a program elsewhere has shown here what it measures, `watch(model, to=...)`.

POST bnviz/feeds                 open a feed with the first records; from this machine, or with the server's token
POST bnviz/feeds/{id}/records    the records from `first` on, counted from 0, of the series whose mode they have
POST bnviz/feeds/{id}/alive      the program is there and has nothing new
POST bnviz/feeds/{id}/end        the program has ended

Records come as the file of a Recording, which is read in a sandbox of the feed's own. All but the first route need the
key that the first one has answered.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable

import anyio
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from bnviz.runs import RunManager
from bnviz.runs.feeds import FILE_BYTES, Feed
from bnviz.web.peer import at_the_server
from bnviz.web.requests import MAX_NUMBER, Query, RequestError, body, read, whole
from bnviz.web.responses import json_response
from bnviz.web.runs import MAX_ID

READERS = 2
"""Files that are read at a time."""

NOT_HERE = (
    "This server takes what a program measures from its own machine alone, or with the token that it printed at its "
    'start: watch(model, to="http://...?token=...").'
)


class RecordsQuery(Query):
    """Where the records belong. first: of them, counted from 0."""

    first: int = whole(0, MAX_NUMBER, 0)


class FeedRoutes:
    """The handlers and what they share. token: what somebody on another machine must have."""

    def __init__(self, manager: Callable[[], RunManager], token: str) -> None:
        self._manager, self._token = manager, token
        self._limiter = anyio.CapacityLimiter(READERS)

    def all(self) -> list[BaseRoute]:
        """The routes."""
        return [
            Route("/feeds", self.open, methods=["POST"]),
            Route("/feeds/{id}/records", self.records, methods=["POST"]),
            Route("/feeds/{id}/alive", self.alive, methods=["POST"]),
            Route("/feeds/{id}/end", self.end, methods=["POST"]),
        ]

    async def open(self, request: Request) -> Response:
        """Open a feed. The answer has its id, its key, and the page that shows it."""
        peer = request.client.host if request.client else ""
        token = request.headers.get("X-Bnviz-Token", "")
        known = hmac.compare_digest(token.encode(), self._token.encode())
        if not (known or at_the_server(peer, request.headers)):
            raise RequestError(403, NOT_HERE)
        content = await body(request, FILE_BYTES)
        feed = await to_thread.run_sync(self._manager().feeds.open, content, limiter=self._limiter)
        told = {"id": feed.id, "key": feed.key, "page": f"runs?arms={feed.id}.0"}
        return json_response(told, 201)

    async def records(self, request: Request) -> Response:
        """Take records. The answer says how many the series then has."""
        feed, query = self._find(request), read(RecordsQuery, request.query_params)
        content = await body(request, FILE_BYTES)
        count = await to_thread.run_sync(feed.take_file, content, query.first, limiter=self._limiter)
        return json_response({"records": count})

    async def alive(self, request: Request) -> Response:
        """The program is there."""
        self._find(request).alive()
        return json_response({"ok": True})

    async def end(self, request: Request) -> Response:
        """The program has ended."""
        await to_thread.run_sync(self._find(request).end)
        return json_response({"ok": True})

    def _find(self, request: Request) -> Feed:
        """The feed that the request is for. Raises RequestError."""
        feed_id = request.path_params["id"]
        feed = self._manager().feeds.get(feed_id) if len(feed_id) <= MAX_ID else None
        if feed is None:
            raise RequestError(404, "This server has no such run, or no more.")
        key = request.headers.get("X-Bnviz-Key", "")
        if not hmac.compare_digest(key.encode(), feed.key.encode()):
            raise RequestError(403, "Only the program that opened this run may add to it.")
        return feed
