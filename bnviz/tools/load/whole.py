"""The command `python -m bnviz load`: for each scenario start a server, run the virtual users, end the server."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from bnviz.tools.load.churn import churn, environment
from bnviz.tools.load.findings import Chapter, Finding
from bnviz.tools.load.scenarios import own, shared
from bnviz.tools.load.server import Server, Target

LOWER = 10
"""By how much the virtual users' process is nicer than the server on the same machine."""


@dataclass(frozen=True)
class Plan:
    """How many users, and for how long; 0 leaves a scenario out. seconds: of each turn. churn: minutes."""

    viewers: int = 100
    students: int = 30
    seconds: float = 15.0
    repeats: int = 2
    churn: float = 0.0
    dataset: str = "digits"


def run(plan: Plan) -> Iterator[Chapter]:
    """The chapter of each scenario as soon as it was measured. Raises LoadError."""
    if plan.viewers:
        yield _measured({}, shared, plan.viewers, plan.seconds, plan.repeats, plan.dataset)
    if plan.students:
        yield _measured({}, own, plan.students, plan.seconds, plan.dataset)
    if plan.churn:
        viewers, students = max(1, plan.viewers // 5), max(1, plan.students // 5)
        yield _measured(environment(plan.churn), churn, plan.churn, viewers, students, plan.dataset)


def _measured(extra: dict[str, str], scenario: Callable[..., Any], *values: float | str) -> Chapter:
    """Run a scenario in a process of its own, on a new server, and count the processes that outlive the server."""
    with _server(extra) as server:
        alone = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=alone, initializer=_be_nice) as process:
            chapter = process.submit(_in_process, scenario, server.target, *values).result()
        orphans = Finding("processes that outlived the server", len(server.stop()), 0)
    return Chapter(chapter.title, (*chapter.findings, orphans), chapter.remarks)


def _in_process(scenario: Callable[..., Any], target: Target, *values: float | str) -> Chapter:
    chapter: Chapter = asyncio.run(scenario(target, *values))
    return chapter


@contextmanager
def _server(extra: dict[str, str]) -> Iterator[Server]:
    """A server with a $BNVIZ_HOME of its own, which touches no class or run of whoever measures."""
    with tempfile.TemporaryDirectory() as folder:
        home = {"BNVIZ_HOME": str(Path(folder) / "home")}
        with Server(Path(folder) / "server.log", environment=home | extra) as server:
            yield server


def _be_nice() -> None:
    """Let the server have the processor first, as real users are on other machines."""
    if sys.platform == "win32":
        psutil.Process().nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
    else:
        with suppress(OSError):
            os.nice(LOWER)
