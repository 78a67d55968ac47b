"""Runs whose trainer processes are killed again and again end in the numbers of undisturbed ones.

`pytest -n 0 tests/test_kills.py --kills 100` kills that often, in runs of 60,000 steps; `--kill-seed` chooses others.
"""

from __future__ import annotations

import random
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Self

import psutil
import pytest

from bnviz.engine.trainer import train
from bnviz.experiment import Experiment
from bnviz.runs import Limits, Run, RunManager
from tests.processes import trainer_processes

PAUSE = 2.0
"""Seconds of processor time of all trainer processes between two kills: a clock that a busy machine does not hurry."""

STEPS_A_KILL = 600
"""So many steps a run has for each kill."""


class Killer:
    """Kills trainer processes of this process, each time a random one, while the block runs: `kills` in all."""

    def __init__(self, kills: int, seed: int) -> None:
        self.left = kills
        self._random = random.Random(seed)
        self._used: dict[int, float] = {}  # processor time by process, of those that ended too
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()

    def _work(self) -> None:
        killed_at = 0.0
        while self.left and not self._end.wait(0.2):
            living = trainer_processes()
            for process in living:
                with suppress(psutil.Error):  # it has just ended
                    self._used[process.pid] = sum(process.cpu_times()[:2])
            if living and (now := sum(self._used.values())) >= killed_at + PAUSE:
                killed_at = now
                self._random.choice(living).kill()
                self.left -= 1


def finish(run: Run, killer: Killer) -> None:
    """Wait for the end as long as something happens; the bound only keeps a broken run from hanging the tests."""
    seen, since = (-1, -1), time.monotonic()
    while run.state not in ("finished", "failed"):
        time.sleep(0.05)
        now = run.step, killer.left
        if now != seen:
            seen, since = now, time.monotonic()
        assert time.monotonic() < since + 600, f"nothing happens: {run.state} at {run.step}, {run.message}"
    assert run.state == "finished", run.message


@pytest.mark.slow
def test_kills_change_no_number_and_leave_no_process(pytestconfig: pytest.Config) -> None:
    kills, seed = pytestconfig.getoption("kills"), pytestconfig.getoption("kill_seed")
    base = Experiment(dataset="moons", hidden=(4,), steps=kills * STEPS_A_KILL, device="cpu", seed=seed)
    arms = [base.replace(normalizer=name) for name in ("none", "batch")]
    undisturbed = tuple(map(train, arms))
    with RunManager(workers=2, limits=Limits(unwatched_seconds=3600.0)) as manager:
        with Killer(kills, seed) as killer:
            while killer.left:
                run = manager.open(arms)
                run.play(fresh=True)
                finish(run, killer)
                assert run.recordings == undisturbed
        workers = trainer_processes()
    assert psutil.wait_procs(workers, timeout=30)[1] == []
