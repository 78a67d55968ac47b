"""The fork server: a process that has loaded what a trainer needs, and from which each trainer process is forked.

So torch is loaded once for all trainers: they share its memory, and a process that was killed stands again at once.
This module imports nothing heavy: a server starts the fork server first, and loads its own modules beside it.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from multiprocessing import forkserver

AVAILABLE = sys.platform == "linux"
"""Elsewhere processes are spawned: Windows cannot fork, and the libraries of macOS may fail in a forked process."""

PRELOADED = ("torch", "distributed", "bnviz.runs.preloaded")
"""The modules that the fork server loads; one that it cannot find is loaded by each trainer process."""

ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Libraries read these when they are loaded. A process with threads of its own must not be forked."""


def start() -> None:
    """Start the fork server, unless it runs already or cannot. Returns at once; who forks from it waits for it."""
    if not AVAILABLE:
        return
    for name in ONE_THREAD:  # as Dask sets them for each trainer process that it spawns
        os.environ.setdefault(name, "1")
    multiprocessing.set_forkserver_preload(list(PRELOADED))
    forkserver.ensure_running()
