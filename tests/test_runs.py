"""Runs on real worker processes with the real Trainer; `train` in this process is what they are held against."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import psutil
import pytest

from bnviz.engine.trainer import train
from bnviz.experiment import Experiment, ExperimentError, Intervention
from bnviz.recording import Recording
from bnviz.runs import Limits, Person, Run, RunManager
from bnviz.runs.actor import Progress, TrainerActor
from bnviz.runs.arms import LiveArm, TrainerFailedError, TrainerLostError, due
from bnviz.runs.checkpoints import Checkpoints
from bnviz.runs.fair_queue import FairQueue
from bnviz.runs.recording_cache import RecordingCache
from bnviz.runs.trainer_cache import TRAINER_CACHE, TrainerCache
from bnviz.runs.trainers import ActorHandle
from tests.processes import trainer_processes
from tests.recordings import recording

BASE = Experiment(hidden=(8, 8), steps=150)


@pytest.fixture
def manager(trainers: RunManager) -> RunManager:
    return trainers


@pytest.fixture(scope="module")
def impatient() -> Iterator[RunManager]:
    """One that soon ends what nobody looks at."""
    limits = Limits(unwatched_seconds=0.2, dropped_seconds=0.2, open_runs=2)
    with RunManager(workers=1, limits=limits) as manager:
        yield manager


def pair(**fields: object) -> tuple[Experiment, Experiment]:
    """Two arms, different from those of other tests by `fields`."""
    base = BASE.replace(**fields)
    return base, base.replace(normalizer="none")


def until(condition: Callable[[], bool]) -> None:
    """Wait; the bound only keeps a broken run from hanging the tests."""
    end = time.monotonic() + 240
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


CALM = 60.0
"""Steps a second that leave time to act before the end, and record no more steps than without a limit."""


def finish(run: Run) -> None:
    run.set_speed(None)
    until(lambda: run.state in ("finished", "failed"))
    assert run.state == "finished", run.message


def test_whoever_asks_about_a_network_just_trained_gets_the_trainer_itself():
    actor = TrainerActor(BASE)
    changes = (Intervention(3, "learning_rate", 0.01),)
    actor.advance(5, changes, False)
    actor.advance(BASE.steps, (), False)
    assert TRAINER_CACHE.trainer(BASE, changes, BASE.steps) is actor.trainer
    other = TRAINER_CACHE.trainer(BASE, (), BASE.steps)
    assert other is not actor.trainer
    assert TRAINER_CACHE.trainer(BASE, (), BASE.steps) is other


@pytest.mark.parametrize("chunk", [1, 3, 10])
def test_each_intervention_goes_to_the_trainer_once_however_the_steps_are_divided(chunk: int) -> None:
    changes = tuple(Intervention(step, "learning_rate", 0.1) for step in (0, 2, 3, 6, 9))
    sent = [item for first in range(0, 10, chunk) for item in due(changes, first, min(first + chunk, 10))]
    assert tuple(sent) == changes


def test_the_trainer_cache_keeps_the_trainers_used_last():
    cache = TrainerCache(capacity=2)
    first, second, third = (BASE.replace(seed=seed, steps=2) for seed in range(3))
    kept = cache.trainer(first, (), 1)
    dropped = cache.trainer(second, (), 1)
    assert cache.trainer(first, (), 1) is kept
    cache.trainer(third, (), 1)
    assert cache.trainer(first, (), 1) is kept
    again = cache.trainer(second, (), 1)
    assert again is not dropped
    assert again.step == dropped.step == 1


def test_a_run_gives_what_train_gives_bit_for_bit(manager: RunManager) -> None:
    run = manager.open(pair(seed=1))
    assert (run.state, run.step, run.steps, run.kept) == ("ready", 0, 150, False)
    assert [recording.revision for recording in run.recordings] == [0, 0]
    run.play()
    assert run.state == "starting"
    finish(run)
    assert run.recordings == tuple(train(arm) for arm in run.arms)
    assert all(recording.provenance.device for recording in run.recordings)
    assert manager.get(run.id) is run
    assert manager.get(run.key) is None


def test_arms_advance_in_lockstep_and_the_revision_only_grows(manager: RunManager) -> None:
    slow = BASE.replace(hidden=(200, 200), seed=2)
    run = manager.open([slow, BASE.replace(seed=2)])
    run.play()
    revisions, recorded = [], []
    while run.state in ("starting", "running"):
        revisions.append(run.revision)
        recorded.append(tuple(recording.last_step for recording in run.recordings))
        time.sleep(0.005)
    finish(run)
    assert all(first == second for first, second in recorded)
    assert revisions == sorted(revisions)
    assert len(set(recorded)) > 3


def test_after_a_pause_no_step_is_taken_until_play(manager: RunManager) -> None:
    run = manager.open(pair(seed=3, steps=2000))
    run.play()
    until(lambda: run.step > 50)
    run.pause()
    until(lambda: run.state == "paused")
    step, revision = run.step, run.revision
    time.sleep(0.3)
    assert (run.state, run.step, run.revision) == ("paused", step, revision)
    run.play()
    assert run.state == "running"
    until(lambda: run.step > step)
    run.stop()


@pytest.mark.parametrize("speed", [None, 5000.0])
def test_a_run_pauses_once_at_the_step_that_it_is_told(manager: RunManager, speed: float | None) -> None:
    arms = pair(seed=471 if speed else 472)
    run = manager.open(arms)
    run.set_speed(speed)
    run.pause_at(37)
    run.play()
    until(lambda: run.state == "paused")
    assert run.step == 37
    assert "37" in run.message
    run.pause_at(37)  # a page says so at each of its reruns
    run.play()
    finish(run)
    assert list(run.recordings) == list(map(train, arms))
    run.reset()
    run.play(fresh=True)
    until(lambda: run.state == "paused")
    assert run.step == 37
    run.reset()


def test_single_steps_are_recorded_each_and_then_it_pauses(manager: RunManager) -> None:
    run = manager.open(pair(seed=4))
    run.advance(30)
    until(lambda: run.state == "paused")
    run.advance()
    until(lambda: run.state == "paused" and run.step == 31)
    assert [recording.steps.tolist() for recording in run.recordings] == [list(range(32))] * 2


def test_a_run_taken_to_a_step_is_there_exactly_at_full_speed_with_records_as_in_play(
    manager: RunManager,
) -> None:
    run = manager.open(pair(seed=17))
    run.set_speed(1.0)  # by which it would take two minutes
    run.advance(120, every_step=False)
    until(lambda: run.state == "paused")
    assert run.step == 120
    whole = train(run.arms[0])
    kept = [step for step in whole.steps.tolist() if step <= 120]
    assert run.recordings[0].steps.tolist()[: len(kept)] == kept
    assert len(run.recordings[0].steps) <= len(kept) + 1


def test_slow_motion_records_every_step_at_its_speed(manager: RunManager) -> None:
    run = manager.open(pair(seed=5))
    run.set_speed(20.0)
    started = time.monotonic()
    run.play()
    until(lambda: run.step >= 10)
    assert time.monotonic() - started >= 9 / 20
    run.set_speed(0.001)
    run.pause()
    until(lambda: run.state == "paused")
    assert run.recordings[0].steps.tolist() == list(range(run.step + 1))
    with pytest.raises(ExperimentError, match="above 0"):
        run.set_speed(0.0)


def test_reset_makes_it_as_new(manager: RunManager) -> None:
    arms = pair(seed=6)
    planned = [[Intervention(20, "learning_rate", 0.5)], []]
    run = manager.open(arms, planned)
    run.set_speed(CALM)
    run.play()
    until(lambda: run.step > 20)
    run.intervene("momentum", 0.5)
    revision = run.revision
    run.reset()
    assert (run.state, run.step) == ("ready", 0)
    assert run.revision > revision
    assert [recording.snapshots for recording in run.recordings] == [(), ()]
    run.play()
    finish(run)
    assert run.recordings == tuple(train(arm, items) for arm, items in zip(arms, planned, strict=True))


def test_an_intervention_is_recorded_where_it_took_effect_and_can_be_repeated(manager: RunManager) -> None:
    run = manager.open(pair(seed=7))
    run.set_speed(CALM)
    run.play()
    until(lambda: run.step > 30)
    run.intervene("learning_rate", 1.5)
    run.pause()
    until(lambda: run.state == "paused")
    run.intervene("momentum", 0.1, arm=1)
    run.intervene("momentum", 0.9, arm=1)
    assert run.recordings[1].interventions[-1] == Intervention(run.step, "momentum", 0.9)
    run.play()
    finish(run)
    first, second = run.recordings
    assert [item.field for item in first.interventions] == ["learning_rate"]
    assert [item.field for item in second.interventions] == ["learning_rate", "momentum"]
    assert first.interventions[0].step > 30
    assert run.recordings == tuple(train(item.experiment, item.interventions) for item in (first, second))
    with pytest.raises(ExperimentError, match="has ended"):
        run.intervene("momentum", 0.1)
    with pytest.raises(ExperimentError, match="learning_rate = -1"):
        manager.open(run.arms).intervene("learning_rate", -1.0)


def test_a_killed_worker_changes_no_number(manager: RunManager) -> None:
    run = manager.open(pair(seed=8))
    run.set_speed(CALM)
    run.play()
    until(lambda: run.step > 30)
    run.intervene("learning_rate", 0.3)
    until(lambda: run.step > 50)
    trainer_processes()[0].send_signal(signal.SIGKILL)
    until(lambda: run.state == "starting")
    assert "lost" in run.message
    finish(run)
    assert run.message == ""
    assert run.recordings == tuple(train(item.experiment, item.interventions) for item in run.recordings)


def test_a_diverged_arm_stops_and_the_other_goes_on(manager: RunManager) -> None:
    wild = BASE.replace(normalizer="none", weight_decay=1.0, learning_rate=100.0, seed=9)  # × −99 a step
    run = manager.open([wild, BASE.replace(seed=9)])
    run.play()
    finish(run)
    assert run.recordings[0].diverged_at is not None
    assert run.recordings[1].last_step == 150
    assert run.recordings == tuple(train(arm) for arm in run.arms)


def test_data_that_cannot_be_had_fails_the_run_with_a_sentence(manager: RunManager) -> None:
    run = manager.open(pair(dataset="folder:there-is-no-such-folder"))
    run.play()
    until(lambda: run.state not in ("starting", "running"))
    assert run.state == "failed"
    assert "there-is-no-such-folder" in run.message
    assert "Traceback" not in run.message


def test_an_equal_run_is_played_back_and_can_be_trained_again(manager: RunManager) -> None:
    first = manager.open(pair(seed=10))
    first.play()
    finish(first)
    again = manager.open(first.arms)
    again.set_speed(CALM)
    again.play()
    assert again.kept
    shown = set()
    until(lambda: shown.add(again.step) or len(shown) > 3)
    finish(again)
    assert again.recordings == first.recordings
    again.play(fresh=True)
    assert not again.kept
    assert again.step == 0
    finish(again)
    assert again.recordings == first.recordings


def test_an_intervention_brings_a_played_back_arm_to_life(manager: RunManager) -> None:
    first = manager.open(pair(seed=11))
    first.play()
    finish(first)
    run = manager.open(first.arms)
    run.set_speed(CALM)
    run.play()
    until(lambda: run.step > 20)
    run.intervene("learning_rate", 2.0, arm=0)
    finish(run)
    assert not run.kept
    assert run.recordings[1] == first.recordings[1]
    assert run.recordings[0].interventions[0].step > 20
    assert run.recordings[0] == train(run.arms[0], run.recordings[0].interventions)


@pytest.mark.slow
def test_runs_share_the_workers_fairly(manager: RunManager) -> None:
    runs = [manager.open(pair(seed=20 + index, steps=50_000)) for index in range(4)]
    for run in runs:
        run.play()
    until(lambda: all(run.step > 0 for run in runs))

    def least_share() -> float:
        """Of the steps that the fastest takes in many turns of each, those that the slowest takes."""
        before = [run.step for run in runs]
        until(lambda: min(run.step - start for run, start in zip(runs, before, strict=True)) > 1000)
        taken = [run.step - start for run, start in zip(runs, before, strict=True)]
        return min(taken) / max(taken)

    assert any(least_share() > 0.5 for _ in range(4))  # a busy machine may hold one up for a moment
    for run in runs:
        run.stop()
        assert run.state == "finished"
        assert "Stopped" in run.message


@pytest.mark.slow
def test_a_run_nobody_looks_at_is_paused_and_goes_on_when_it_is_played_again(impatient: RunManager) -> None:
    run = impatient.open(pair(steps=100_000))
    run.held = True
    run.play()
    until(lambda: run.state == "paused")
    assert "nobody" in run.message
    until(lambda: run.play() or run.step > 0)
    run.held = False
    until(lambda: impatient.get(run.id) is None)


def test_a_run_nobody_looks_at_for_long_is_dropped(impatient: RunManager) -> None:
    run = impatient.open(pair())
    until(lambda: impatient.get(run.id) is None)
    assert run.state == "finished"


def test_a_run_that_is_held_is_not_dropped_by_time_nor_by_number(impatient: RunManager) -> None:
    held, loose = impatient.open(pair(seed=18)), impatient.open(pair(seed=19))
    held.held = True
    newest = impatient.open(pair(seed=20))
    assert impatient.get(held.id) is held
    assert impatient.get(loose.id) is None
    until(lambda: impatient.get(newest.id) is None)
    assert impatient.get(held.id) is held


def test_beyond_the_limit_the_run_idle_for_longest_is_dropped() -> None:
    manager = RunManager(limits=Limits(open_runs=2))
    playing, idle = manager.open(pair()), manager.open(pair())
    playing.play()
    third = manager.open(pair())
    assert [manager.get(run.id) for run in (playing, idle, third)] == [playing, None, third]
    assert len({playing.id, playing.key, third.id, third.key}) == 4
    manager.close()


def test_where_memory_is_short_runs_that_were_left_are_dropped_first_the_one_left_longest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    measured = recording(records=300)
    manager = RunManager(workers=1, limits=Limits(runs_mb=round(2.5 * measured.nbytes / 1e6)))
    held, first, second, third = (manager.show([measured]) for _ in range(4))
    held.held = True
    manager.make_room()
    assert all(manager.get(run.id) for run in (first, second, third))  # they are being looked at
    monkeypatch.setattr("bnviz.runs.manager.ABANDONED_SECONDS", 0.0)
    first.touch()
    manager.make_room()
    assert [manager.get(run.id) for run in (held, first, second, third)] == [held, first, None, None]
    manager.close()


def test_limits_come_from_the_environment() -> None:
    assert Limits.from_environment({"BNVIZ_OPEN_RUNS": "7"}).open_runs == 7
    assert Limits.from_environment({"BNVIZ_UNWATCHED_SECONDS": "0.5"}).unwatched_seconds == 0.5
    for text in ("many", "0", "-1", "nan"):
        with pytest.raises(ValueError, match="BNVIZ_OPEN_RUNS"):
            Limits.from_environment({"BNVIZ_OPEN_RUNS": text})


def test_the_recording_cache_keeps_those_asked_for_last() -> None:
    first, second, third = (Recording(BASE.replace(seed=seed)) for seed in range(3))
    recording_cache = RecordingCache(capacity=2)
    recording_cache.keep(first)
    recording_cache.keep(second)
    assert recording_cache.find([first]) == (first,)
    recording_cache.keep(third)
    assert recording_cache.find([first, third]) == (first, third)
    assert recording_cache.find([first, second]) is None


class Alive:
    status = "finished"


class Doomed:
    """Trainers whose every process dies when asked to train beyond step 10."""

    def __init__(self) -> None:
        self.acquired = self.released = 0
        self.fair_queue = FairQueue()
        self.checkpoints = Checkpoints(1000)

    async def acquire(self, experiment: Experiment) -> ActorHandle:
        self.acquired += 1
        return ActorHandle(self, Alive(), "worker")  # type: ignore[arg-type]

    async def answer(self, worker: str, work: Awaitable[Progress]) -> Progress:
        return await work

    def release(self, handle: ActorHandle) -> None:
        self.released += 1

    async def advance(self, steps: int, interventions: object, every_step: bool) -> Progress:
        if steps > 10:
            raise OSError("the worker is gone")
        return Progress(steps)


def test_a_process_that_dies_again_and_again_fails_the_arm_in_words() -> None:
    trainers = Doomed()
    arm = LiveArm(BASE, trainers, Person(""), deaths=3)  # type: ignore[arg-type]

    async def scenario() -> None:
        for _ in range(2):
            await arm.ready(())
            with pytest.raises(TrainerLostError):
                await arm.advance(20, (), False)
        await arm.ready(())
        with pytest.raises(TrainerFailedError, match=r"3 times at step 0.*memory"):
            await arm.advance(20, (), False)

    asyncio.run(scenario())
    assert (trainers.acquired, trainers.released, trainers.fair_queue.persons) == (3, 3, 0)


ENDING = """
import sys, time, psutil
from bnviz import Experiment
from bnviz.runs import RunManager

def main(how):
    manager = RunManager(workers=1)
    manager.start()
    run = manager.open([Experiment(steps=100_000)])
    run.play()
    while run.step < 10:
        run.touch()  # an unwatched run is paused, and a busy machine is slow
        time.sleep(0.01)
    print(*(child.pid for child in psutil.Process().children(recursive=True)), flush=True)
    if how == "kill":
        time.sleep(600)

if __name__ == "__main__":
    main(sys.argv[1])
"""


@pytest.mark.slow
def test_no_process_outlives_its_server_however_it_ends(tmp_path: Path) -> None:
    script = tmp_path / "server.py"
    script.write_text(ENDING)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    servers = {
        how: subprocess.Popen(
            [sys.executable, "-W", "always", str(script), how],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for how in ("exit", "kill")
    }
    for how, server in servers.items():
        assert server.stdout is not None
        children = [int(pid) for pid in server.stdout.readline().split()]
        assert children
        if how == "kill":
            server.kill()
        _, noise = server.communicate()
        # Python's own resource tracker reports on a server that was killed.
        assert how == "kill" or noise == "", f"{how}: {noise}"
        until(lambda pids=children: not any(psutil.pid_exists(pid) for pid in pids))
