"""The RunManager: opens runs, finds them, and ends those that nobody looks at."""

from __future__ import annotations

import asyncio
import functools
import os
import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

from bnviz.data.lru import Held
from bnviz.data.paths import home
from bnviz.experiment import Experiment, Intervention
from bnviz.recording import Recording
from bnviz.runs.cost import check
from bnviz.runs.feeds import Feeds, FeedSeries
from bnviz.runs.limits import Limits
from bnviz.runs.measurements import Measurements
from bnviz.runs.person import Person
from bnviz.runs.questions import Answer, Questions
from bnviz.runs.recording_cache import RecordingCache
from bnviz.runs.run import Run
from bnviz.runs.saved_runs import SavedRun, SavedRuns
from bnviz.runs.shown_run import ShownRun
from bnviz.runs.sweeps import Sweeps
from bnviz.runs.trainers import Trainers

HOUSEKEEPING_SECONDS = 1.0

ABANDONED_SECONDS = 60.0
"""A run that no page has asked for so long may be dropped where memory is needed. Pages ask each second."""


class RunManager:
    """All runs of this server and the processes that train for them.

    workers: trainer processes, by default $BNVIZ_WORKERS or one for each core. scheduler: the address
    of a Dask cluster to train on instead, by default $BNVIZ_SCHEDULER. folder: names where runs are saved, a folder
    that is there. Every method may be called from any thread.
    """

    def __init__(
        self,
        workers: int | None = None,
        scheduler: str | None = None,
        limits: Limits | None = None,
        folder: Callable[[], Path] = home,
    ) -> None:
        self._limits = Limits.from_environment() if limits is None else limits
        self._trainers = Trainers(
            workers=_workers_from_environment() if workers is None else workers,
            scheduler=scheduler or os.environ.get("BNVIZ_SCHEDULER") or None,
            limits=self._limits,
        )
        self._recording_cache = RecordingCache(self._limits.kept_recordings, self._limits.kept_mb * 1_000_000)
        self.sweeps = Sweeps(self._trainers)
        self.measurements = Measurements(self._trainers, self._limits)
        self.feeds = Feeds(self._limits)
        self._saved_runs = SavedRuns(lambda: folder() / "saved-runs", self._limits.saved_runs_mb * 1_000_000)
        self._questions = Questions(self._trainers, self._limits)
        self._lock = threading.Lock()
        self._runs: dict[str, Run] = {}

    @property
    def workers(self) -> int:
        """How many processes train on this machine."""
        return self._trainers.workers

    @property
    def limits(self) -> Limits:
        """The limits of this server."""
        return self._limits

    def start(self) -> None:
        """Begin to start the trainer processes. Returns at once; runs wait for them."""
        self._trainers.start(self._housekeeping)

    def close(self) -> None:
        """End every run and every trainer process. Returns when they are gone; may be called again."""
        with self._lock:
            runs = list(self._runs.values())
            self._runs.clear()
        for run in runs:
            run.stop()
        self.feeds.close()
        self._trainers.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def open(
        self,
        arms: Sequence[Experiment],
        interventions: Sequence[Sequence[Intervention]] | None = None,
        beside: Sequence[Recording] = (),
        person: Person | None = None,
        computed: Sequence[Recording] = (),
        saved_as: str = "",
    ) -> Run:
        """A new run at step 0; nothing trains before `play`.

        interventions: to be made, for each arm. beside: earlier Recordings, to compare with.
        person: to whom it belongs. computed: finished Recordings of these arms, to be played back: whoever drives it
        may have it trained anew. saved_as: a name, of letters and digits; where an equal run was saved under it, before
        the server was restarted or the run dropped, this one goes on from there, at once if that one trained.
        Raises TooCostlyError for a run beyond the limits.
        """
        check(arms, self._limits)
        planned = [()] * len(arms) if interventions is None else interventions
        saved = self._saved_runs.load(saved_as) if saved_as else None
        saved = saved and saved.planned(arms, planned)
        run = Run(
            arms,
            planned,
            self._trainers,
            self._recording_cache,
            self._limits,
            beside=beside,
            person=person,
            computed=computed,
            saved=saved,
        )
        run.saved_as = saved_as
        self._add(run)
        if saved is not None:
            self._trainers.soon(functools.partial(self._keep_checkpoints, saved))
            if saved.playing:
                run.play()
        return run

    def show(self, shown: Sequence[Recording | FeedSeries], person: Person | None = None) -> Run:
        """A run of earlier Recordings, and of what other programs train: only to be looked at."""
        return self._add(ShownRun(shown, self._trainers, self._recording_cache, self._limits, person))

    def _add(self, run: Run) -> Run:
        """Add a new run, and drop surplus ones: those idle for longest, the same person's before others'."""
        limits = self._limits
        with self._lock:
            self._runs[run.id] = run
            droppable = [item for item in self._runs.values() if not item.held and item is not run]
            by_need = sorted(droppable, key=lambda item: (item.active, -item.untouched_seconds))
            own = [item for item in by_need if item.person == run.person]
            surplus = own[: max(0, len(own) + 1 - limits.open_runs_a_person)]
            others = [item for item in by_need if item not in surplus]
            surplus += others[: max(0, len(self._runs) - len(surplus) - limits.open_runs)]
        for item in surplus:
            self._drop(item)
        return run

    def get(self, run_id: str) -> Run | None:
        """The run with this id, or None if there is none or it was dropped."""
        return self._runs.get(run_id)

    def inspect(
        self,
        experiment: Experiment,
        interventions: Sequence[Intervention],
        step: int,
        function: str,
        person: Person | None = None,
        **arguments: Hashable,
    ) -> Answer:
        """Call `function`, named "package.module:function", on the network as it was at `step`.

        A worker process calls it with the Trainer and the arguments. The Answer is a Future of its result; it
        raises InspectionError, whose message is a sentence. person: who asks; the workers' time is shared
        fairly among persons.
        """
        return self._questions.ask(
            experiment, interventions, step, function, person or Person(""), **arguments
        )

    def held(self) -> Mapping[str, Held]:
        """How much is kept: runs, finished recordings, answers about networks, and checkpoints."""
        with self._lock:
            runs = list(self._runs.values())
        oldest = max((item.untouched_seconds for item in runs), default=0.0)
        return {
            "runs": Held(len(runs), sum(item.nbytes for item in runs), oldest),
            "recordings": self._recording_cache.held(),
            "answers": self._questions.held(),
            "checkpoints": self._trainers.checkpoints.held(),
        }

    def _keep_checkpoints(self, saved: SavedRun) -> None:
        for recording, checkpoint in zip(saved.recordings, saved.checkpoints, strict=True):
            if checkpoint is not None:
                self._trainers.checkpoints.keep(recording.experiment, recording.interventions, checkpoint)

    async def _save(self, run: Run) -> None:
        """Write the run to the disk, with the newest Checkpoints, if there is something new."""
        name, state = run.saved_as, f"{run.id}-{run.revision}"
        if not name or not self._saved_runs.is_due(name, state):
            return
        saved = run.to_save()
        if saved is not None:
            checkpoints = (
                self._trainers.checkpoints.nearest(item.experiment, item.interventions, step)
                for item, step in zip(saved.recordings, saved.reached, strict=True)
            )
            saved = replace(saved, checkpoints=tuple(checkpoints))
        await asyncio.to_thread(self._saved_runs.save, name, state, saved)

    def _drop(self, run: Run) -> None:
        with self._lock:
            self._runs.pop(run.id, None)
        run.stop()

    async def _housekeeping(self) -> None:
        limits = self._limits
        while True:
            await asyncio.sleep(min(HOUSEKEEPING_SECONDS, limits.unwatched_seconds / 4))
            self.sweeps.stop_unwatched(limits.unwatched_seconds)
            self.measurements.stop_unwatched(limits.unwatched_seconds)
            self.feeds.drop_idle()
            with self._lock:
                runs = list(self._runs.values())
            for run in runs:
                await self._save(run)
                if run.untouched_seconds > limits.dropped_seconds and not run.held:
                    self._drop(run)
                elif run.active and run.untouched_seconds > limits.unwatched_seconds:
                    run.pause_unwatched()
            self.make_room()

    def make_room(self) -> None:
        """Drop abandoned runs, those idle for longest first, until the others take no more memory than allowed."""
        with self._lock:
            runs = sorted(self._runs.values(), key=lambda item: -item.untouched_seconds)
        surplus = sum(item.nbytes for item in runs) - self._limits.runs_mb * 1_000_000
        for run in runs:
            if surplus <= 0 or run.untouched_seconds < ABANDONED_SECONDS:
                return
            if not run.held:
                surplus -= run.nbytes
                self._drop(run)


def _workers_from_environment() -> int | None:
    text = os.environ.get("BNVIZ_WORKERS")
    if not text:
        return None
    if not text.isdecimal() or int(text) == 0:
        raise ValueError(f"BNVIZ_WORKERS = {text!r} is not allowed; allowed is a whole number above 0")
    return int(text)
