"""What an arm does when its process is lost, with the real Trainer in this process and deaths on order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import dask
import pytest

from bnviz.engine.checkpoints import saved
from bnviz.engine.trainer import Trainer, train
from bnviz.experiment import Experiment, Intervention
from bnviz.recording import Recording
from bnviz.runs import Limits, Person, RunManager, actor
from bnviz.runs.actor import Progress, TrainerActor
from bnviz.runs.arms import LiveArm, TrainerFailedError, TrainerLostError
from bnviz.runs.checkpoints import Checkpoints
from bnviz.runs.fair_queue import FairQueue
from bnviz.runs.trainer_cache import TrainerCache
from bnviz.runs.trainers import ActorHandle
from tests.processes import trainer_processes
from tests.test_runs import Alive, finish, until

BASE = Experiment(dataset="moons", hidden=(4,), steps=600, device="cpu")
CHUNK = 50
"""Steps in a call."""


class InThisProcess:
    """Trainers whose actors live here. lives: after so many calls each process dies; None for never."""

    def __init__(self, lives: int | None = None) -> None:
        self.fair_queue, self.checkpoints = FairQueue(), Checkpoints(10_000_000)
        self.lives, self.deaths = lives, 0

    async def acquire(self, experiment: Experiment) -> ActorHandle:
        return ActorHandle(Mortal(self, experiment), Alive(), "worker")  # type: ignore[arg-type]

    async def answer(self, worker: str, work: Awaitable[Progress]) -> Progress:
        return await work

    def release(self, handle: ActorHandle) -> None:
        """There is no process."""

    def share(self, person: Person, arms: int) -> float:
        return 0.001  # so that a rebuilding takes many calls


class Mortal:
    def __init__(self, trainers: InThisProcess, experiment: Experiment) -> None:
        self.trainers, self.actor, self.calls = trainers, TrainerActor(experiment), 0

    async def advance(self, *arguments: Any) -> Progress:
        if self.calls == self.trainers.lives:
            self.trainers.deaths += 1
            raise OSError("the worker is gone")
        self.calls += 1
        return self.actor.advance(*arguments)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The steps before which a Trainer took an update, in their order. Every call brings a Checkpoint."""
    steps: list[int] = []
    update = Trainer.next_update

    def counted(trainer: Trainer) -> Any:
        steps.append(trainer.step)
        return update(trainer)

    monkeypatch.setattr(Trainer, "next_update", counted)
    monkeypatch.setattr(actor, "CHECKPOINT_SECONDS", 0.0)
    return steps


async def followed(arm: LiveArm, recording: Recording) -> Recording:
    """The Recording, trained on by the arm to its end, as a Pump does."""
    while not recording.finished:
        await arm.ready(recording.interventions)
        try:
            progress = await arm.advance(CHUNK, recording.interventions, False)
        except TrainerLostError:
            continue
        recording = recording.extended(progress.snapshots, diverged_at=progress.diverged_at)
    return recording


def live(trainers: InThisProcess, experiment: Experiment = BASE, step: int = 0) -> LiveArm:
    return LiveArm(experiment, trainers, Person(""), deaths=2, step=step)  # type: ignore[arg-type]


def test_deaths_after_a_gain_do_not_add_up(trained: list[int]) -> None:
    """Each process dies after two calls: one builds it again from the last Checkpoint, the other is the gain."""
    trainers = InThisProcess(lives=2)
    found = asyncio.run(followed(live(trainers), Recording(BASE)))
    assert found == train(BASE)
    assert trainers.deaths > 4


def test_a_newer_checkpoint_is_a_gain_though_the_run_is_no_step_further(trained: list[int]) -> None:
    """An arm that begins far from step 0: each process takes it one call nearer, and dies."""
    trainers = InThisProcess(lives=1)
    arm = live(trainers, step=40)
    asyncio.run(arm.ready(()))
    assert trainers.deaths > 4
    assert max(trained) == 39


def test_deaths_with_nothing_gained_between_them_fail_the_arm(trained: list[int]) -> None:
    trainers = InThisProcess(lives=0)
    arm = live(trainers)

    async def scenario() -> None:
        await arm.ready(())
        with pytest.raises(TrainerLostError):
            await arm.advance(CHUNK, (), False)
        await arm.ready(())
        with pytest.raises(TrainerFailedError, match="2 times at step 0"):
            await arm.advance(CHUNK, (), False)

    asyncio.run(scenario())


def test_going_on_from_a_step_with_another_rate_trains_what_lies_between_a_checkpoint_and_the_step_only(
    trained: list[int],
) -> None:
    trainers = InThisProcess()
    asyncio.run(followed(live(trainers), Recording(BASE)))
    assert trained == list(range(BASE.steps))
    trained.clear()
    changes = (Intervention(400, "learning_rate", 0.01),)
    expected = train(BASE, changes)
    trained.clear()
    again = asyncio.run(
        followed(live(trainers, step=400), Recording(BASE, changes).extended(expected.upto(400).snapshots))
    )
    assert again == expected
    assert 300 < trained[0] <= 400
    assert trained == list(range(trained[0], BASE.steps))


def test_a_question_about_a_step_trains_on_from_a_checkpoint(trained: list[int]) -> None:
    trainer = Trainer(BASE)
    trainer.advance(30)
    checkpoint = saved(trainer)
    trained.clear()
    changes = (Intervention(35, "momentum", 0.1),)
    found = TrainerCache().trainer(BASE, changes, 40, checkpoint)
    assert trained == list(range(30, 40))
    trainer.advance(10, changes)
    assert all(map(lambda one, other: one.equal(other), found.parameters, trainer.parameters))


@pytest.mark.slow
def test_a_killed_worker_comes_back_though_dask_is_told_to_give_it_up_at_once() -> None:
    limits = Limits(unwatched_seconds=3600.0)
    with (
        dask.config.set({"distributed.deploy.lost-worker-timeout": "1 ms"}),
        RunManager(workers=1, limits=limits) as manager,
    ):
        run = manager.open([BASE])
        run.set_speed(60.0)
        run.play()
        until(lambda: run.step > 10)
        trainer_processes()[0].kill()
        finish(run)
        assert run.recordings == (train(BASE),)
