"""Sends what is recorded to a running bnviz, which shows it live: `watch(model, to="http://localhost:8501")`.

A thread sends; the training only leaves it the latest Recordings, which are immutable and hold all that is to be sent.
A server that cannot be reached costs a warning and is asked again, less and less often; nothing of it reaches the
training.
"""

from __future__ import annotations

import atexit
import http.client
import json
import os
import sys
import threading
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from bnviz.recording import Recording, Snapshot
from bnviz.recording.watched import WatchError

PART_BYTES = 4 * 2**20
"""About how many bytes of records are sent at once."""

PAUSE_SECONDS = 0.5
"""Between two sendings, and longer where sending takes longer: SHARE is the most of the time that it may take."""

SHARE = 0.02
ALIVE_SECONDS = 10.0
"""After so long without a record the server is told that the program is there."""

PATIENCE_SECONDS = 10.0
"""For an answer of the server."""

LONGEST_WAIT_SECONDS = 30.0
"""Between two attempts to reach a server that does not answer."""

MOST_RUNS = 5
"""So often a run is opened anew, one after the other, with a server that keeps forgetting it."""

CLOSE_SECONDS = 5.0
"""How long the end of a program waits for what is not yet sent."""


class RefusedError(Exception):
    """The server does not want it; the message is the server's sentence."""


class ForgottenError(Exception):
    """The server knows nothing of this run: it was started anew, or dropped it."""


