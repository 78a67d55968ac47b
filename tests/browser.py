"""A server started as a user starts it, and a real browser to drive it."""

from __future__ import annotations

import contextlib
import shutil

import psutil

from bnviz.tools.load import server

ROOT = server.ROOT
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None
)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class Server(server.Server):
    """`streamlit run app.py` on a free port, ended with all its processes."""

    @property
    def port(self) -> int:
        return self.target.port

    @property
    def url(self) -> str:
        return self.target.url

    def trainers(self) -> list[psutil.Process]:
        """The worker processes: those that have torch loaded."""
        found = []
        for process in psutil.Process(self.target.process).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if any("libtorch_cpu" in item.path for item in process.memory_maps()):
                    found.append(process)
        return found
