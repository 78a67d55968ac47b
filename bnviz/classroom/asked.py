"""What a class is asked: the prediction that a lab asks for, and a question of the teacher's own with options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, TypeAlias

from bnviz.classroom.lesson_part import Ask, Part, shown
from bnviz.classroom.schema import LAB
from bnviz.classroom.voting import Truth, measured, score
from bnviz.labs.base import Lab
from bnviz.labs.predictions import Answer, Choice, Estimate, Score
from bnviz.runs import Run
from bnviz.runs.lab_run import LabRun

OWN = "own"


@dataclass(frozen=True)
class Watched:
    """The run that a class looks at; None for a part without one. lab_run: of the lab that it belongs to, if any."""

    run: Run | None = None
    lab_run: LabRun | None = None

    @property
    def begun(self) -> bool:
        """Whether anything may have been measured: training was started, and the run was not reset since."""
        return self.run is not None and (
            self.run.active or any(item.snapshots for item in self.run.recordings)
        )

    def reached(self, step: int | None) -> bool:
        """Whether the run has come to the step, or to its end."""
        if self.run is None:
            return False
        return self.run.state == "finished" or (step is not None and self.run.step >= step)


@dataclass(frozen=True)
class Told:
    """What a class is told once its answers are judged.

    word, said: in a few words, and in full. holds: whether a claim holds, None where that is unclear or none was
    tested. claims: whether a claim was tested. mark: the word for what turned out right.
    """

    word: str
    said: str
    measured: tuple[Truth, ...]
    holds: bool | None = None
    claims: bool = True
    mark: str = "measured"


@dataclass(frozen=True)
class LabQuestion:
    """The prediction that a lab asks for. The verdict on its networks judges it."""

    lab: Lab
    name: ClassVar[str] = LAB
    tells: ClassVar[bool] = False

    @property
    def text(self) -> str:
        """The question."""
        return self.lab.question

    @property
    def title(self) -> str:
        """What it is about, for a file of answers."""
        return self.lab.title

    @property
    def prediction(self) -> Choice | Estimate:
        """What may be answered."""
        return self.lab.prediction

    @property
    def behind(self) -> str:
        """Markdown on what is behind it."""
        return self.lab.explanation

    def score(self, text: str, answer: Answer) -> Score:
        """How an answer fared. Raises PredictionError."""
        return score(self.prediction, text, answer)

    def judged(self, watched: Watched, told: bool) -> bool:
        """Whether the answers can be judged."""
        return watched.lab_run is not None and watched.lab_run.done

    def answer(self, watched: Watched) -> Answer:
        """What was measured; None where nothing was, or where it answers nothing."""
        lab_run = watched.lab_run
        if lab_run is None or not lab_run.done or lab_run.trouble:
            return None
        return self.lab.verdict(lab_run.result()).answer

    def verdict(self, watched: Watched) -> Told | None:
        """What the class is told."""
        lab_run = watched.lab_run
        if lab_run is None:
            return None
        if lab_run.trouble:
            return Told("There is no verdict", lab_run.trouble, ())
        verdict = self.lab.verdict(lab_run.result())
        said = verdict.said.removeprefix(f"{verdict.word}. ")
        return Told(verdict.word, said, measured(self.prediction, verdict.answer), verdict.holds)


@dataclass(frozen=True)
class OwnQuestion:
    """A question of the teacher's own. What is measured up to the step `until` judges it, or the plan itself.

    title: of the part that it stands in.
    """

    ask: Ask
    title: str
    until: int | None = None
    name: ClassVar[str] = OWN

    @property
    def text(self) -> str:
        """The question."""
        return self.ask.question

    @property
    def prediction(self) -> Choice:
        """What may be answered: the options, by their numbers from 1."""
        return Choice({str(number): words for number, words in enumerate(self.ask.options, 1)})

    @property
    def behind(self) -> str:
        """Markdown on what is behind it."""
        return shown(self.ask.explanation)

    @property
    def tells(self) -> bool:
        """Whether the plan says which answer is right, so that the teacher decides when the class is told."""
        return self.ask.answer is not None

    def score(self, text: str, answer: Answer) -> Score:
        """How an answer fared. Raises PredictionError."""
        scored = score(self.prediction, text, answer)
        if not self.tells or not isinstance(answer, str):
            return scored
        said, right = self.prediction.words(text), self.prediction.words(answer)
        return replace(
            scored,
            sentence=f"Right. You said “{said}”."
            if scored.right
            else f"Not so. You said “{said}”; the answer is “{right}”.",
        )

    def judged(self, watched: Watched, told: bool) -> bool:
        """Whether the answers can be judged. told: whether the teacher lets the class know the plan's answer."""
        return told if self.tells else watched.reached(self.until)

    def answer(self, watched: Watched) -> Answer:
        """The number of the right option; None where what was measured decides nothing."""
        right = self.ask.right(watched.run.recordings if watched.run else (), self.until)
        return None if right is None else str(right)

    def verdict(self, watched: Watched) -> Told | None:
        """What the class is told."""
        answer = self.answer(watched)
        truths = measured(self.prediction, answer)
        if not truths:
            return Told("No answer", "What this run measured does not answer the question.", (), claims=False)
        numbers = self.ask.told(watched.run.recordings, self.until) if watched.run else ""
        said = f"“{truths[0].words}”{f' ({numbers})' if numbers else ''}."
        if self.tells:
            return Told("The answer", said, truths, claims=False, mark="right")
        return Told("Measured", said, truths, claims=False)


Asked: TypeAlias = LabQuestion | OwnQuestion


def questions_of(part: Part | None, lab: Lab | None) -> Sequence[Asked]:
    """The questions of a part that opens the lab, or of a run that was shared by hand: the lab's first."""
    of_lab = [] if lab is None else [LabQuestion(lab)]
    if part is None or part.ask is None:
        return of_lab
    return [*of_lab, OwnQuestion(part.ask, part.title, part.until)]
