"""What a class looks at, the Playground's arms or a lab, in a form that can be stored and opened again."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Self

import orjson

from bnviz.classroom import computed
from bnviz.classroom.lesson_part import Part
from bnviz.experiment import Experiment, Intervention
from bnviz.labs import all_labs, find
from bnviz.labs.base import Lab, Setting
from bnviz.runs import Run, RunManager
from bnviz.runs.lab_run import LabRun, LabRuns


@dataclass(frozen=True)
class ClassSubject:
    """A run without its numbers: training gives them again.

    arms, changes: of the Playground, each arm's Experiment as JSON and its interventions as in a link.
    lab, quick, images, seeds, steps: of a lab; lab is "" for the Playground, seeds and steps None for the lab's own.
    speed: steps a second, None for as many as can be.
    """

    arms: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    lab: str = ""
    quick: bool = True
    seeds: int | None = None
    steps: int | None = None
    images: bool = False
    speed: float | None = None

    @classmethod
    def of_run(cls, run: Run) -> Self:
        """The subject of a run of the Playground, with what was changed in it so far."""
        return cls(tuple(arm.to_json() for arm in run.arms), interventions_of(run))

    @classmethod
    def of_lab(cls, lab_run: LabRun) -> Self:
        """The subject of a lab's run."""
        setting = lab_run.setting
        return cls(
            lab=lab_run.lab.name,
            quick=setting.quick,
            seeds=setting.seeds,
            steps=setting.steps,
            images=setting.images,
        )

    @classmethod
    def of_part(cls, part: Part) -> Self | None:
        """The subject that a part of a lesson opens; None for text alone, and for a page on which nothing trains."""
        if part.place == "playground":
            comparison = part.comparison
            changes = tuple(map(Intervention.format_all, comparison.interventions))
            return cls(tuple(arm.to_json() for arm in comparison.arms), changes, speed=part.speed)
        if part.place != "labs" or part.settings.get("lab") not in all_labs():
            return None
        setting = part.lab_setting
        return cls(
            lab=part.settings["lab"],
            quick=setting.quick,
            seeds=setting.seeds,
            steps=setting.steps,
            images=setting.images,
        )

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The inverse of `to_json`. Raises ValueError or TypeError for what it did not write."""
        values = orjson.loads(text)
        return cls(**(values | {"arms": tuple(values["arms"]), "changes": tuple(values["changes"])}))

    def to_json(self) -> str:
        """The text to store."""
        return orjson.dumps(asdict(self)).decode()

    @property
    def found_lab(self) -> Lab | None:
        """The lab; None for the Playground. Raises ValueError for a lab that no longer exists."""
        return find(self.lab) if self.lab else None

    def open(self, manager: RunManager, lab_runs: LabRuns, saved_as: str = "") -> Run:
        """A new run of it, at step 0 or where it was saved under this name.

        Raises ValueError where this version of bnviz cannot open it.
        """
        lab = self.found_lab
        if lab is not None:
            setting = Setting(self.quick, self.seeds, self.steps, images=self.images)
            return lab_runs.open(
                lab, setting, manager, computed=computed.find(lab, setting), saved_as=saved_as
            ).run
        arms = [Experiment.from_json(text) for text in self.arms]
        changes = [Intervention.parse_all(text) for text in self.changes]
        run = manager.open(arms, changes, saved_as=saved_as)
        run.set_speed(self.speed)
        return run


def interventions_of(run: Run) -> tuple[str, ...]:
    """What was changed in each arm, as in a link; recordings beside the arms are left out."""
    return tuple(Intervention.format_all(item.interventions) for item in run.recordings[: len(run.arms)])
