"""Room, a class that looks at one run, and Rooms, all classes of this server."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from bnviz.classroom.codes import digest, fits, new_code, new_key
from bnviz.classroom.store import ClassRow, Store, StoreError
from bnviz.classroom.subject import ClassSubject, interventions_of
from bnviz.data.paths import home
from bnviz.labs.base import Lab
from bnviz.labs.predictions import PredictionError
from bnviz.runs import Run, RunManager
from bnviz.runs.lab_run import LabRun, LabRuns

MOST_ROUNDS = 2
"""Before the class has discussed, and after."""
MOST_VOTERS = 1000
"""Answers to one question."""
MOST_HELD = 50
"""Classes whose runs the manager must not drop; beyond it the class not asked for longest gives its run up."""
PROGRESS_SECONDS = 2.0
"""The time between two writes of a run's progress; what a crash loses of it is trained again."""


class ClassroomError(Exception):
    """A class does not allow this now; the message is a sentence."""


@dataclass(frozen=True)
class Opened:
    """A new class: its code is for everybody, its key for the teacher alone."""

    code: str
    key: str


class Room:
    """One class. Only Rooms changes it.

    joined: the digests of those who opened the class to answer. They are not stored: a page that is open joins anew
    after a restart. version: a number that grows with every change that a page shows.
    """

    def __init__(self, row: ClassRow, votes: Sequence[tuple[int, bytes, str]]) -> None:
        self.row = row
        self.subject = ClassSubject.from_json(row.shown)
        self.votes: dict[int, dict[bytes, str]] = {number: {} for number in range(1, MOST_ROUNDS + 1)}
        for number, voter, answer in votes:
            self.votes[number][voter] = answer
        self.joined = {voter for _, voter, _ in votes}
        self.version = 0
        self.run: Run | None = None
        self.stored_at = 0.0
        self.opening = threading.Lock()

    @property
    def code(self) -> str:
        """The code in the link."""
        return self.row.code

    @property
    def lab(self) -> Lab | None:
        """The lab that the class looks at; None for a run of the Playground."""
        return self.subject.found_lab

    def answers(self, number: int) -> list[str]:
        """The answers given in a round, in no order."""
        return list(self.votes[number].values())


