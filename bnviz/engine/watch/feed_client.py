"""Speaks with a running bnviz of one run there, which shows a network while it is watched."""

from __future__ import annotations

import http.client
import json
import sys
from collections.abc import Mapping
from typing import Any

from bnviz.engine.watch.address import Address
from bnviz.recording import Recording


class RefusedError(Exception):
    """The server does not want it; the message is the server's sentence."""


class ForgottenError(Exception):
    """The server knows nothing of this run: it was started anew, or dropped it."""


class FeedClient:
    """A run on the server at `address`, once something is sent; until then, and once it is forgotten, there is none.

    What asks the server raises OSError, HTTPException, RefusedError and ForgottenError.
    """

    def __init__(self, address: Address) -> None:
        self._address = address
        self._run: Mapping[str, Any] = {}  # what the server told of it: id, key, page
        self._connection: http.client.HTTPConnection | None = None

    @property
    def has_run(self) -> bool:
        """Whether there is a run on the server."""
        return bool(self._run)

    def send(self, first: int, records: Recording) -> None:
        """Send records of a series. first: where they belong in it. The first of all open a run there."""
        content = records.to_bytes()
        if self._run:
            self._ask(f"records?first={first}", content)
            return
        self._run = self._ask("", content)
        name = "a network" if records.watched is None else records.watched.name
        print(f"bnviz shows {name} live at {self._address}/{self._run['page']}", file=sys.stderr, flush=True)

    def say_alive(self) -> None:
        """Tell the server that the program is there."""
        self._ask("alive")

    def say_end(self) -> None:
        """Tell the server that nothing more will come."""
        self._ask("end")

    def forget(self) -> None:
        """The server knows nothing of the run: what is sent next opens another."""
        self._run = {}

    def disconnect(self) -> None:
        """End the connection; another is made when it is needed."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _ask(self, what: str, content: bytes = b"") -> Mapping[str, Any]:
        """Ask the server."""
        path = f"{self._address.path}/bnviz/feeds" + (f"/{self._run['id']}/{what}" if self._run else "")
        headers = {"Content-Type": "application/octet-stream", "X-Bnviz-Key": self._run.get("key", "")}
        if self._address.token:
            headers["X-Bnviz-Token"] = self._address.token
        status, told = self._post(path, content, headers)
        if status in (404, 409) and self._run:
            raise ForgottenError
        if status >= 500 and "error" not in told:
            raise http.client.HTTPException(f"it answered {status}")
        if status not in (200, 201):
            raise RefusedError(str(told.get("error", f"it answered {status}; is this a bnviz?"))[:400])
        if not self._run and not all(isinstance(told.get(name), str) for name in ("id", "key", "page")):
            raise RefusedError("it is no bnviz")
        return told

    def _post(self, path: str, content: bytes, headers: Mapping[str, str]) -> tuple[int, Mapping[str, Any]]:
        """The status and the JSON of an answer. A server ends a connection that rests, so another one is tried."""
        rested = self._connection is not None
        if self._connection is None:
            self._connection = self._address.connect()
        try:
            self._connection.request("POST", path, content, headers)
            answer = self._connection.getresponse()
            return answer.status, _json(answer.read(100_000))
        except (OSError, http.client.HTTPException):
            self.disconnect()
            if not rested:
                raise
        return self._post(path, content, headers)


def _json(content: bytes) -> Mapping[str, Any]:
    try:
        told = json.loads(content)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
