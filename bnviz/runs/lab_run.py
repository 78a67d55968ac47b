"""A lab on the page: one Run that trains its networks, then the lab's inspection of each of them."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from bnviz.labs.base import Lab, Result, Setting
from bnviz.recording.outcome import Outcome
from bnviz.runs import Answer, Person, Run, RunManager

CAPACITY = 200
"""LabRuns kept; beyond it the one opened first is dropped, as its Run will be."""


class LabRun:
    """One lab being run. Every method may be called from any thread, and returns at once.

    computed: its outcomes where they were computed before; they are played back. saved_as: as for `RunManager.open`.
    """

    def __init__(
        self,
        lab: Lab,
        setting: Setting,
        manager: RunManager,
        person: Person | None = None,
        computed: Sequence[Outcome] = (),
        saved_as: str = "",
    ) -> None:
        self.lab, self.setting = lab, setting
        self._computed = tuple(computed)
        self._manager = manager
        self._lock = threading.Lock()
        self._answers: list[Answer] = []
        self._since = 0.0  # when the inspections began
        self.run: Run = manager.open(
            [job.experiment for job in lab.jobs(setting)],
            person=person,
            computed=[item.recording for item in self._computed],
            saved_as=saved_as,
        )

    @property
    def trained(self) -> bool:
        """Whether every network is trained to its end."""
        return all(recording.finished for recording in self.run.recordings)

    @property
    def done(self) -> bool:
        """Whether there is a verdict: all networks are trained, and inspected if the lab has an inspection."""
        if not self.trained:
            return False
        if self.lab.inspection is None:
            return True
        return bool(self._answers) and all(future.done() for future in self._answers)

    @property
    def looked(self) -> float:
        """The share of the inspections that is done, from 0 to 1."""
        shares = [1.0 if item.done() else item.share for item in self._answers]
        return sum(shares) / len(shares) if shares else 0.0

    @property
    def message(self) -> str:
        """How far the inspections are, a sentence; "" while there are none."""
        if not self._answers or self.done:
            return ""
        share, seconds = self.looked, time.monotonic() - self._since
        left = math.ceil(seconds / share - seconds) if share > 0.05 else 0
        time_left = f", about {left} s left" if left > 1 else ""
        return f"All networks are trained; now they are looked into: {share:.0%}{time_left}."

    @property
    def trouble(self) -> str:
        """Why there will be no verdict, a sentence; "" if there will be one."""
        failures = (future.exception() for future in self._answers if future.done())
        return next((str(failure) for failure in failures if failure is not None), "")

    def inspect(self) -> None:
        """Start the inspections, if the lab has one, all networks are trained, and it was not done yet."""
        if self.lab.inspection is None or not self.trained:
            if self._answers and not self.trained:  # reset, and trained anew
                self._answers = []
            return
        with self._lock:
            if not self._answers:
                self._since = time.monotonic()
                if self._computed and self.run.kept:
                    self._answers = [_answered(item) for item in self._computed]
                    return
                self._answers = [
                    self._manager.inspect(
                        item.experiment, (), item.experiment.steps, self.lab.inspection, self.run.person
                    )
                    for item in self.run.recordings
                ]

    def result(self) -> Result:
        """The lab's Result so far."""
        found: list[Mapping[str, Any]] = [{} for _ in self.run.recordings]
        if self.done and not self.trouble:
            found = [future.result() for future in self._answers] or found
        outcomes = [Outcome(*pair) for pair in zip(self.run.recordings, found, strict=True)]
        return self.lab.result(self.setting, outcomes)


def _answered(outcome: Outcome) -> Answer:
    """What an inspection found, as if it had just been asked."""
    answer = Answer()
    answer.set_result(outcome.inspection)
    return answer


class LabRuns:
    """The LabRuns of a server, by the ids of their Runs. May be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._all: dict[str, LabRun] = {}  # the one opened first comes first

    def open(
        self,
        lab: Lab,
        setting: Setting,
        manager: RunManager,
        person: Person | None = None,
        computed: Sequence[Outcome] = (),
        saved_as: str = "",
    ) -> LabRun:
        """A new one, at step 0. person: to whom it belongs. computed: its outcomes, to be played back.

        saved_as: as for `RunManager.open`. Raises TooCostlyError for one beyond the limits.
        """
        item = LabRun(lab, setting, manager, person, computed, saved_as)
        with self._lock:
            # A run that the manager has dropped must not live on here, with all that it recorded.
            self._all = {key: other for key, other in self._all.items() if manager.get(key) is not None}
            self._all[item.run.id] = item
            loose = [key for key, other in self._all.items() if not other.run.held]
            for key in loose[: max(0, len(self._all) - CAPACITY)]:
                del self._all[key]
        return item

    def get(self, run_id: str) -> LabRun | None:
        """The one whose Run has this id."""
        return self._all.get(run_id)
