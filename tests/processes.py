"""Which processes train for this one."""

from __future__ import annotations

import os
from contextlib import suppress

import psutil


def trainer_processes() -> list[psutil.Process]:
    """The worker processes: spawned by this process, or forked by its fork server."""
    found = []
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):  # it has just ended
            line = " ".join(child.cmdline())
            forked = "multiprocessing.forkserver" in line and child.ppid() != os.getpid()
            if forked or "spawn_main" in line:
                found.append(child)
    return found
