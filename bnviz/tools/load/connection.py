"""HTTP over connections that stay open, as a browser holds them; made to cost the machine it runs on little.

Whoever measures a server from the same machine takes processor time from it: here an answer is read as it
comes, and unpacked only by those who ask what it says.
"""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

PATIENCE = 60.0
"""Seconds after which an answer counts as missing: slow answers are to be seen, not cut off."""


class LoadError(Exception):
    """The server did not do what a page needs; the message is a sentence."""


@dataclass(frozen=True)
class Answer:
    """What came back. headers: names in small letters. seconds: from the question to the last byte."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float
    size: int

    def text(self) -> str:
        """The body, unpacked."""
        packed = self.headers.get("content-encoding") == "gzip"
        return (gzip.decompress(self.body) if packed else self.body).decode()

    def json(self) -> Any:
        """What the body says as JSON. Raises LoadError if the server refused."""
        text = self.text()
        if self.status >= 400:
            raise LoadError(f"the server answered {self.status}: {text[:200]}")
        return orjson.loads(text)


class _Wire(asyncio.Protocol):
    """One connection: a question, then its answer, then the next."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._head: tuple[int, dict[str, str], int, int] | None = None
        self._answer: asyncio.Future[Answer] | None = None
        self._asked = 0.0
        self.open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport, self.open = transport, True

    def connection_lost(self, error: Exception | None) -> None:
        self.open = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionResetError("the server closed the connection"))

    def ask(self, question: bytes) -> asyncio.Future[Answer]:
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._asked = time.perf_counter()
        self._transport.write(question)
        return self._answer

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._head is None:
            end = self._received.find(b"\r\n\r\n")
            if end < 0:
                return
            self._head = _head(bytes(self._received[:end]), end + 4)
        status, headers, begin, length = self._head
        if len(self._received) < begin + length:
            return
        body, size = bytes(self._received[begin : begin + length]), begin + length
        self._received.clear()
        self._head = None
        seconds = time.perf_counter() - self._asked
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(Answer(status, headers, body, seconds, size))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


def _head(head: bytes, begin: int) -> tuple[int, dict[str, str], int, int]:
    """Status, headers, where the body begins, how long it is."""
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return int(first.split(" ", 2)[1]), headers, begin, int(headers.get("content-length", 0))


class Connections:
    """The connections of one visitor's browser; questions asked at once go over several."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._idle: list[_Wire] = []
        self._all: set[_Wire] = set()

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Ask for `path`. Raises OSError or TimeoutError."""
        return await self._exchange("GET", path, headers or {}, b"")

    async def post(
        self, path: str, values: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send `values` as JSON. Raises OSError or TimeoutError."""
        told = {"Content-Type": "application/json", **(headers or {})}
        return await self._exchange("POST", path, told, orjson.dumps(values))

    def close(self) -> None:
        """Hang up."""
        for wire in self._all:
            wire.close()
        self._all, self._idle = set(), []

    async def _exchange(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        lines = [
            f"{method} {path} HTTP/1.1",
            f"Host: {self._host}:{self._port}",
            "Accept-Encoding: gzip",
            *(f"{name}: {value}" for name, value in headers.items()),
            *([f"Content-Length: {len(body)}"] if body else []),
        ]
        question = "\r\n".join([*lines, "", ""]).encode() + body
        used = bool(self._idle)
        try:
            return await self._ask(await self._wire(), question)
        except ConnectionResetError:
            if not used:
                raise
        # The server hung up on a connection that had been idle for long; browsers ask again then, too.
        return await self._ask(await self._connect(), question)

    async def _ask(self, wire: _Wire, question: bytes) -> Answer:
        try:
            async with asyncio.timeout(PATIENCE):  # wait_for may swallow a cancellation before Python 3.12
                answer = await wire.ask(question)
        except BaseException:
            wire.close()  # what comes now would be taken for the answer to another question
            self._all.discard(wire)
            raise
        self._idle.append(wire)
        return answer

    async def _wire(self) -> _Wire:
        while self._idle:
            wire = self._idle.pop()
            if wire.open:
                return wire
            self._all.discard(wire)
        return await self._connect()

    async def _connect(self) -> _Wire:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(PATIENCE):
            _, wire = await loop.create_connection(_Wire, self._host, self._port)
        self._all.add(wire)
        return wire
