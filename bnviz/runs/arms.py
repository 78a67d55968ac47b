"""Where an arm's snapshots come from: a trainer in a worker process, or a Recording kept from before.

Both move on by `advance` and answer with a Progress; `step` is where they stand.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from distributed import Future, KilledWorker

from bnviz.experiment import Experiment, Intervention
from bnviz.recording import Recording
from bnviz.runs.actor import Progress
from bnviz.runs.trainers import Trainers

LOOK_AGAIN = 0.5
"""Seconds after which an unanswered call asks whether its worker is still there."""


class TrainerLostError(Exception):
    """The process that held the trainer is gone. The record is not: `ready` builds another from it."""


class TrainerFailedError(Exception):
    """Training cannot go on; the message is a sentence."""


def due(interventions: Sequence[Intervention], first: int, end: int) -> tuple[Intervention, ...]:
    """The interventions that take effect in the updates that follow the steps first … end − 1."""
    return tuple(item for item in interventions if first <= item.step < end)


class LiveArm:
    """An arm trained by an actor; it survives the actor's process.

    step: where to begin. The trainer is brought there by repeating what led to it, which is exact.
    """

    def __init__(self, experiment: Experiment, trainers: Trainers, deaths: int, step: int = 0) -> None:
        self.experiment = experiment
        self.step = step
        self._trainers = trainers
        self._deaths_allowed = deaths
        self._deaths = 0
        self._actor: Any = None
        self._future: Future[Any] | None = None
        self._seconds_per_step = 0.0

    @property
    def is_ready(self) -> bool:
        """Whether a trainer stands at `step`, as far as is known."""
        return self._actor is not None

    async def ready(self, interventions: Sequence[Intervention]) -> None:
        """Have a trainer at `step`. Raises TrainerFailedError."""
        while self._actor is None:
            with suppress(TrainerLostError):
                await self._build(interventions)

    async def advance(self, steps: int, interventions: Sequence[Intervention], every_step: bool) -> Progress:
        """Train up to `steps` further.

        Raises TrainerLostError or TrainerFailedError, and then stands where it stood.
        """
        coming = due(interventions, self.step, self.step + steps)
        progress = await self._call(self._actor, steps, coming, every_step)
        self._deaths = 0
        self.step = progress.step
        return progress

    def release(self) -> None:
        """Let the trainer go."""
        self._actor = None
        if self._future is not None:
            self._future.release()
            self._future = None

    async def _build(self, interventions: Sequence[Intervention]) -> None:
        try:
            actor, self._future = await self._trainers.hire(self.experiment)
        except (OSError, RuntimeError, KilledWorker) as error:
            raise self._lost() from error
        step = 0
        while step < self.step:
            chunk = 1
            if self._seconds_per_step:
                chunk = max(1, int(self._trainers.share(1) / self._seconds_per_step))
            chunk = min(chunk, self.step - step)
            progress = await self._call(actor, chunk, due(interventions, step, step + chunk), False)
            if progress.step != step + chunk:
                raise TrainerFailedError(
                    f"Step {self.step:,} could not be reached again: training ended at {progress.step:,}."
                )
            step = progress.step
        self._actor = actor

    async def _call(
        self, actor: Any, steps: int, interventions: Sequence[Intervention], every: bool
    ) -> Progress:
        call = asyncio.ensure_future(self._answer(actor, steps, interventions, every))
        self._trainers.calls += 1
        try:
            while not (await asyncio.wait({call}, timeout=LOOK_AGAIN))[0]:
                # An actor's answer can stay out for ever when its worker dies; the scheduler tells us of it.
                if self._future is None or self._future.status != "finished":
                    raise self._lost()
            progress = call.result()
        except (OSError, RuntimeError) as error:
            raise self._lost() from error
        finally:
            self._trainers.calls -= 1
            call.cancel()
        if progress.error is not None:
            raise TrainerFailedError(progress.error)
        if steps:
            self._seconds_per_step = progress.seconds / steps
        return progress

    @staticmethod
    async def _answer(actor: Any, steps: int, interventions: Sequence[Intervention], every: bool) -> Progress:
        progress: Progress = await actor.advance(steps, tuple(interventions), every)
        return progress

    def _lost(self) -> TrainerLostError:
        """Count a death. Raises TrainerFailedError if there were too many at this step."""
        self.release()
        self._deaths += 1
        if self._deaths >= self._deaths_allowed:
            self._deaths = 0
            raise TrainerFailedError(
                f"The process that trained this network ended {self._deaths_allowed} times "
                f"at step {self.step:,}. Perhaps it ran out of memory: "
                "try a narrower network or a smaller mini-batch."
            )
        return TrainerLostError()


class KeptArm:
    """An arm whose snapshots are read from a finished Recording."""

    is_ready = True

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.step = 0
        self._shown = -1  # the first call brings the snapshot of step 0

    async def ready(self, interventions: Sequence[Intervention]) -> None:
        """Nothing to prepare."""

    async def advance(self, steps: int, interventions: Sequence[Intervention], every_step: bool) -> Progress:
        """The snapshots that were taken on the way to `steps` further on, as far as the recording goes."""
        shown, kept = self._shown, self.recording
        end = kept.experiment.steps if kept.diverged_at is None else kept.diverged_at
        self.step = self._shown = min(self.step + steps, end)
        return Progress(
            step=self.step,
            snapshots=[item for item in kept.snapshots if shown < item.step <= self.step],
            diverged_at=kept.diverged_at if self.step == end else None,
            provenance=kept.provenance,
        )

    def release(self) -> None:
        """Nothing to let go."""