@dataclass(frozen=True)
class Address:
    """Where a bnviz runs. path: of its pages, "" or "/base". token: what it printed at its start; "" for none."""

    secure: bool
    host: str
    port: int | None
    path: str
    token: str = field(default="", repr=False)

    @classmethod
    def of(cls, text: str) -> Self:
        """The address that a person wrote, such as "http://localhost:8501". Raises WatchError."""
        try:
            parts = urlsplit(text)
            host, port = parts.hostname, parts.port
        except (ValueError, AttributeError):
            host, port = None, None
        if not host or parts.scheme not in ("http", "https") or parts.username:
            raise WatchError(
                f"to = {str(text)[:60]!r} is not allowed; allowed is the address of a running bnviz, such as "
                '"http://localhost:8501"'
            )
        token = parse_qs(parts.query).get("token", [""])[0]
        if not token.isascii() or not token.isprintable():
            raise WatchError("to = ... has a token that no bnviz printed")
        return cls(parts.scheme == "https", host, port, parts.path.rstrip("/"), token)

    def __str__(self) -> str:
        """Without the token."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http{'s' * self.secure}://{host}{f':{self.port}' if self.port else ''}{self.path}"

    def connect(self) -> http.client.HTTPConnection:
        """A connection, which is made when it is first used."""
        kind = http.client.HTTPSConnection if self.secure else http.client.HTTPConnection
        return kind(self.host, self.port, timeout=PATIENCE_SECONDS)


@dataclass
class Sent:
    """What the server has of a series. last: the latest record, which may yet be replaced. about: all else."""

    count: int = 0
    last: Snapshot | None = None
    about: tuple[object, ...] = ()

    def first_missing(self, recording: Recording) -> int:
        """The first record that the server does not have as it now is."""
        if self.count and recording.snapshots[self.count - 1] is not self.last:
            return self.count - 1
        return self.count


class Sender:
    """Sends what it is shown, from a thread of its own, until it is closed or the server refuses."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._process = os.getpid()  # of which a fork has no thread, and locks that nobody opens
        self._changed = threading.Condition()
        self._latest: tuple[Recording, ...] = ()
        self._closing = False
        self._over = False
        self._lost = False
        self._sent: dict[str, Sent] = {}
        self._run: Mapping[str, Any] = {}  # what the server told of it: id, key, page
        self._connection: http.client.HTTPConnection | None = None
        self._thread = threading.Thread(target=self._work, name="bnviz sender", daemon=True)
        self._thread.start()
        atexit.register(self.close)  # of a program that does not say that it is done

    def show(self, recordings: Sequence[Recording]) -> None:
        """Leave these to be sent."""
        if os.getpid() != self._process:
            return
        with self._changed:
            self._latest = tuple(recordings)
            self._changed.notify()

    def close(self) -> None:
        """Send what is left, for a few seconds at most."""
        atexit.unregister(self.close)
        if os.getpid() != self._process:
            return
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(CLOSE_SECONDS)
        if self._thread.is_alive() and not self._lost:
            self._warn(f"{self._address} does not answer in time; it does not have the last records")

    # In the thread

    def _work(self) -> None:
        failures, pause = 0, 0.0
        while not self._over:
            with self._changed:
                if not self._closing:
                    self._changed.wait_for(lambda: self._closing, pause)
                if not self._closing:
                    self._changed.wait_for(self._has_something, ALIVE_SECONDS)
                closing = self._closing
            began = time.thread_time()
            try:
                self._send_all()
                if closing and self._run:
                    self._ask("end")
                failures, self._lost = 0, False
                pause = max(PAUSE_SECONDS, (time.thread_time() - began) / SHARE)
            except ForgottenError:
                self._run, self._sent = {}, {}
                failures += 1
                if failures == MOST_RUNS:
                    self._end("it keeps forgetting it")
            except RefusedError as error:
                self._end(str(error))
            except (OSError, http.client.HTTPException) as error:
                self._disconnect()
                failures += 1
                pause = min(LONGEST_WAIT_SECONDS, PAUSE_SECONDS * 2**failures)
                if not self._lost:
                    self._lost = True
                    self._warn(
                        f"{self._address} does not answer ({error or type(error).__name__}); the training goes on, "
                        "and is shown there again once it does"
                    )
            if closing:
                break
        self._disconnect()

    def _end(self, reason: str) -> None:
        self._over = True
        self._warn(f"{self._address} shows no more of this training: {reason}")

    def _has_something(self) -> bool:
        return self._closing or any(self._part(item) is not None for item in self._latest)

    def _part(self, recording: Recording) -> tuple[int, Recording] | None:
        """What the server does not have of a series: where it belongs, and the records, not too many at once."""
        sent = self._sent.get(recording.mode, Sent())
        first = sent.first_missing(recording)
        left = recording.snapshots[first:]
        if not left and sent.about == _about(recording):
            return None
        record = left[0].layers.nbytes + left[0].units.nbytes + left[0].histogram.nbytes if left else 1
        return first, replace(recording, snapshots=left[: max(1, PART_BYTES // record)])

    def _send_all(self) -> None:
        with self._changed:
            recordings = self._latest
        told = False
        for recording in recordings:
            while (part := self._part(recording)) is not None:
                first, records = part
                self._send(first, records)
                self._sent[recording.mode] = Sent(
                    first + len(records.snapshots),
                    records.snapshots[-1] if records.snapshots else self._sent[recording.mode].last,
                    _about(recording),
                )
                told = True
        if self._run and not told:
            self._ask("alive")

    def _send(self, first: int, records: Recording) -> None:
        content = records.to_bytes()
        if self._run:
            self._ask(f"records?first={first}", content)
            return
        self._run = self._ask("", content)
        name = "a network" if records.watched is None else records.watched.name
        print(f"bnviz shows {name} live at {self._address}/{self._run['page']}", file=sys.stderr, flush=True)

    def _ask(self, what: str, content: bytes = b"") -> Mapping[str, Any]:
        """Ask the server. Raises OSError, HTTPException, RefusedError and ForgottenError."""
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
            self._disconnect()
            if not rested:
                raise
        return self._post(path, content, headers)

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _warn(self, sentence: str) -> None:
        try:
            warnings.warn(f"bnviz: {sentence}", stacklevel=2)
        except Warning:  # where warnings are errors, this one must not be one of the training
            print(f"bnviz: {sentence}", file=sys.stderr, flush=True)


def _about(recording: Recording) -> tuple[object, ...]:
    """What there is to send of a series beside its records."""
    return recording.subject, recording.diverged_at


def _json(content: bytes) -> Mapping[str, Any]:
    try:
        told = json.loads(content)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
