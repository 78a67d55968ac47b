"""Clients that ask the routes themselves, without a server, and a run that nothing trains."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx2
import numpy as np
from starlette.applications import Starlette
from starlette.routing import BaseRoute
from starlette.testclient import TestClient

from bnviz import Experiment, Intervention, Recording
from bnviz.recording import CurvePoint, Snapshot
from bnviz.recording.snapshot import HISTOGRAM_EDGES, LAYER_COLUMNS, UNIT_COLUMNS
from bnviz.web import app

ARMS = (
    Experiment(hidden=(4, 3), steps=50, normalizer="none"),
    Experiment(hidden=(4, 3), steps=50, normalizer="batch"),
)


def recordings(steps: int) -> tuple[Recording, ...]:
    """Two arms with a snapshot at each of the steps 0 … steps − 1; the second arm's loss is not a number."""
    chance = np.random.default_rng(0)
    return tuple(
        Recording(arm).extended(
            [
                Snapshot(
                    step,
                    chance.random((2, len(LAYER_COLUMNS))),
                    chance.random((7, len(UNIT_COLUMNS))).astype(np.float32),
                    np.ones((2, len(HISTOGRAM_EDGES) - 1), np.int32),
                    (CurvePoint("train", loss, 0.5, 60), CurvePoint("test", loss, 0.25, 60)),
                )
                for step in range(steps)
            ]
        )
        for arm, loss in zip(ARMS, (1.5, float("nan")), strict=True)
    )


@dataclass
class FakeRun:
    """Everything that the routes use of a Run; notes what it is told to do."""

    id: str = "run-1"
    key: str = "secret"
    arms: tuple[Experiment, ...] = ARMS
    recordings: tuple[Recording, ...] = field(default_factory=lambda: recordings(3))
    revision: int = 7
    state: str = "running"
    message: str = ""
    step: int = 2
    steps: int = 50
    kept: bool = False
    speed: float | None = None
    told: list[Any] = field(default_factory=list)

    def touch(self) -> None:
        self.told.append("touch")

    def play(self, fresh: bool = False) -> None:
        self.told.append("play again" if fresh else "play")

    def pause(self) -> None:
        self.told.append("pause")

    def reset(self) -> None:
        self.told.append("reset")

    def advance(self, steps: int = 1) -> None:
        self.told.append(("step", steps))

    def set_speed(self, speed: float | None) -> None:
        self.told.append(("speed", speed))

    def intervene(self, name: str, value: float, arm: int | None = None) -> None:
        Intervention(self.step, name, value)
        self.told.append((name, value, arm))


class FakeManager:
    def __init__(self, run: FakeRun) -> None:
        self.run = run

    def get(self, run_id: str) -> FakeRun | None:
        return self.run if run_id == self.run.id else None


def client_of(routes: Sequence[BaseRoute], address: str = "10.0.0.1") -> TestClient:
    """A client of the routes that asks from an address, follows no redirect and wants nothing compressed."""
    return TestClient(
        Starlette(routes=routes),
        headers={"Accept-Encoding": "identity"},
        follow_redirects=False,
        client=(address, 1),
    )


def site_of(manager: Any, base_path: str = "") -> TestClient:
    """A client of all routes. manager: what they use of a RunManager."""
    return client_of(app.routes(base_path, lambda: manager))


def site_of_run(run: Any, base_path: str = "") -> TestClient:
    """A client of all routes of a server that has one run."""
    return site_of(FakeManager(run), base_path)


def get_at_once(client: TestClient, path: str, times: int) -> list[httpx2.Response]:
    """The responses to equal requests that are on their way at the same time."""
    with client, ThreadPoolExecutor(times) as pool:  # entered, so that all share one event loop
        return list(pool.map(client.get, [path] * times))
