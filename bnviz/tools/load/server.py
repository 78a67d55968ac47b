"""The server under load: started as anybody starts it, measured, and ended with all its processes."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

import bnviz
from bnviz.tools.load.connection import LoadError

ROOT = Path(bnviz.__file__).parents[1]
APP = ("app.py",)
HOST = "127.0.0.1"


@dataclass(frozen=True)
class Usage:
    """Processor seconds of the server's processes since they began, and their bytes of memory now. at: when."""

    at: float
    server_seconds: float
    worker_seconds: float
    server_bytes: int
    worker_bytes: int

    @property
    def bytes(self) -> int:
        """Memory of all processes."""
        return self.server_bytes + self.worker_bytes


@dataclass(frozen=True)
class Target:
    """A running server: its port, and its process id. It can be sent to another process."""

    port: int
    process: int

    @property
    def url(self) -> str:
        """The address of its pages."""
        return f"http://{HOST}:{self.port}"

    def usage(self) -> Usage:
        """What its processes have used until now."""
        at, own = time.perf_counter(), psutil.Process(self.process)
        seconds, memory = _used(own)
        workers = [_used(item) for item in own.children(recursive=True)]
        return Usage(at, seconds, sum(item[0] for item in workers), memory, sum(item[1] for item in workers))


class Server:
    """`streamlit run` of a script on a free port, in the folder of bnviz.

    health: the path that is answered as soon as the server is ready. environment: variables to add.
    """

    def __init__(
        self,
        log: Path,
        script: Sequence[str] = APP,
        health: str = "/bnviz/health",
        environment: dict[str, str] | None = None,
    ) -> None:
        with socket.socket() as free:
            free.bind((HOST, 0))
            port: int = free.getsockname()[1]
        self._log, self._health = log, health
        self.started = time.perf_counter()
        with log.open("w") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "streamlit", "run", *script, "--server.port", str(port)],
                cwd=ROOT,
                env=os.environ | (environment or {}),
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.target = Target(port, self._process.pid)

    def __enter__(self) -> Self:
        try:
            self.wait_until_healthy()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def wait_until_healthy(self, patience: float = 120.0) -> float:
        """The seconds from the start to the first answer. Raises LoadError."""
        while time.perf_counter() - self.started < patience:
            if self._process.poll() is not None:
                raise LoadError(f"the server ended: {self.log()}")
            with (
                contextlib.suppress(OSError),
                urllib.request.urlopen(self.target.url + self._health, timeout=5),
            ):
                return time.perf_counter() - self.started
            time.sleep(0.02)
        raise LoadError(f"the server does not answer: {self.log()}")

    def log(self) -> str:
        """The end of its log."""
        return self._log.read_text(errors="replace")[-2000:]

    def stop(self) -> list[psutil.Process]:
        """End it as a service manager does. Returns the processes that outlived it; they are killed."""
        if self._process.poll() is not None:
            return []
        family = psutil.Process(self._process.pid).children(recursive=True)
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(60)
        alive: list[psutil.Process] = psutil.wait_procs(family, timeout=20)[1]
        for process in alive:
            with contextlib.suppress(psutil.Error):
                process.kill()
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        return alive


def _used(process: psutil.Process) -> tuple[float, int]:
    """Processor seconds and bytes of memory; zeros for a process that has just ended."""
    try:
        with process.oneshot():
            times = process.cpu_times()
            return times.user + times.system, process.memory_info().rss
    except psutil.Error:
        return 0.0, 0
