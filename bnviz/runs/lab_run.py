"""A lab on the page: its arms as one Run, and what was found out about the trained networks at the end."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from bnviz.labs.base import Lab, Result, Setting
from bnviz.recording.outcome import Outcome
from bnviz.runs import Looking, Person, Run, RunManager

CAPACITY = 200
"""LabRuns remembered; beyond it the one not asked for longest is forgotten, as its Run will be."""


class LabRun:
    """One lab being run. Every method is for any thread and returns at once."""

    def __init__(self, lab: Lab, setting: Setting, manager: RunManager, person: Person | None = None) -> None:
        self.lab, self.setting = lab, setting
        self._manager = manager
        self._lock = threading.Lock()
        self._looking: list[Looking] = []
        self._since = 0.0  # when looking began
        self.run: Run = manager.open([job.experiment for job in lab.jobs(setting)], person=person)

    @property
    def trained(self) -> bool:
        """Whether every network is trained to its end."""
        return all(recording.finished for recording in self.run.recordings)

    @property
    def done(self) -> bool:
        """Whether there is a verdict to give: all is trained, and looked into where the lab does so."""
        if not self.trained:
            return False
        if self.lab.inspection is None:
            return True
        return bool(self._looking) and all(future.done() for future in self._looking)

    @property
    def looked(self) -> float:
        """How much of the looking into the trained networks is done, from 0 to 1."""
        shares = [1.0 if item.done() else item.share for item in self._looking]
        return sum(shares) / len(shares) if shares else 0.0

    @property
    def message(self) -> str:
        """How the looking into the networks goes, a sentence; nothing where there is nothing to say."""
        if not self._looking or self.done:
            return ""
        share, seconds = self.looked, time.monotonic() - self._since
        left = math.ceil(seconds / share - seconds) if share > 0.05 else 0
        time_left = f", about {left} s left" if left > 1 else ""
        return f"All networks are trained; now they are looked into: {share:.0%}{time_left}."

    @property
    def trouble(self) -> str:
        """Why there will be no verdict, a sentence; nothing if there will be one."""
        failures = (future.exception() for future in self._looking if future.done())
        return next((str(failure) for failure in failures if failure is not None), "")

    def look_closer(self) -> None:
        """Have the trained networks looked into, if the lab does so and it was not done yet."""
        if self.lab.inspection is None or not self.trained:
            if self._looking and not self.trained:  # reset, and trained anew
                self._looking = []
            return
        with self._lock:
            if not self._looking:
                self._since = time.monotonic()
                self._looking = [
                    self._manager.inspect(
                        item.experiment, (), item.experiment.steps, self.lab.inspection, self.run.person
                    )
                    for item in self.run.recordings
                ]

    def result(self) -> Result:
        """What there is so far."""
        found: list[Mapping[str, Any]] = [{} for _ in self.run.recordings]
        if self.done and not self.trouble:
            found = [future.result() for future in self._looking] or found
        outcomes = [Outcome(*pair) for pair in zip(self.run.recordings, found, strict=True)]
        return self.lab.result(self.setting, outcomes)


class LabRuns:
    """The LabRuns of a server, by the ids of their Runs. For any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._all: OrderedDict[str, LabRun] = OrderedDict()

    def open(self, lab: Lab, setting: Setting, manager: RunManager, person: Person | None = None) -> LabRun:
        """A new one, at step 0. person: whose it is. Raises TooCostlyError for more than the server takes on."""
        item = LabRun(lab, setting, manager, person)
        with self._lock:
            self._all[item.run.id] = item
            loose = [key for key, other in self._all.items() if not other.run.held]
            for key in loose[: max(0, len(self._all) - CAPACITY)]:
                del self._all[key]
        return item

    def get(self, run_id: str) -> LabRun | None:
        """The one whose Run has this id."""
        return self._all.get(run_id)
