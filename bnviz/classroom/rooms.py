"""Rooms, all classes of this server: what each looks at, what it is asked, what it answers."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

import orjson

from bnviz.classroom.asked import Watched
from bnviz.classroom.codes import digest, fits, new_code, new_key
from bnviz.classroom.lesson_plans import LessonPlan
from bnviz.classroom.room import BY_HAND, MOST_ROUNDS, ClassroomError, Poll, Room, ShownPart, first_row
from bnviz.classroom.store import ClassRow, PartRow, QuestionRow, Store, StoreError, VoteRow
from bnviz.classroom.subject import ClassSubject, interventions_of
from bnviz.data.paths import home
from bnviz.labs.predictions import PredictionError
from bnviz.runs import Run, RunManager, TooCostlyError
from bnviz.runs.lab_run import LabRun, LabRuns

MOST_VOTERS = 1000
"""Answers to one question."""
MOST_HELD = 50
"""Classes whose runs the manager must not drop; beyond it the class not asked for longest gives its run up."""
PROGRESS_SECONDS = 2.0
"""The time between two writes of a run's progress; what a crash loses of it is trained again."""


@dataclass(frozen=True)
class Opened:
    """A new class: its code is for everybody, its key for the teacher alone."""

    code: str
    key: str


class Rooms:
    """The classes of this server. Any thread may call any method; each raises StoreError where it cannot store.

    A method that takes the name of a question means the part that the class is at; "" is the first question there.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.RLock()
        self._rooms: OrderedDict[str, Room] = OrderedDict()

    def close(self) -> None:
        """Close the file."""
        self._store.close()

    def start(self, run: Run, lab_run: LabRun | None, address: str) -> Opened:
        """Start a class that looks at the run.

        lab_run: of the lab that the run belongs to, if any. address: where others reach this server.
        """
        subject = ClassSubject.of_run(run) if lab_run is None else ClassSubject.of_lab(lab_run)
        opened, room = self._open(PartRow(BY_HAND, subject.to_json(), run.step), address)
        with self._lock:
            self._hold(room, room.at, run)
        return opened

    def start_lesson(self, plan: LessonPlan, address: str) -> Opened:
        """Start a class at the first part of the lesson, which it keeps as it is now, whatever becomes of its file."""
        return self._open(first_row(plan, 1), address, plan)[0]

    def show(self, room: Room, run: Run, lab_run: LabRun | None) -> None:
        """Show the class another run, by the same link. The question of this run begins anew.

        A class with a lesson keeps the questions and votes of the lesson's parts, and can turn back to them.
        """
        subject = ClassSubject.of_run(run) if lab_run is None else ClassSubject.of_lab(lab_run)
        with self._lock:
            row = replace(room.row, part=BY_HAND, ended=False)
            part = PartRow(BY_HAND, subject.to_json(), run.step)
            self._store.change_class(row, part, forget_votes=True)
            before = room.at
            room.add(part)
            self._let_go(before)
            self._hold(room, room.at, run)
            self._changed(room, row)

    def turn(self, room: Room, number: int) -> None:
        """Turn the lesson to a part, from 1; its questions stand as they were left. Raises ClassroomError."""
        with self._lock:
            if room.plan is None:
                raise ClassroomError("This class has no lesson.")
            if not 1 <= number <= len(room.plan.parts):
                raise ClassroomError(f"This lesson has {len(room.plan.parts)} parts.")
            if room.at.is_open:
                raise ClassroomError("A question is open. Close it before you turn to another part.")
            row = replace(room.row, part=number)
            known = room.parts.get(number)
            part = known.row if known else first_row(room.plan, number)
            self._store.change_class(row, part)
            before = room.at
            if known is None:
                room.add(part)
            if before.row.part != number:
                self._let_go(before)
            self._changed(room, row)

    def find(self, code: str) -> Room | None:
        """The class of that code, None if there is none. Raises ClassroomError for one that cannot be read."""
        with self._lock:
            room = self._rooms.get(code)
            if room is None:
                row = self._store.find_class(code)
                if row is None:
                    return None
                stored = self._store.parts(code), self._store.questions(code), self._store.votes(code)
                try:
                    room = self._rooms[code] = Room(row, *stored)
                except (ValueError, TypeError) as error:
                    raise ClassroomError(f"This class cannot be opened any more: {error}") from error
            self._rooms.move_to_end(code)
            return room

    def run(
        self, room: Room, manager: RunManager, lab_runs: LabRuns, part: ShownPart | None = None
    ) -> Run | None:
        """The run of a part, by default of the one that the class is at; None for text alone.

        After a restart of the server it goes on from where it was saved. Raises ClassroomError where this cannot be.
        """
        part = part or room.at
        if part.subject is None:
            return None
        with part.opening:
            run = None if part.run is None else manager.get(part.run.id)
            if run is None or (part.subject.lab and lab_runs.get(run.id) is None):
                try:
                    saved_as = _saved_as(room, part) if part.row.step else ""
                    run = part.subject.open(manager, lab_runs, saved_as)
                except (ValueError, TypeError, TooCostlyError) as error:
                    raise ClassroomError(f"This class cannot be opened any more: {error}") from error
                if part.part is not None:
                    run.pause_at(part.part.until)
                if not run.active and run.step < part.row.step:
                    run.advance(part.row.step - run.step, every_step=False)
                room.version += 1
            with self._lock:
                self._hold(room, part, run)
        self._store_progress(room, part, run)
        return run

    def entitled(self, room: Room, key: str) -> bool:
        """Whether this is the teacher's key."""
        return fits(key, room.code, room.row.teacher)

    def ask(self, room: Room, question: str = "") -> None:
        """Open the next round of a question. Raises ClassroomError."""
        with self._lock:
            if not room.at.polls:
                raise ClassroomError("This class looks at no lab, so there is no question to ask.")
            poll = room.at.poll(question)
            if room.at.is_open:
                raise ClassroomError("The question is open already.")
            if poll.row.round >= MOST_ROUNDS:
                raise ClassroomError(f"This question was asked {MOST_ROUNDS} times already.")
            if poll.row.told:
                raise ClassroomError("The class knows the answer to this question.")
            self._change(room, poll, round=poll.row.round + 1, is_open=True, measured="")
            if room.at.row.step:  # the run was reset since; what was trained before must not come back
                part = replace(room.at.row, step=0)
                self._store.change_class(room.row, part)
                room.at.row = part

    def close_question(self, room: Room, show: bool = True, question: str = "") -> None:
        """Close the round that is open. Raises ClassroomError.

        show: whether everybody sees the answers of all rounds from now on; otherwise nobody sees any.
        """
        with self._lock:
            poll = self._asked(room, question)
            if not poll.row.is_open:
                raise ClassroomError("No question is open.")
            self._change(room, poll, is_open=False, withheld=not show)

    def close_begun(self, room: Room, part: ShownPart | None = None) -> None:
        """Close what is open in a part, as training began: what can be measured is no vote.

        The answers are shown with the verdict, or when the teacher shows them. A full disk does not prevent this.
        """
        with self._lock:
            for poll in (part or room.at).polls.values():
                if not poll.row.is_open:
                    continue
                row = replace(poll.row, is_open=False, withheld=True)
                with suppress(StoreError):
                    self._store.change_question(room.code, row)
                poll.row = row
                room.version += 1

    def settle(self, room: Room, part: ShownPart, watched: Watched) -> None:
        """Note of each question of the part what turned out right, so that it is known when the run is gone."""
        for poll in part.polls.values():
            with self._lock:
                asked = poll.row.round and not poll.row.is_open
                if not asked or poll.settled or not poll.asked.judged(watched, poll.row.told):
                    continue
                with suppress(StoreError):  # it is known as long as the run is there
                    self._change(room, poll, measured=orjson.dumps(poll.asked.answer(watched)).decode())

    def show_answers(self, room: Room, question: str = "") -> None:
        """Show everybody the answers of the rounds that were closed without being shown. Raises ClassroomError."""
        with self._lock:
            poll = self._asked(room, question)
            if poll.row.is_open or not poll.row.round:
                raise ClassroomError("There are no answers to show: ask, and close the question first.")
            self._change(room, poll, withheld=False)

    def tell(self, room: Room, question: str = "") -> None:
        """Tell the class the answer that the lesson says is right, with all of its own. Raises ClassroomError."""
        with self._lock:
            poll = self._asked(room, question)
            if not poll.asked.tells:
                raise ClassroomError("What is measured answers this question.")
            if poll.row.is_open:
                raise ClassroomError("The question is open. Close it first.")
            self._change(room, poll, told=True, withheld=False)

    def show_behind(self, room: Room, show: bool) -> None:
        """Have the wall show what is behind it in place of the figure, or the figure again."""
        with self._lock:
            part = room.at
            row = replace(part.row, behind=show)
            self._store.change_class(room.row, row)
            part.row = row
            room.version += 1

    def join(self, room: Room, token: str, admits: Callable[[], bool]) -> None:
        """Count the voter among those who may answer. token, admits: as for `vote`."""
        voter = digest(token, room.code)
        with self._lock:
            if voter in room.joined or len(room.joined) >= MOST_VOTERS or not admits():
                return
            room.joined.add(voter)
            room.version += 1

    def end(self, room: Room) -> None:
        """End the class: it takes no more answers, and the manager may drop its run."""
        with self._lock:
            for poll in room.at.polls.values():
                if poll.row.is_open:
                    self._change(room, poll, is_open=False)
            row = replace(room.row, ended=True)
            self._store.change_class(row)
            self._changed(room, row)
            self._let_go(room.at)

    def move(self, room: Room, address: str) -> None:
        """Change the address by which others reach this server."""
        with self._lock:
            row = replace(room.row, address=address)
            self._store.change_class(row)
            self._changed(room, row)

    def vote(
        self,
        room: Room,
        number: int,
        token: str,
        text: str,
        admits: Callable[[], bool],
        question: str = "",
        part: int | None = None,
    ) -> str:
        """Store an answer in the round `number`. Returns the answer that counts: the voter's first.

        token: the voter's secret. admits: called for a new voter; says whether to take one more. part: where the voter
        read the question; None for where the class is. Raises ClassroomError and PredictionError.
        """
        voter = digest(token, room.code)
        with self._lock:
            at = room.at if part is None else room.parts.get(part)
            poll = at.polls.get(question or next(iter(at.polls), "")) if at else None
            known = poll.votes.get(number, {}).get(voter) if poll else None
            if known is not None:
                return known
            if poll is None or at is not room.at or not poll.row.is_open or number != poll.row.round:
                raise ClassroomError("This question is not open for answers now.")
            poll.asked.prediction.read(text)
            if len(text) > 200:
                raise PredictionError("this answer is too long")
            if len(poll.votes[number]) >= MOST_VOTERS:
                raise ClassroomError(f"{MOST_VOTERS:,} answers were given; no more are taken.")
            if voter not in room.joined and not admits():
                raise ClassroomError(
                    "Many new answers came from this network at once; please try again in a minute."
                )
            row = VoteRow(poll.row.part, poll.name, number, voter, text)
            answer = poll.votes[number][voter] = self._store.add_vote(room.code, row)
            room.joined.add(voter)
            room.version += 1
            return answer

    def _open(self, part: PartRow, address: str, plan: LessonPlan | None = None) -> tuple[Opened, Room]:
        opened = Opened(new_code(), new_key())
        lesson = plan.model_dump_json(by_alias=True) if plan else ""
        row = ClassRow(opened.code, digest(opened.key, opened.code), address, lesson, part.part)
        with self._lock:
            self._store.add_class(row, part)
            room = self._rooms[opened.code] = Room(row, (part,))
        return opened, room

    def _asked(self, room: Room, question: str) -> Poll:
        """The question that is meant; for "" the one that is open, or the first."""
        opened = [poll for poll in room.at.polls.values() if poll.row.is_open]
        return opened[0] if opened and not question else room.at.poll(question)

    def _hold(self, room: Room, part: ShownPart, run: Run) -> None:
        """Have the manager keep the run that the class is at, and no longer those of classes beyond MOST_HELD."""
        if part.run is not run:
            self._let_go(part)
        part.run = run
        run.held = part is room.at and not room.row.ended
        run.saved_as = _saved_as(room, part) if run.held else ""
        for other in list(self._rooms.values())[:-MOST_HELD]:
            self._let_go(other.at)

    def _let_go(self, part: ShownPart) -> None:
        """Let the manager drop the run of a part, and save it no longer."""
        if part.run is not None:
            part.run.held, part.run.saved_as = False, ""

    def _store_progress(self, room: Room, part: ShownPart, run: Run) -> None:
        """Store how far the run is and what was changed in it, once in PROGRESS_SECONDS."""
        now = time.monotonic()
        if now - part.stored_at < PROGRESS_SECONDS or run.state == "starting":
            return
        with self._lock:
            part.stored_at = now
            subject = part.subject
            if subject is None:
                return
            if not subject.lab:
                subject = replace(subject, changes=interventions_of(run))
            row = replace(part.row, shown=subject.to_json(), step=run.step)
            if row != part.row:
                with suppress(StoreError):  # a full disk does not end a class
                    self._store.change_class(room.row, row)
                    part.row, part.subject = row, subject

    def _change(self, room: Room, poll: Poll, **changes: object) -> None:
        row: QuestionRow = replace(poll.row, **changes)  # type: ignore[arg-type]
        self._store.change_question(room.code, row)
        poll.row = row
        room.version += 1

    def _changed(self, room: Room, row: ClassRow) -> None:
        room.row = row
        room.version += 1


def _saved_as(room: Room, part: ShownPart) -> str:
    """The name under which the run of a part is saved."""
    return f"{room.code}{part.row.part}"


class _OpenRooms:
    """The one Rooms of this process, opened when the first class is asked for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rooms: Rooms | None = None

    def __call__(self) -> Rooms:
        with self._lock:
            if self._rooms is None:
                self._rooms = Rooms(Store(lambda: home() / "classes.sqlite"))
            return self._rooms


open_rooms = _OpenRooms()
"""The classes of this process, below BNVIZ_HOME. Raises StoreError."""
