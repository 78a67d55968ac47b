"""The networks of the site, each trained once however many pages show it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from bnviz.experiment import Experiment
from bnviz.experiment.job import Job
from bnviz.recording import Recording
from bnviz.recording.outcome import Outcome

Train = Callable[[Sequence[Job]], Sequence[Outcome]]
"""Trains jobs and returns their outcomes, in the same order."""


class Networks:
    """Outcomes by their Jobs."""

    def __init__(self, train: Train) -> None:
        self._train = train
        self._outcomes: dict[Job, Outcome] = {}

    def train(self, jobs: Iterable[Job]) -> None:
        """Train those that are not there yet, all in one call: it starts the worker processes."""
        missing = [job for job in dict.fromkeys(jobs) if job not in self._outcomes]
        if missing:
            self._outcomes |= dict(zip(missing, self._train(missing), strict=True))

    def __getitem__(self, job: Job) -> Outcome:
        """The Outcome of a Job that was trained. Raises KeyError."""
        return self._outcomes[job]

    def recordings(self, arms: Sequence[Experiment]) -> list[Recording]:
        """The Recordings of networks that were trained, in this order. Raises KeyError."""
        return [self[Job(arm)].recording for arm in arms]
