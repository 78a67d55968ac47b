"""Sends what is recorded to a running bnviz, which shows it live: `watch(model, to="http://localhost:8501")`.

A thread sends; the training only leaves it the latest Recordings, which are immutable and hold all that is to be sent.
A server that cannot be reached costs a warning and is asked again, less and less often; nothing of it reaches the
training.
"""

from __future__ import annotations

import atexit
import http.client
import os
import sys
import threading
import time
import warnings
from collections.abc import Sequence

from bnviz.engine.watch.address import Address
from bnviz.engine.watch.feed_client import FeedClient, ForgottenError, RefusedError
from bnviz.engine.watch.sent_records import Sent
from bnviz.recording import Recording

PAUSE_SECONDS = 0.5
"""Between two sendings, and longer where sending takes longer: SHARE is the most of the time that it may take."""

SHARE = 0.02
ALIVE_SECONDS = 10.0
"""After so long without a record the server is told that the program is there."""

LONGEST_WAIT_SECONDS = 30.0
"""Between two attempts to reach a server that does not answer."""

MOST_RUNS = 5
"""So often a run is opened anew, one after the other, with a server that keeps forgetting it."""

CLOSE_SECONDS = 5.0
"""How long the end of a program waits for what is not yet sent."""


class Sender:
    """Sends what it is shown, from a thread of its own, until it is closed or the server refuses."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._client = FeedClient(address)
        self._process = os.getpid()  # of which a fork has no thread, and locks that nobody opens
        self._changed = threading.Condition()
        self._latest: tuple[Recording, ...] = ()
        self._closing = False
        self._over = False
        self._lost = False
        self._sent: dict[str, Sent] = {}
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
                if closing and self._client.has_run:
                    self._client.say_end()
                failures, self._lost = 0, False
                pause = max(PAUSE_SECONDS, (time.thread_time() - began) / SHARE)
            except ForgottenError:
                self._client.forget()
                self._sent = {}
                failures += 1
                if failures == MOST_RUNS:
                    self._end("it keeps forgetting it")
            except RefusedError as error:
                self._end(str(error))
            except (OSError, http.client.HTTPException) as error:
                self._client.disconnect()
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
        self._client.disconnect()

    def _end(self, reason: str) -> None:
        self._over = True
        self._warn(f"{self._address} shows no more of this training: {reason}")

    def _has_something(self) -> bool:
        return self._closing or any(self._missing(item) is not None for item in self._latest)

    def _missing(self, recording: Recording) -> tuple[int, Recording] | None:
        return self._sent.get(recording.mode, Sent()).missing(recording)

    def _send_all(self) -> None:
        with self._changed:
            recordings = self._latest
        told = False
        for recording in recordings:
            while (part := self._missing(recording)) is not None:
                first, records = part
                self._client.send(first, records)
                before = self._sent.get(recording.mode, Sent())
                self._sent[recording.mode] = before.with_more(first, records)
                told = True
        if self._client.has_run and not told:
            self._client.say_alive()

    def _warn(self, sentence: str) -> None:
        try:
            warnings.warn(f"bnviz: {sentence}", stacklevel=2)
        except Warning:  # where warnings are errors, this one must not be one of the training
            print(f"bnviz: {sentence}", file=sys.stderr, flush=True)
