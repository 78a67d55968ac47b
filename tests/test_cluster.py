"""Trainers on a Dask cluster that was started elsewhere, as on other machines."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from bnviz.engine.trainer import train
from bnviz.experiment import Experiment
from bnviz.runs import RunManager

NAMES = ("first", "second")
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


def start(stack: ExitStack, log: Path, *command: str) -> subprocess.Popen[bytes]:
    """A process that is ended with the stack, started outside the repository as on another machine."""
    output = stack.enter_context(log.open("wb"))
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=log.parent,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=output,
        stderr=subprocess.STDOUT,
    )
    stack.callback(process.wait)
    stack.callback(process.kill)
    return process


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[Path, list[subprocess.Popen[bytes]]]]:
    """The file that says where the scheduler is, and the two workers."""
    found = tmp_path / "scheduler.json"
    quiet = ("--scheduler-file", str(found), "--no-dashboard")
    with ExitStack() as stack:
        start(
            stack,
            tmp_path / "scheduler.log",
            *("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", *quiet),
        )
        worker = ("distributed.cli.dask_worker", *quiet, "--no-nanny", "--nthreads", "1")
        workers = [start(stack, tmp_path / f"{name}.log", *worker, "--name", name) for name in NAMES]
        yield found, workers


@pytest.mark.slow
def test_a_killed_worker_of_a_cluster_elsewhere_changes_no_number(
    cluster: tuple[Path, list[subprocess.Popen[bytes]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    found, workers = cluster
    until(
        lambda: all(
            "Registered to" in log.read_text() for log in (found.parent / f"{name}.log" for name in NAMES)
        )
    )
    address = found.read_text().split('"address": "')[1].split('"')[0]
    monkeypatch.setenv("BNVIZ_SCHEDULER", address)
    with RunManager() as manager:
        run = manager.open(ARMS)
        run.play()
        until(lambda: run.step > 100)
        workers[0].send_signal(signal.SIGKILL)
        messages = set()
        while run.state in ("starting", "running"):
            messages.add(run.message)
            time.sleep(0.001)
        assert run.state == "finished", run.message
        assert run.recordings == tuple(train(arm) for arm in ARMS)
    assert any("lost" in message for message in messages)
    assert workers[1].poll() is None  # it belongs to whoever started it
