"""The time until something is on screen: importing bnviz, starting the server, the first step."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bnviz.tools.bench.readings import Reading, Section, Setting
from bnviz.tools.load.connection import LoadError
from bnviz.tools.load.server import ROOT, Server, Target
from bnviz.tools.load.session import Session
from bnviz.tools.load.virtual_users import student

IMPORTS = {
    "nothing": "pass",
    "bnviz": "import bnviz; bnviz.Experiment()",
    "the figures": "from bnviz import figures; figures.bands",
    "training": "from bnviz import train",
}
PATIENCE = 120.0
"""Seconds to wait for the first step."""


def start(setting: Setting) -> list[Section]:
    """Seconds of imports, and from `streamlit run` to the first page and the first training step."""
    return [_imports(setting.repeats), _server(setting.repeats)]


def _imports(repeats: int) -> Section:
    seconds: dict[str, list[float]] = {name: [] for name in IMPORTS}
    loaded: dict[str, bool] = {}
    for repeat in range(repeats + 1):
        for name, lines in IMPORTS.items():
            took, with_torch = _import(lines)
            loaded[name] = with_torch
            if repeat:  # the first reads the files from the disk
                seconds[name].append(took)
    readings = [
        Reading(
            f"seconds of a new Python that imports {name}{', torch with it' * loaded[name]}", tuple(values)
        )
        for name, values in seconds.items()
    ]
    return Section("Importing bnviz", readings)


def _import(lines: str) -> tuple[float, bool]:
    """Seconds of a process that runs the lines, and whether it loaded torch."""
    script = f"{lines}\nimport sys; print('torch' in sys.modules)"
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return time.perf_counter() - started, done.stdout.split()[-1] == "True"


def _server(repeats: int) -> Section:
    names = ("until it answers", "until the first page is drawn", "until the first training step")
    seconds: list[Sequence[float]] = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(repeats):
            home = {"BNVIZ_HOME": str(Path(folder) / "home")}
            with Server(Path(folder) / "log", environment=home) as server:
                answered = time.perf_counter() - server.started
                seconds.append((answered, *asyncio.run(_first(server.target, server.started))))
    readings = [
        Reading(f"seconds from streamlit run {name}", tuple(values))
        for name, values in zip(names, zip(*seconds, strict=True), strict=True)
    ]
    return Section("Starting the server", readings)


async def _first(target: Target, started: float) -> tuple[float, float]:
    session = await Session.open(target.url)
    drawn = time.perf_counter() - started
    await session.close()
    user = await student(target, 0, {})
    try:
        while user.watching.step == 0:
            if time.perf_counter() - started > PATIENCE:
                raise LoadError(f"no step was taken within {PATIENCE:g} seconds")
            await asyncio.sleep(0.01)
        return drawn, time.perf_counter() - started
    finally:
        await user.leave()
