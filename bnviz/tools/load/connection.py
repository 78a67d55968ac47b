"""HTTP over connections that stay open, as a browser holds them.

The load is made on the machine of the server that it measures, so it must cost little: httptools, the parser of
uvicorn, reads the answers, and their bodies are decompressed only when somebody asks what they say.
"""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httptools
import orjson

PATIENCE = 60.0
"""Seconds after which a request has failed. It is long because a slow answer is a result, too."""


class LoadError(Exception):
    """The server did not do what a page needs. The message is a sentence."""


@dataclass(frozen=True)
class Answer:
    """An HTTP response.

    headers: by names in lower case. seconds: from the request to the last byte. size: bytes, with the headers.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float
    size: int

    def text(self) -> str:
        """The body as text, decompressed."""
        compressed = self.headers.get("content-encoding") == "gzip"
        return (gzip.decompress(self.body) if compressed else self.body).decode()

    def json(self) -> Any:
        """The body as JSON. Raises LoadError if the server refused."""
        text = self.text()
        if self.status >= 400:
            raise LoadError(f"the server answered {self.status}: {text[:200]}")
        return orjson.loads(text)


class _Connection(asyncio.Protocol):
    """One TCP connection, on which one request is answered before the next is sent.

    The methods `on_…` are called by httptools while it parses.
    """

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[Answer] | None = None
        self._headers: dict[str, str] = {}
        self._body = bytearray()
        self._size = 0
        self._sent = 0.0
        self.open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport, self.open = transport, True

    def connection_lost(self, error: Exception | None) -> None:
        self.open = False
        self._fail(ConnectionResetError("the server closed the connection"))

    def ask(self, request: bytes) -> asyncio.Future[Answer]:
        """Send a request. The future fails with an OSError if no answer can be read."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._sent = time.perf_counter()
        self._transport.write(request)
        return self._answer

    def data_received(self, data: bytes) -> None:
        self._size += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(ConnectionError(f"the server's answer is not HTTP: {error}"))
            self.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, part: bytes) -> None:
        self._body += part

    def on_message_complete(self) -> None:
        self.open = self.open and self._parser.should_keep_alive()
        seconds = time.perf_counter() - self._sent
        answer = Answer(self._parser.get_status_code(), self._headers, bytes(self._body), seconds, self._size)
        self._headers, self._body, self._size = {}, bytearray(), 0
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(answer)

    def close(self) -> None:
        self.open = False
        if self._transport is not None:
            self._transport.close()

    def _fail(self, error: OSError) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)


class Connections:
    """The connections of one browser. Requests that overlap in time use several."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._idle: list[_Connection] = []
        self._all: set[_Connection] = set()

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """GET `path`. Raises OSError or TimeoutError."""
        return await self._exchange("GET", path, headers or {}, b"")

    async def post(
        self, path: str, values: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> Answer:
        """POST `values` as JSON. Raises OSError or TimeoutError."""
        told = {"Content-Type": "application/json", **(headers or {})}
        return await self._exchange("POST", path, told, orjson.dumps(values))

    def close(self) -> None:
        """Close them all."""
        for connection in self._all:
            connection.close()
        self._all, self._idle = set(), []

    async def _exchange(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        lines = [
            f"{method} {path} HTTP/1.1",
            f"Host: {self._host}:{self._port}",
            "Accept-Encoding: gzip",
            *(f"{name}: {value}" for name, value in headers.items()),
            *([f"Content-Length: {len(body)}"] if body else []),
        ]
        request = "\r\n".join([*lines, "", ""]).encode() + body
        used = bool(self._idle)
        try:
            return await self._ask(await self._free(), request)
        except ConnectionResetError:
            if not used:
                raise
        # The server had closed a connection that was idle for long. Browsers then ask again, too.
        return await self._ask(await self._connect(), request)

    async def _ask(self, connection: _Connection, request: bytes) -> Answer:
        try:
            async with asyncio.timeout(PATIENCE):  # wait_for may swallow a cancellation before Python 3.12
                answer = await connection.ask(request)
        except BaseException:
            connection.close()  # a late answer would be taken for that to the next request
            self._all.discard(connection)
            raise
        self._idle.append(connection)
        return answer

    async def _free(self) -> _Connection:
        """A connection that is open and idle, or a new one."""
        while self._idle:
            connection = self._idle.pop()
            if connection.open:
                return connection
            connection.close()
            self._all.discard(connection)
        return await self._connect()

    async def _connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(PATIENCE):
            _, connection = await loop.create_connection(_Connection, self._host, self._port)
        self._all.add(connection)
        return connection
