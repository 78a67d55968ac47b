"""What this server process holds: its RunManager, its Chrome, its lab runs, its figures that belong to no run."""

from __future__ import annotations

import secrets
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio import to_thread

from bnviz.export.browser import Chrome
from bnviz.export.stills import Stills
from bnviz.runs import RunManager
from bnviz.runs.lab_run import LabRuns


class _Home:
    """Holds the one RunManager and the one Chrome of this process, for scripts and routes. For any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._manager: RunManager | None = None
        self._chrome = Chrome()
        self._closed = False

    def open(self) -> None:
        with self._lock:
            if self._closed:
                self._manager, self._chrome, self._closed = None, Chrome(), False
        self.manager()

    def manager(self) -> RunManager:
        with self._lock:
            if self._manager is None:
                self._manager = RunManager()
                self._manager.start()
            return self._manager  # also when closed: a script that outlives the server starts no second one

    def chrome(self) -> Chrome:
        with self._lock:
            return self._chrome

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._chrome.close()
            if self._manager is not None:
                self._manager.close()


_HOME = _Home()

_LAB_RUNS = LabRuns()

_STILLS = Stills()


def lab_runs() -> LabRuns:
    """The lab runs of this server."""
    return _LAB_RUNS


def stills() -> Stills:
    """The figures on pages that belong to no run."""
    return _STILLS


def chrome() -> Chrome:
    """The Chrome that draws figures for files."""
    return _HOME.chrome()


_TOKEN = secrets.token_urlsafe(18)


def token() -> str:
    """What a program on another machine needs to have shown here what it measures; another one after each start."""
    return _TOKEN


def manager() -> RunManager:
    """The RunManager of this process, started by the server or, without a server, by the first call."""
    return _HOME.manager()


SWITCH_SECONDS = 0.001
"""How long a thread that draws may keep waiting those that serve requests and trainers; Python's default is 5 ms."""


@asynccontextmanager
async def lifespan(app: object) -> AsyncIterator[None]:
    """Start the RunManager with the server; close it, and with it every trainer, when the server ends."""
    sys.setswitchinterval(SWITCH_SECONDS)
    await to_thread.run_sync(_HOME.open)
    print(
        "  To show here what a program on another machine trains:\n"
        f'  watch(model, to="http://<this machine>:<port>?token={_TOKEN}")\n',
        flush=True,
    )
    try:
        yield
    finally:
        await to_thread.run_sync(_HOME.close)


def prefix(base_path: str) -> str:
    """The path of the routes for Streamlit's server.baseUrlPath: "/bnviz", or "/base/bnviz"."""
    return "/".join(["", *filter(None, base_path.split("/")), "bnviz"])
