"""All that `python -m bnviz load` does: start a server, send the visitors, end it, see whether it is gone."""

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

from bnviz.tools.load.findings import Chapter, Finding
from bnviz.tools.load.lesson import environment, lesson
from bnviz.tools.load.scenarios import own, shared
from bnviz.tools.load.server import Server, Target

LOWER = 10
"""How much lower the priority of the visitors is than that of the server, which the same machine runs."""


@dataclass(frozen=True)
class Plan:
    """Who comes, and for how long. 0 leaves a part out. seconds: of each turn. lesson: minutes."""

    viewers: int = 100
    students: int = 30
    seconds: float = 15.0
    repeats: int = 2
    lesson: float = 0.0
    dataset: str = "digits"


def run(plan: Plan) -> Iterator[Chapter]:
    """Each part as soon as it was measured, each on a server of its own. Raises LoadError."""
    if plan.viewers:
        yield _visited({}, shared, plan.viewers, plan.seconds, plan.repeats, plan.dataset)
    if plan.students:
        yield _visited({}, own, plan.students, plan.seconds, plan.dataset)
    if plan.lesson:
        viewers, students = max(1, plan.viewers // 5), max(1, plan.students // 5)
        yield _visited(environment(plan.lesson), lesson, plan.lesson, viewers, students, plan.dataset)


def _visited(extra: dict[str, str], scenario: Callable[..., Any], *values: float | str) -> Chapter:
    """What a scenario finds on a server that it has to itself, and which processes outlive that."""
    with _server(extra) as server:
        alone = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=alone, initializer=_step_back) as visitors:
            chapter = visitors.submit(_visit, scenario, server.target, *values).result()
        orphans = Finding("processes that outlived the server", len(server.stop()), 0)
    return Chapter(chapter.title, (*chapter.findings, orphans), chapter.remarks)


def _visit(scenario: Callable[..., Any], target: Target, *values: float | str) -> Chapter:
    chapter: Chapter = asyncio.run(scenario(target, *values))
    return chapter


@contextmanager
def _server(extra: dict[str, str]) -> Iterator[Server]:
    """A server with a home of its own, so that no class or run of the user's is touched."""
    with tempfile.TemporaryDirectory() as folder:
        home = {"BNVIZ_HOME": str(Path(folder) / "home")}
        with Server(Path(folder) / "server.log", environment=home | extra) as server:
            yield server


def _step_back() -> None:
    """Let the server come before the visitors, who as a rule are not on its machine."""
    if sys.platform == "win32":
        psutil.Process().nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
    else:
        with suppress(OSError):
            os.nice(LOWER)