class Rooms:
    """The classes of this server. Any thread may call any method; each raises StoreError where it cannot store."""

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
        opened = Opened(new_code(), new_key())
        subject = ClassSubject.of_run(run) if lab_run is None else ClassSubject.of_lab(lab_run)
        row = ClassRow(opened.code, digest(opened.key, opened.code), subject.to_json(), address, run.step)
        with self._lock:
            self._store.add_class(row)
            room = Room(row, ())
            self._rooms[opened.code] = room
            self._hold(room, run)
        return opened

    def show(self, room: Room, run: Run, lab_run: LabRun | None) -> None:
        """Show the class another run, by the same link. Questions and votes begin anew."""
        subject = ClassSubject.of_run(run) if lab_run is None else ClassSubject.of_lab(lab_run)
        with self._lock:
            row = replace(
                room.row,
                shown=subject.to_json(),
                step=run.step,
                round=0,
                is_open=False,
                ended=False,
                withheld=False,
            )
            self._store.change_class(row, forget_votes=True)
            fresh = Room(row, ())
            room.subject, room.votes = fresh.subject, fresh.votes
            self._hold(room, run)
            self._changed(room, row)

    def find(self, code: str) -> Room | None:
        """The class of that code, None if there is none."""
        with self._lock:
            room = self._rooms.get(code)
            if room is None:
                row = self._store.find_class(code)
                if row is None:
                    return None
                room = self._rooms[code] = Room(row, self._store.votes(code))
            self._rooms.move_to_end(code)
            return room

    def run(self, room: Room, manager: RunManager, lab_runs: LabRuns) -> Run:
        """The run that the class looks at. After a restart of the server it goes on from where it was saved.

        Raises ClassroomError where this is impossible.
        """
        with room.opening:
            run = None if room.run is None else manager.get(room.run.id)
            if run is None or (room.subject.lab and lab_runs.get(run.id) is None):
                try:
                    run = room.subject.open(manager, lab_runs, room.code if room.row.step else "")
                except (ValueError, TypeError) as error:
                    raise ClassroomError(f"This class cannot be opened any more: {error}") from error
                if not run.active and run.step < room.row.step:
                    run.advance(room.row.step - run.step, every_step=False)
                room.version += 1
            with self._lock:
                self._hold(room, run)
        self._store_progress(room, run)
        return run

    def entitled(self, room: Room, key: str) -> bool:
        """Whether this is the teacher's key."""
        return fits(key, room.code, room.row.teacher)

    def ask(self, room: Room) -> None:
        """Open the next round of the lab's question. Raises ClassroomError."""
        with self._lock:
            if room.lab is None:
                raise ClassroomError("This class looks at no lab, so there is no question to ask.")
            if room.row.is_open:
                raise ClassroomError("The question is open already.")
            if room.row.round >= MOST_ROUNDS:
                raise ClassroomError(f"This question was asked {MOST_ROUNDS} times already.")
            self._change(
                room, round=room.row.round + 1, is_open=True, step=0
            )  # it was reset, if it trained before

    def close_question(self, room: Room, show: bool = True) -> None:
        """Close the round that is open. Raises ClassroomError.

        show: whether everybody sees the answers of all rounds from now on; otherwise nobody sees any.
        """
        with self._lock:
            if not room.row.is_open:
                raise ClassroomError("No question is open.")
            self._change(room, is_open=False, withheld=not show)

    def close_begun(self, room: Room) -> None:
        """Close the round if one is open, as training began: what can be measured is no vote.

        The answers are shown with the verdict, or when the teacher shows them. A full disk does not prevent this.
        """
        with self._lock:
            if not room.row.is_open:
                return
            row = replace(room.row, is_open=False, withheld=True)
            with suppress(StoreError):
                self._store.change_class(row)
            self._changed(room, row)

    def show_answers(self, room: Room) -> None:
        """Show everybody the answers of the rounds that were closed without being shown. Raises ClassroomError."""
        with self._lock:
            if room.row.is_open or not room.row.round:
                raise ClassroomError("There are no answers to show: ask, and close the question first.")
            self._change(room, withheld=False)

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
            self._change(room, is_open=False, ended=True)
            if room.run is not None:
                _let_go(room.run)

    def move(self, room: Room, address: str) -> None:
        """Change the address by which others reach this server."""
        with self._lock:
            self._change(room, address=address)

    def vote(self, room: Room, number: int, token: str, text: str, admits: Callable[[], bool]) -> str:
        """Store an answer in the round `number`. Returns the answer that counts: the voter's first.

        token: the voter's secret. admits: called for a new voter; says whether to take one more. Raises
        ClassroomError and PredictionError.
        """
        voter = digest(token, room.code)
        with self._lock:
            lab, known = room.lab, room.votes.get(number, {}).get(voter)
            if known is not None:
                return known
            if lab is None or not room.row.is_open or number != room.row.round:
                raise ClassroomError("This question is not open for answers now.")
            lab.prediction.read(text)
            if len(text) > 200:
                raise PredictionError("this answer is too long")
            if len(room.votes[number]) >= MOST_VOTERS:
                raise ClassroomError(f"{MOST_VOTERS:,} answers were given; no more are taken.")
            if voter not in room.joined and not admits():
                raise ClassroomError(
                    "Many new answers came from this network at once; please try again in a minute."
                )
            answer = self._store.add_vote(room.code, number, voter, text)
            room.votes[number][voter] = answer
            room.joined.add(voter)
            room.version += 1
            return answer

    def _hold(self, room: Room, run: Run) -> None:
        """Have the manager keep this class's run, and no longer those of classes beyond MOST_HELD."""
        if room.run is not None and room.run is not run:
            _let_go(room.run)
        room.run = run
        run.held, run.saved_as = (False, "") if room.row.ended else (True, room.code)
        for other in list(self._rooms.values())[:-MOST_HELD]:
            if other.run is not None:
                _let_go(other.run)

    def _store_progress(self, room: Room, run: Run) -> None:
        """Store how far the run is and what was changed in it, once in PROGRESS_SECONDS."""
        now = time.monotonic()
        if now - room.stored_at < PROGRESS_SECONDS or run.state == "starting":
            return
        with self._lock:
            room.stored_at = now
            subject = room.subject
            if not subject.lab:
                subject = replace(subject, changes=interventions_of(run))
            row = replace(room.row, shown=subject.to_json(), step=run.step)
            if row != room.row:
                with suppress(StoreError):  # a full disk does not end a class
                    self._store.change_class(row)
                    room.row, room.subject = row, subject

    def _change(self, room: Room, **changes: object) -> None:
        row = replace(room.row, **changes)  # type: ignore[arg-type]
        self._store.change_class(row)
        self._changed(room, row)

    def _changed(self, room: Room, row: ClassRow) -> None:
        room.row = row
        room.version += 1


def _let_go(run: Run) -> None:
    """Let the manager drop a run, and save it no longer."""
    run.held, run.saved_as = False, ""


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
