"""Trainers on a Dask cluster that was started elsewhere, as on other machines."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from bnviz.engine.trainer import train
from bnviz.experiment import Experiment
from bnviz.experiment.grid import Grid
from bnviz.runs import RunManager
from bnviz.runs.installed import images, installed
from bnviz.version import digest

ROOT = Path(__file__).parents[1]
ARMS = [
    Experiment(dataset="moons", hidden=(8, 8), steps=1500, device="cpu", normalizer=normalizer)
    for normalizer in ("none", "batch")
]


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 240
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


class Cluster:
    """A scheduler and workers, each a process of its own, started outside the repository as on other machines."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self._stack, self._folder = stack, folder
        self._found = folder / "scheduler.json"
        self._quiet = ("--scheduler-file", str(self._found), "--no-dashboard")
        command = ("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", *self._quiet)
        self._start("scheduler", *command)

    @property
    def address(self) -> str:
        until(lambda: self._found.exists() and self._found.read_text().rstrip().endswith("}"))
        return str(json.loads(self._found.read_text())["address"])

    def add(self, *names: str, path: Path | None = ROOT, port: int = 0) -> list[subprocess.Popen[bytes]]:
        """Workers, once the scheduler knows them.

        path: where their bnviz is; None for workers that have none. port: theirs, 0 for any.
        """
        own = ("--no-nanny", "--nthreads", "1", "--host", "127.0.0.1", "--worker-port", str(port))
        command = ("distributed.cli.dask_worker", *self._quiet, *own)
        started = [self._start(name, *command, "--name", name, path=path) for name in names]
        for name in names:
            log = self._folder / f"{name}.log"
            until(lambda log=log: "Registered to" in log.read_text())
        return started

    def _start(self, name: str, *command: str, path: Path | None = ROOT) -> subprocess.Popen[bytes]:
        output = self._stack.enter_context((self._folder / f"{name}.log").open("wb"))
        others = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=self._folder,
            env=others | ({"PYTHONPATH": str(path)} if path else {}),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)
        return process


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A cluster without a worker, which a RunManager uses."""
    with ExitStack() as stack:
        found = Cluster(stack, tmp_path)
        monkeypatch.setenv("BNVIZ_SCHEDULER", found.address)
        yield found


@pytest.fixture
def another(tmp_path: Path) -> Path:
    """A folder with a bnviz that differs in one line."""
    shutil.copytree(ROOT / "bnviz", tmp_path / "another" / "bnviz")
    with (tmp_path / "another" / "bnviz" / "version.py").open("a") as file:
        file.write("ANOTHER = True\n")
    return tmp_path / "another"


@pytest.mark.slow
def test_workers_that_are_killed_and_workers_that_come_change_no_number(
    cluster: Cluster, another: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Eight workers, half of them killed, two added; and two that have another bnviz, or none, are never used."""
    workers = cluster.add(*(f"w{number}" for number in range(8)))
    cluster.add("strange", path=another)
    cluster.add("bare", path=None)
    with RunManager() as manager:
        runs = [manager.open([arm.replace(seed=seed, steps=5000) for arm in ARMS]) for seed in range(4)]
        for run in runs:
            run.play()
        until(lambda: all(run.step > 100 for run in runs))
        grid = Grid(Experiment(dataset="moons", hidden=(4,), steps=30, device="cpu"), size=8)
        sweep = manager.sweeps.open(grid)
        sweep.play()
        assert any(run.step < 5000 for run in runs)
        for worker in workers[:4]:
            worker.send_signal(signal.SIGKILL)
        added = cluster.add("new-0", "new-1")
        while any(run.state in ("starting", "running") for run in runs) or sweep.state == "running":
            for work in (*runs, sweep):
                work.touch()
            time.sleep(0.001)
        assert [run.state for run in runs] == ["finished"] * 4, [run.message for run in runs]
        for run in runs:
            assert run.recordings == tuple(train(arm) for arm in run.arms)
        assert (sweep.state, len(sweep.scores)) == ("finished", len(grid.cells)), sweep.message
    refused = {record.message for record in caplog.records if "is not used" in record.message}
    assert any("strange" in sentence and "another bnviz" in sentence for sentence in refused)
    assert len(refused) == 2
    assert all(
        worker.poll() is None for worker in (*workers[4:], *added)
    )  # they belong to whoever started them


@pytest.mark.slow
def test_where_no_worker_has_the_servers_bnviz_nothing_is_trained_and_the_run_says_so(
    cluster: Cluster, another: Path
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (strange,) = cluster.add("strange", path=another, port=port)
    with RunManager() as manager:
        run = manager.open(ARMS)
        run.play()
        until(lambda: run.state == "failed")
        assert run.message == "The worker strange is not used: it has another bnviz."
        strange.kill()
        strange.wait()
        cluster.add("right", port=port)  # at the same address, with the server's own
        run.play()
        until(lambda: run.step > 100)


def test_what_differs_is_told_by_its_name() -> None:
    mine = installed()
    assert mine.differences(mine) == ""
    theirs = replace(mine, torch="1.0", bnviz="0")
    assert mine.differences(theirs) == f"another bnviz, torch 1.0 in place of {mine.torch}"


def test_a_program_that_was_installed_is_that_of_its_checkout_and_one_line_more_is_another(
    another: Path,
) -> None:
    package = another / "bnviz"
    assert digest("*.py", package) != digest("*.py")
    (package / "version.py").write_bytes((ROOT / "bnviz" / "version.py").read_bytes())
    (package / "served" / "pages").mkdir(parents=True)
    (package / "served" / "app.py").write_text("what an installation adds")
    digest.cache_clear()
    assert digest("*.py", package) == digest("*.py")


def test_a_folder_of_images_is_known_by_the_names_and_sizes_of_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BNVIZ_DATA", str(tmp_path))
    assert images("folder:cats") == ""
    (tmp_path / "cats" / "tabby").mkdir(parents=True)
    (tmp_path / "cats" / "tabby" / "1.png").write_bytes(b"1")
    first = images("folder:cats")
    (tmp_path / "cats" / "tabby" / "1.png").write_bytes(b"22")
    second = images("folder:cats")
    (tmp_path / "cats" / "tabby" / "1.png").rename(tmp_path / "cats" / "tabby" / "2.png")
    assert len({"", first, second, images("folder:cats")}) == 4
