"""A lab on the page: its arms as one Run, and what was found out about the trained networks at the end."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from bnviz.labs.base import Lab, Result, Setting
from bnviz.parallel import Outcome
from bnviz.runs import Run, RunManager

CAPACITY = 200
"""LabRuns remembered; beyond it the one not asked for longest is forgotten, as its Run will be."""


class LabRun:
    """One lab being run. Every method is for any thread and returns at once."""

    def __init__(self, lab: Lab, setting: Setting, manager: RunManager) -> None:
        self.lab, self.setting = lab, setting
        self._manager = manager
        self._lock = threading.Lock()
        self._looking: list[Future[Mapping[str, Any]]] = []
        self.run: Run = manager.open([job.experiment for job in lab.jobs(setting)])

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
                self._looking = [
                    self._manager.inspect(item.experiment, (), item.experiment.steps, self.lab.inspection)
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

    def open(self, lab: Lab, setting: Setting, manager: RunManager) -> LabRun:
        """A new one, at step 0."""
        item = LabRun(lab, setting, manager)
        with self._lock:
            self._all[item.run.id] = item
            while len(self._all) > CAPACITY:
                self._all.popitem(last=False)
        return item

    def get(self, run_id: str) -> LabRun | None:
        """The one whose Run has this id."""
        return self._all.get(run_id)
