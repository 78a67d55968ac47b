"""The Pump drives the arms of one run: it trains the same number of steps on each, waits for all, and appends.

It is a task in the loop of `Trainers` while the run trains, and it holds the trainers while the run is paused.
The number of steps in a call follows from the duration of a step, so that a pause takes effect soon. All arms
wait for the slowest.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from bnviz.experiment import Experiment
from bnviz.recording import Recording
from bnviz.runs.actor import Progress
from bnviz.runs.arms import LiveArm, PlaybackArm, TrainerFailedError, TrainerLostError, affordable
from bnviz.runs.limits import Limits
from bnviz.runs.person import Person
from bnviz.runs.trainers import Trainers
from bnviz.runs.workers import TrainersUnavailableError

logger = logging.getLogger(__name__)

LOST = "A trainer process was lost; the network is brought to this step again, with the same numbers."
QUEUE_SECONDS = 0.5
"""Between two attempts of a waiting run to be admitted."""

CATCHING_UP = "The network is trained up to this step again, to go on from here."


@dataclass(frozen=True)
class Orders:
    """What a Pump is to do next.

    recordings: so far, with the interventions to make. speed: steps per second, None for as fast as possible.
    single: how many single steps to take, 0 to play on. every_step: whether to record each step. most: how many steps
    the next call may take, None for any number.
    """

    recordings: tuple[Recording, ...]
    speed: float | None
    single: int
    every_step: bool
    most: int | None = None


class PumpedRun(Protocol):
    """What a Pump needs of its Run. Every method ignores a Pump that was replaced."""

    arms: tuple[Experiment, ...]
    person: Person

    def orders(self, pump: Pump) -> Orders | None:
        """What to do next; None for nothing."""

    def append(self, pump: Pump, progress: dict[int, Progress], goal: int) -> None:
        """Append what the arms returned, by the arm's index, on the way to the step `goal`."""

    def starting(self, pump: Pump, message: str, kept: bool) -> None:
        """Show that the arms are being made ready."""

    def failed(self, pump: Pump, message: str) -> None:
        """Show that the run cannot go on."""


