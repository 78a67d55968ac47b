"""The two sources of an arm's snapshots: a trainer in a worker process, or a finished Recording.

Both go on by `advance`, which returns a Progress; `step` is the step that they have reached.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from distributed import KilledWorker

from bnviz.experiment import Experiment, Intervention
from bnviz.recording import Recording
from bnviz.recording.checkpoint import Checkpoint
from bnviz.runs.actor import Progress
from bnviz.runs.checkpoints import before
from bnviz.runs.person import Person
from bnviz.runs.trainers import ActorHandle, Trainers
from bnviz.runs.workers import WorkerLostError

FORGET = 0.8
"""The weight of earlier calls in the estimate of a step's duration, which records make uneven."""

LOSSES = (OSError, RuntimeError, KilledWorker, WorkerLostError)
"""What a call raises whose worker ended."""

BEFORE_TRAINING = 0.1
"""What a death counts that came before the process trained this network: it says little about the network."""


class TrainerLostError(Exception):
    """The process that held the trainer is gone. `ready` builds another trainer and repeats its steps."""


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

    person: whose run it is. step: where to begin: a new trainer gets there from the nearest Checkpoint, by
    repeating the steps since, exactly. deaths: of the process, with nothing gained between them, after which the arm
    fails; a further step and a newer Checkpoint are gains.
    """

    def __init__(
        self, experiment: Experiment, trainers: Trainers, person: Person, deaths: int, step: int = 0
    ) -> None:
        self.experiment, self.person = experiment, person
        self.step = step
        self.is_ready = False  # whether a trainer has reached `step`, as far as is known
        self._trainers = trainers
        self._deaths_allowed = deaths
        self._deaths = 0.0
        self._saved = -1  # the step of the newest Checkpoint
        self._handle: ActorHandle | None = None
        self._seconds, self._steps = 0.0, 0.0  # weighted sums over the latest calls

    @property
    def seconds_per_step(self) -> float | None:
        """How long a step takes, from the latest calls; None before the first."""
        return self._seconds / self._steps if self._steps else None

    async def ready(self, interventions: Sequence[Intervention]) -> None:
        """Bring a trainer to `step`. Raises TrainerFailedError."""
        while not self.is_ready:
            with suppress(TrainerLostError):
                await self._build(interventions)

    async def advance(self, steps: int, interventions: Sequence[Intervention], every_step: bool) -> Progress:
        """Train up to `steps` further.

        Raises TrainerLostError or TrainerFailedError, and leaves `step` as it was.
        """
        progress = await self._call(self.step, steps, interventions, every_step)
        self._deaths = 0.0
        self.step = progress.step
        return progress

    def release(self) -> None:
        """Release the trainer."""
        self.is_ready = False
        if self._handle is not None:
            self._trainers.release(self._handle)
            self._handle = None

    async def _build(self, interventions: Sequence[Intervention]) -> None:
        try:
            self._handle = await self._trainers.acquire(self.experiment)
        except LOSSES as error:
            raise self._lost(BEFORE_TRAINING) from error
        start = self._trainers.checkpoints.nearest(self.experiment, interventions, self.step)
        step = 0 if start is None else start.step
        while step < self.step or start is not None:
            chunk = min(
                affordable(self._trainers.share(self.person, 1), self.seconds_per_step), self.step - step
            )
            progress = await self._call(step, chunk, interventions, False, start)
            if progress.step != step + chunk:
                raise TrainerFailedError(
                    f"Step {self.step:,} could not be reached again: training ended at {progress.step:,}."
                )
            step, start = progress.step, None
        self.is_ready = True

    async def _call(
        self,
        first: int,
        steps: int,
        interventions: Sequence[Intervention],
        every_step: bool,
        start: Checkpoint | None = None,
    ) -> Progress:
        """Train `steps` steps after the step `first`. interventions: all of the arm. start: to begin from."""
        handle = self._handle
        if handle is None:
            raise self._lost()
        arguments = (
            steps,
            due(interventions, first, first + steps),
            every_step,
            *(() if start is None else (start, before(interventions, start.step))),
        )
        seconds = steps * (self.seconds_per_step or 0.0)
        async with self._trainers.fair_queue.turn(handle.worker, self.person, seconds) as turn:
            progress = await self._answered(handle, arguments)
            turn.seconds = progress.seconds
        if progress.error is not None:
            raise TrainerFailedError(progress.error)
        if steps:  # a call of no steps builds the trainer, which takes another time
            self._seconds = FORGET * self._seconds + progress.seconds
            self._steps = FORGET * self._steps + steps
        if progress.checkpoint is not None:
            self._keep(progress.checkpoint, interventions)
        return progress

    def _keep(self, checkpoint: Checkpoint, interventions: Sequence[Intervention]) -> None:
        self._trainers.checkpoints.keep(self.experiment, interventions, checkpoint)
        if checkpoint.step > self._saved:
            self._saved, self._deaths = checkpoint.step, 0.0

    async def _answered(self, handle: ActorHandle, arguments: tuple[Any, ...]) -> Progress:
        if handle.future.status != "finished":  # the worker died while the call waited for its turn
            raise self._lost(BEFORE_TRAINING)
        try:
            progress: Progress = await self._trainers.answer(handle.worker, _called(handle, arguments))
        except LOSSES as error:
            raise self._lost() from error
        return progress

    def _lost(self, counts: float = 1.0) -> TrainerLostError:
        """Count a death. Raises TrainerFailedError if there were too many with nothing gained between them."""
        self.release()
        self._deaths += counts
        if self._deaths >= self._deaths_allowed:
            self._deaths = 0.0
            raise TrainerFailedError(
                f"The process that trained this network ended {self._deaths_allowed} times "
                f"at step {self.step:,}. Perhaps it ran out of memory: "
                "try a narrower network or a smaller mini-batch."
            )
        return TrainerLostError()


async def _called(handle: ActorHandle, arguments: tuple[Any, ...]) -> Any:
    return await handle.actor.advance(*arguments)


class PlaybackArm:
    """An arm that plays back a finished Recording."""

    is_ready = True
    seconds_per_step = None

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.step = 0
        self._shown = -1  # the first call brings the snapshot of step 0

    async def ready(self, interventions: Sequence[Intervention]) -> None:
        """Nothing to prepare."""

    async def advance(self, steps: int, interventions: Sequence[Intervention], every_step: bool) -> Progress:
        """The snapshots of the next `steps` steps, as far as the recording goes."""
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
        """There is nothing to release."""
