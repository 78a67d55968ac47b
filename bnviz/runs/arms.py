"""Where an arm's snapshots come from: a trainer in a worker process, or a Recording kept from before.

Both move on by `advance` and answer with a Progress; `step` is where they stand.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from distributed import KilledWorker

from bnviz.experiment import Experiment, Intervention
from bnviz.recording import Recording
from bnviz.runs.actor import Progress
from bnviz.runs.person import Person
from bnviz.runs.trainers import Hired, Trainers

FORGET = 0.8
"""How much of what is known of a step's duration survives a call: records make some calls slow."""

LOOK_AGAIN = 0.5
"""Seconds after which an unanswered call asks whether its worker is still there."""


class TrainerLostError(Exception):
    """The process that held the trainer is gone. The record is not: `ready` builds another from it."""


class TrainerFailedError(Exception):
    """Training cannot go on; the message is a sentence."""


def due(interventions: Sequence[Intervention], first: int, end: int) -> tuple[Intervention, ...]:
    """The interventions that take effect in the updates that follow the steps first … end − 1."""
    return tuple(item for item in interventions if first <= item.step < end)


def affordable(seconds: float, seconds_per_step: float | None) -> int:
    """How many steps can be taken in `seconds`, at least one; one as long as nothing is known."""
    return max(1, int(seconds / seconds_per_step)) if seconds_per_step else 1


class LiveArm:
    """An arm trained by an actor; it survives the actor's process.

    person: whose it is. step: where to begin. The trainer is brought there by repeating what led to it, exactly.
    """

    def __init__(
        self, experiment: Experiment, trainers: Trainers, person: Person, deaths: int, step: int = 0
    ) -> None:
        self.experiment, self.person = experiment, person
        self.step = step
        self.is_ready = False  # whether a trainer stands at `step`, as far as is known
        self._trainers = trainers
        self._deaths_allowed = deaths
        self._deaths = 0
        self._hired: Hired | None = None
        self._seconds, self._steps = 0.0, 0.0  # of late

    @property
    def seconds_per_step(self) -> float | None:
        """What a step takes, of late, or None before the first."""
        return self._seconds / self._steps if self._steps else None

    async def ready(self, interventions: Sequence[Intervention]) -> None:
        """Have a trainer at `step`. Raises TrainerFailedError."""
        while not self.is_ready:
            with suppress(TrainerLostError):
                await self._build(interventions)

    async def advance(self, steps: int, interventions: Sequence[Intervention], every_step: bool) -> Progress:
        """Train up to `steps` further.

        Raises TrainerLostError or TrainerFailedError, and then stands where it stood.
        """
        coming = due(interventions, self.step, self.step + steps)
        progress = await self._call(steps, coming, every_step)
        self._deaths = 0
        self.step = progress.step
        return progress

    def release(self) -> None:
        """Let the trainer go."""
        self.is_ready = False
        if self._hired is not None:
            self._trainers.dismiss(self._hired)
            self._hired = None

    async def _build(self, interventions: Sequence[Intervention]) -> None:
        try:
            self._hired = await self._trainers.hire(self.experiment)
        except (OSError, RuntimeError, KilledWorker) as error:
            raise self._lost() from error
        step = 0
        while step < self.step:
            chunk = min(
                affordable(self._trainers.share(self.person, 1), self.seconds_per_step), self.step - step
            )
            progress = await self._call(chunk, due(interventions, step, step + chunk), False)
            if progress.step != step + chunk:
                raise TrainerFailedError(
                    f"Step {self.step:,} could not be reached again: training ended at {progress.step:,}."
                )
            step = progress.step
        self.is_ready = True

    async def _call(self, steps: int, interventions: Sequence[Intervention], every_step: bool) -> Progress:
        hired = self._hired
        if hired is None:
            raise self._lost()
        seconds = steps * (self.seconds_per_step or 0.0)
        async with self._trainers.turns.turn(hired.worker, self.person, seconds) as turn:
            progress = await self._answered(hired, steps, interventions, every_step)
            turn.seconds = progress.seconds
        if progress.error is not None:
            raise TrainerFailedError(progress.error)
        if steps:  # without, it is the making of the trainer that took the time
            self._seconds = FORGET * self._seconds + progress.seconds
            self._steps = FORGET * self._steps + steps
        return progress

    async def _answered(
        self, hired: Hired, steps: int, interventions: Sequence[Intervention], every_step: bool
    ) -> Progress:
        if hired.future.status != "finished":  # its worker died before it was this arm's turn
            raise self._lost()
        call = asyncio.ensure_future(_answer(hired, steps, interventions, every_step))
        try:
            while not (await asyncio.wait({call}, timeout=LOOK_AGAIN))[0]:
                # An actor's answer can stay out for ever when its worker dies; the scheduler tells us of it.
                if hired.future.status != "finished":
                    raise self._lost()
            return call.result()
        except (OSError, RuntimeError) as error:
            raise self._lost() from error
        finally:
            call.cancel()

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


async def _answer(
    hired: Hired, steps: int, interventions: Sequence[Intervention], every_step: bool
) -> Progress:
    progress: Progress = await hired.actor.advance(steps, tuple(interventions), every_step)
    return progress


class KeptArm:
    """An arm whose snapshots are read from a finished Recording."""

    is_ready = True
    seconds_per_step = None

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
