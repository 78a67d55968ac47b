"""Runs whose trainer processes or servers are killed again and again end in the numbers of undisturbed ones.

`pytest -n 0 tests/test_kills.py --kills 100` kills that often, in runs of 60,000 steps; `--kill-seed` chooses others.
`--server-kills 20` kills 20 servers.
"""

from __future__ import annotations

import io
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
import pytest

from bnviz.engine.trainer import train
from bnviz.experiment import Experiment
from bnviz.recording import Recording
from bnviz.runs import Limits, Run, RunManager
from bnviz.runs.saved_runs import SavedRuns
from tests.processes import trainer_processes

PAUSE = 2.0
"""Seconds of processor time of all trainer processes between two kills: a clock that a busy machine does not hurry."""

STEPS_A_KILL = 600
"""So many steps a run has for each kill."""

STEPS_A_SERVER = 300
"""The same where servers are killed, which takes longer."""


class Killer:
    """Kills trainer processes of this process, each time a random one, while the block runs: `kills` in all.

    spared: those that others use.
    """

    def __init__(self, kills: int, seed: int, spared: Collection[psutil.Process]) -> None:
        self.left = kills
        self._spared = spared
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
            living = [item for item in trainer_processes() if item not in self._spared]
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
    others = trainer_processes()
    with RunManager(workers=2, limits=Limits(unwatched_seconds=3600.0)) as manager:
        with Killer(kills, seed, others) as killer:
            while killer.left:
                run = manager.open(arms)
                run.play(fresh=True)
                finish(run, killer)
                assert run.recordings == undisturbed
        workers = [item for item in trainer_processes() if item not in others]
    assert psutil.wait_procs(workers, timeout=30)[1] == []


SERVER = """
import json, sys, time
from bnviz.classroom.rooms import open_rooms
from bnviz.experiment import Experiment
from bnviz.labs import find
from bnviz.labs.base import Setting
from bnviz.runs import RunManager, saved_runs
from bnviz.runs.lab_run import LabRun, LabRuns

saved_runs.SAVE_SECONDS = 1.0

def main(code, steps):
    manager, rooms, lab_runs = RunManager(workers=1), open_rooms(), LabRuns()
    manager.start()
    if code == "none":
        lab_run = lab_runs.open(find("placement"), Setting(quick=True, seeds=1, steps=steps), manager)
        code = rooms.start(lab_run.run, lab_run, "http://x").code
        room = rooms.find(code)
        rooms.ask(room)
        for voter in range(30):
            rooms.vote(room, 1, f"{voter:032d}", ("before", "after")[voter % 2], lambda: True)
        rooms.close_question(room)
        lab_run.run.play()
    room = rooms.find(code)
    while True:
        run = rooms.run(room, manager, lab_runs)
        run.touch()
        told = {"code": code, "step": run.step, "state": run.state, "message": run.message}
        told["votes"] = sorted(room.at.poll().answers(1))
        if run.state == "finished":
            told["recordings"] = [item.to_bytes().hex() for item in run.recordings]
        print(json.dumps(told), flush=True)
        if run.state in ("finished", "failed"):
            break
        time.sleep(0.1)
    manager.close()

if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
"""


class MortalServer:
    """A process with a RunManager and a class that looks at a lab, in the folder `home`; it says how both stand.

    It is killed at the end of the block.
    """

    def __init__(self, script: Path, home: Path, code: str, steps: int) -> None:
        environment = os.environ | {"BNVIZ_HOME": str(home), "PYTHONPATH": str(Path(__file__).parents[1])}
        command = [sys.executable, str(script), code, str(steps)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        self._end = time.monotonic() + 1200  # the bound only keeps a broken server from hanging the tests

    def told(self) -> dict[str, Any]:
        assert time.monotonic() < self._end, "waited in vain"
        assert self._process.stdout is not None
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.mark.slow
def test_a_class_whose_server_is_killed_again_and_again_loses_no_vote_and_no_run(
    pytestconfig: pytest.Config, tmp_path: Path
) -> None:
    kills = pytestconfig.getoption("server_kills")
    steps = STEPS_A_SERVER * (1 + kills)
    runs = SavedRuns(lambda: tmp_path / "saved-runs", 10**9)
    script = tmp_path / "server.py"
    script.write_text(SERVER)
    code, saved = "none", 0
    for _ in range(kills):
        with MortalServer(script, tmp_path, code, steps) as server:
            told = server.told()
            assert told["votes"] == ["after"] * 15 + ["before"] * 15
            if code != "none":
                assert told["step"] >= saved
                assert "brought back" in told["message"]
            code = told["code"]
            while (found := runs.load(f"{code}0")) is None or min(found.reached) <= saved:
                told = server.told()
                assert told["state"] in ("starting", "running"), told
        saved = min(found.reached)
    with MortalServer(script, tmp_path, code, steps) as server:
        told = server.told()
        while told["state"] != "finished":
            assert told["state"] != "failed", told
            told = server.told()
    assert told["votes"] == ["after"] * 15 + ["before"] * 15
    recordings = [Recording.load(io.BytesIO(bytes.fromhex(text))) for text in told["recordings"]]
    assert recordings == [train(item.experiment) for item in recordings]
