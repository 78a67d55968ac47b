"""Room, a class: the parts of its lesson that it was shown, their questions and votes. Only Rooms changes it."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

import orjson

from bnviz.classroom.asked import Asked, questions_of
from bnviz.classroom.lesson_part import Part
from bnviz.classroom.lesson_plans import LessonPlan
from bnviz.classroom.store import ClassRow, PartRow, QuestionRow, VoteRow
from bnviz.classroom.subject import ClassSubject
from bnviz.labs.base import Lab
from bnviz.labs.predictions import Answer
from bnviz.runs import Run

MOST_ROUNDS = 2
"""Before the class has discussed, and after."""

BY_HAND = 0
"""The part of a class without a lesson, and of a run that is shown between the parts of one."""


class ClassroomError(Exception):
    """A class does not allow this now; the message is a sentence."""


class Poll:
    """A question to the class with its votes. votes: by round, what each voter answered."""

    def __init__(self, asked: Asked, row: QuestionRow) -> None:
        self.asked = asked
        self.row = row
        self.votes: dict[int, dict[bytes, str]] = {number: {} for number in range(1, MOST_ROUNDS + 1)}

    @property
    def name(self) -> str:
        """Of the question, within its part."""
        return self.asked.name

    @property
    def answer(self) -> Answer:
        """What turned out right, as it was noted; None where that is unknown."""
        found = orjson.loads(self.row.measured) if self.row.measured else None
        return tuple(map(float, found)) if isinstance(found, list) else found

    @property
    def settled(self) -> bool:
        """Whether it is noted what turned out right, or that nothing answers the question."""
        return bool(self.row.measured)

    def answers(self, number: int) -> list[str]:
        """The answers given in a round, in no order."""
        return list(self.votes[number].values())


class ShownPart:
    """A part of the lesson, or a run shared by hand: what the class looks at, and what it is asked there.

    part: what the lesson says, None for a run shared by hand. subject: what it looks at, None for text alone.
    """

    def __init__(self, row: PartRow, part: Part | None) -> None:
        self.row = row
        self.part = part
        self.subject = ClassSubject.from_json(row.shown) if row.shown else None
        lab = self.lab
        self.polls = {
            item.name: Poll(item, QuestionRow(row.part, item.name)) for item in questions_of(part, lab)
        }
        self.run: Run | None = None
        self.stored_at = 0.0
        self.opening = threading.Lock()

    @property
    def lab(self) -> Lab | None:
        """The lab that the class looks at; None for a run of the Playground, and for text alone."""
        return self.subject.found_lab if self.subject else None

    @property
    def is_open(self) -> bool:
        """Whether one of its questions is open."""
        return any(poll.row.is_open for poll in self.polls.values())

    def poll(self, name: str = "") -> Poll:
        """The question of that name; the first for "". Raises ClassroomError."""
        found = self.polls.get(name or next(iter(self.polls), ""))
        if found is None:
            raise ClassroomError("There is no such question in this part.")
        return found


def first_row(plan: LessonPlan, number: int) -> PartRow:
    """A part, from 1, as it is before anybody has seen it."""
    subject = ClassSubject.of_part(plan.parts[number - 1])
    return PartRow(number, subject.to_json() if subject else "")


class Room:
    """One class.

    joined: the digests of those who opened the class to answer. They are not stored: a page that is open joins anew
    after a restart. version: a number that grows with every change that a page shows. parts: those that were shown.
    """

    def __init__(
        self,
        row: ClassRow,
        parts: Iterable[PartRow],
        questions: Iterable[QuestionRow] = (),
        votes: Sequence[VoteRow] = (),
    ) -> None:
        self.row = row
        self.plan = LessonPlan.model_validate_json(row.lesson) if row.lesson else None
        self.parts: dict[int, ShownPart] = {}
        for item in parts:
            self.add(item)
        for question in questions:
            poll = self._poll(question.part, question.question)
            if poll is not None:
                poll.row = question
        for vote in votes:
            poll = self._poll(vote.part, vote.question)
            if poll is not None:
                poll.votes[vote.round][vote.voter] = vote.answer
        self.joined = {vote.voter for vote in votes}
        self.version = 0

    @property
    def code(self) -> str:
        """The code in the link."""
        return self.row.code

    @property
    def at(self) -> ShownPart:
        """What the class looks at now."""
        return self.parts[self.row.part]

    def planned(self, number: int) -> Part | None:
        """What the lesson says of its part `number`, from 1; None for a run shared by hand."""
        return self.plan.parts[number - 1] if self.plan and number != BY_HAND else None

    def add(self, row: PartRow) -> ShownPart:
        """Add a part, in place of an earlier one of that number."""
        self.parts[row.part] = ShownPart(row, self.planned(row.part))
        return self.parts[row.part]

    def ahead(self, number: int) -> ShownPart | None:
        """A part that was not shown yet, to be read without its run, where the lesson lets students run ahead."""
        if self.plan is None or not self.plan.ahead or not 1 <= number <= len(self.plan.parts):
            return None
        return ShownPart(first_row(self.plan, number), self.planned(number))

    def _poll(self, part: int, name: str) -> Poll | None:
        return self.parts[part].polls.get(name) if part in self.parts else None
