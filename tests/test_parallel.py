"""Training on worker processes: the same numbers, in order, and no process left behind."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psutil
import pytest

from bnviz.engine.trainer import Trainer, train
from bnviz.experiment import Experiment
from bnviz.experiment.job import Job
from bnviz.runs.pool import TrainingCancelledError, TrainingError, run_job, train_many

SMALL = Experiment(hidden=(8,), steps=30)
LONG = SMALL.replace(steps=1_000_000)
EXTRA = f"{__name__}:weight_sum"


def weight_sum(trainer: Trainer) -> dict[str, Any]:
    return {"step": trainer.step, "sum": float(trainer.network.output.weight.detach().sum())}


def spawned() -> set[int]:
    """The worker processes that run, whoever started them."""
    found = set()
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):  # it ended meanwhile
            if "spawn_main" in " ".join(child.cmdline()):
                found.add(child.pid)
    return found


@pytest.fixture
def workers() -> Callable[[], set[int]]:
    """Tells which worker processes run that did not before the test: other tests share theirs."""
    before = spawned()
    return lambda: spawned() - before


def test_an_inspection_that_trains_counts_as_training_and_tells_how_far_it_is():
    heard = []
    job = Job(SMALL, "bnviz.engine.inspections.shift:over_training", SMALL.steps)
    run_job(job, heard.append)
    assert heard == sorted(heard)
    assert heard[-1] <= job.steps == 2 * SMALL.steps
    assert any(SMALL.steps < step < job.steps for step in heard)


def test_workers_give_the_numbers_of_a_single_process_in_the_order_of_the_jobs(
    workers: Callable[[], set[int]],
) -> None:
    experiments = [SMALL.replace(seed=seed, steps=steps) for seed, steps in ((0, 30), (1, 50), (2, 20))]
    told: list[tuple[int, int]] = []
    wild = Experiment(
        hidden=(50,) * 5,
        activation="relu",
        normalizer="none",
        init="kaiming",
        init_scale=1.0,
        learning_rate=10.0,
    )
    jobs = [*(Job(item, EXTRA) for item in experiments), Job(wild)]
    *outcomes, diverged = train_many(jobs, 2, lambda *steps: told.append(steps))
    assert [item.recording for item in outcomes] == [train(item) for item in experiments]
    assert [item.inspection["step"] for item in outcomes] == [30, 50, 20]
    assert outcomes[0].inspection == run_job(Job(experiments[0], EXTRA)).inspection
    assert diverged.recording.diverged_at is not None
    assert diverged.recording.finished
    assert told[-1] == (100 + wild.steps, 100 + wild.steps)  # one that diverges is done with all its steps
    assert told == sorted(told)
    assert not workers()


def test_what_goes_wrong_in_a_worker_is_said_in_a_sentence(workers: Callable[[], set[int]]) -> None:
    with pytest.raises(TrainingError, match=r"dataset=folder.*could not be trained: DatasetError"):
        train_many([Job(SMALL.replace(dataset="folder:nowhere"))])
    assert not workers()


def test_training_ends_within_a_second_of_being_cancelled_and_leaves_no_process(
    workers: Callable[[], set[int]],
) -> None:
    cancel = threading.Event()
    asked: list[float] = []

    def stop(done: int, total: int) -> None:
        if not asked:
            asked.append(time.monotonic())
            cancel.set()

    with pytest.raises(TrainingCancelledError):
        train_many([Job(LONG)], 1, stop, cancel)
    assert asked
    assert not workers()


@pytest.mark.slow
def test_a_killed_worker_is_reported_and_takes_the_others_with_it(workers: Callable[[], set[int]]) -> None:
    killed: list[int] = []

    def kill(done: int, total: int) -> None:
        if not killed:
            killed.append(min(workers()))
            os.kill(killed[0], signal.SIGKILL)

    with pytest.raises(TrainingError, match="ended early"):
        train_many([Job(LONG), Job(LONG.replace(seed=1))], 2, kill)
    assert not workers()


def test_no_jobs_need_no_workers(workers: Callable[[], set[int]]) -> None:
    assert train_many([]) == []