class Pump:
    """Drives the arms of one run from the steps `reached` to the end or to a reset.

    kept: finished Recordings of all arms, to be played back from step 0 on in place of training.
    `wake` and `end` are called in the loop.
    """

    def __init__(
        self,
        run: PumpedRun,
        trainers: Trainers,
        limits: Limits,
        reached: Sequence[int],
        kept: Sequence[Recording] | None = None,
    ) -> None:
        self._run, self._trainers, self._limits = run, trainers, limits
        self._arms: list[LiveArm | PlaybackArm] = (
            list(map(self._live, run.arms, reached)) if kept is None else [PlaybackArm(item) for item in kept]
        )
        self._stride = 1
        self._lost = False
        self._task: asyncio.Task[None] | None = None
        self._woken = asyncio.Event()
        self._ended = False

    @property
    def is_ready(self) -> bool:
        """Whether every arm can go on at once."""
        return self._has_place and all(arm.is_ready for arm in self._arms)

    @property
    def kept(self) -> bool:
        """Whether every arm is played back."""
        return all(isinstance(arm, PlaybackArm) for arm in self._arms)

    @property
    def _has_place(self) -> bool:
        return self.kept or self._trainers.admission.has(self)

    def wake(self) -> None:
        """The run has new orders."""
        self._woken.set()
        if not self._ended and (self._task is None or self._task.done()):
            self._task = self._trainers.spawn(self._work())

    def end(self) -> None:
        """Release all trainers."""
        self._ended = True
        if self._task is not None:
            self._task.cancel()
        self._trainers.admission.leave(self)
        for arm in self._arms:
            arm.release()

    def _live(self, experiment: Experiment, step: int) -> LiveArm:
        return LiveArm(experiment, self._trainers, self._run.person, self._limits.deaths, step)

    async def _work(self) -> None:
        try:
            while (orders := self._run.orders(self)) is not None:
                self._replace_playbacks(orders)
                if not self.kept and (waiting := self._trainers.admission.enter(self, self._run.person)):
                    await self._wait(waiting)
                elif self.is_ready:
                    await self._tick(orders)
                else:
                    await self._prepare(orders)
        except (TrainerFailedError, TrainersUnavailableError) as error:
            self._fail(str(error))
        except Exception as error:
            logger.exception("a run stopped")
            self._fail(f"The run stopped because of an error in bnviz: {type(error).__name__}: {error}")
        finally:
            self._trainers.admission.rest(self)

    async def _wait(self, message: str) -> None:
        """Wait QUEUE_SECONDS, or until there are new orders."""
        self._woken.clear()
        self._run.starting(self, message, self.kept)
        with suppress(TimeoutError):
            async with asyncio.timeout(QUEUE_SECONDS):
                await self._woken.wait()

    def _fail(self, message: str) -> None:
        for arm in self._arms:
            arm.release()
        self._run.failed(self, message)

    def _replace_playbacks(self, orders: Orders) -> None:
        """Train on an arm that was played back, if its orders differ from what was recorded."""
        for index, (arm, recording) in enumerate(zip(self._arms, orders.recordings, strict=True)):
            if isinstance(arm, PlaybackArm) and not recording.finished:
                changed = recording.interventions != arm.recording.interventions
                if changed or orders.every_step:
                    self._arms[index] = self._live(recording.experiment, arm.step)

    async def _prepare(self, orders: Orders) -> None:
        unready = [index for index, arm in enumerate(self._arms) if not arm.is_ready]
        catching_up = CATCHING_UP if any(self._arms[index].step for index in unready) else ""
        self._run.starting(self, LOST if self._lost else catching_up, self.kept)
        work = (self._arms[index].ready(orders.recordings[index].interventions) for index in unready)
        for result in await asyncio.gather(*work, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result
        self._lost = False

    async def _tick(self, orders: Orders) -> None:
        """Advance all arms that have not ended to the same, later step."""
        started = asyncio.get_running_loop().time()
        going = [index for index, recording in enumerate(orders.recordings) if not recording.finished]
        begun = all(orders.recordings[index].snapshots for index in going)
        front = min(self._arms[index].step for index in going)
        goal = front + (self._next_stride(orders) if begun else 0)
        # An arm whose companion was lost in the last call is ahead of it, and waits here.
        behind = [index for index in going if not begun or self._arms[index].step < goal]
        work = (
            self._arms[index].advance(
                goal - self._arms[index].step, orders.recordings[index].interventions, orders.every_step
            )
            for index in behind
        )
        results = dict(zip(behind, await asyncio.gather(*work, return_exceptions=True), strict=True))
        progress = {index: part for index, part in results.items() if isinstance(part, Progress)}
        self._run.append(self, progress, goal)
        for result in results.values():
            if isinstance(result, TrainerLostError):
                self._lost = True
            elif isinstance(result, BaseException):
                raise result
        await self._pace(started, goal - front)

    def _next_stride(self, orders: Orders) -> int:
        """How many steps the next call takes."""
        live = [arm for arm in self._arms if isinstance(arm, LiveArm)]
        possible = max(arm.steps for arm in self._run.arms)
        if orders.most is not None:
            possible = min(possible, orders.most)
        if live:
            slowest = max(arm.seconds_per_step or 0.0 for arm in live)
            share = self._trainers.share(self._run.person, len(live))
            possible = min(possible, affordable(share, slowest), 2 * self._stride)
        self._stride = possible
        speed = self._speed(orders)
        if orders.single:
            return min(possible, orders.single)
        if orders.every_step:
            return 1
        if speed is None:
            return possible
        return min(possible, max(1, round(speed * self._limits.call_seconds)))

    def _speed(self, orders: Orders) -> float | None:
        if orders.speed is None and self.kept:
            return max(arm.steps for arm in self._run.arms) / self._limits.playback_seconds
        return orders.speed

    async def _pace(self, started: float, steps: int) -> None:
        """Wait until the time that `steps` take at the run's speed has passed, or there are new orders."""
        while True:
            self._woken.clear()
            orders = self._run.orders(self)
            speed = None if orders is None else self._speed(orders)
            if speed is None:
                return
            left = started + steps / speed - asyncio.get_running_loop().time()
            if left <= 0:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._woken.wait()
