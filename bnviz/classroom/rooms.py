"""Room and Rooms: a class before one run, and all classes of this server."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from bnviz.classroom.codes import digest, fits, new_code, new_key
from bnviz.classroom.store import ClassRow, Store, StoreError
from bnviz.classroom.subject import Shown, interventions_of
from bnviz.data.paths import home
from bnviz.labs.base import Lab
from bnviz.labs.predictions import PredictionError
from bnviz.runs import Run, RunManager
from bnviz.runs.lab_run import LabRun, LabRuns

MOST_ROUNDS = 2
"""Before the class has discussed, and after."""
MOST_VOTERS = 1000
"""Answers to one question."""
AT_HAND = 50
"""Classes whose runs are kept from being dropped; the one not asked for longest gives its run up first."""
NOTE_SECONDS = 2.0
"""How often it is stored how far a run is: what a crash may cost is trained again anyway."""


class ClassroomError(Exception):
    """Something that a class does not allow now; the message is a sentence."""


@dataclass(frozen=True)
class Opened:
    """A new class: its code is for everybody, its key for the teacher alone."""

    code: str
    key: str


class Room:
    """One class. Rooms changes it; everybody else reads. version: grows with every change that can be seen."""

    def __init__(self, row: ClassRow, votes: Sequence[tuple[int, bytes, str]]) -> None:
        self.row = row
        self.shown = Shown.from_json(row.shown)
        self.votes: dict[int, dict[bytes, str]] = {number: {} for number in range(1, MOST_ROUNDS + 1)}
        for number, voter, answer in votes:
            self.votes[number][voter] = answer
        self.version = 0
        self.run: Run | None = None
        self.noted = 0.0
        self.opening = threading.Lock()

    @property
    def code(self) -> str:
        """What the link says."""
        return self.row.code

    @property
    def lab(self) -> Lab | None:
        """The lab that the class looks at, None for a run of the Playground."""
        return self.shown.found_lab

    def answers(self, number: int) -> list[str]:
        """The answers given in a round, in no order."""
        return list(self.votes[number].values())


class Rooms:
    """The classes of this server. Every method is for any thread; StoreError where nothing could be stored."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.RLock()
        self._rooms: OrderedDict[str, Room] = OrderedDict()

    def close(self) -> None:
        """Let the file go."""
        self._store.close()

    def start(self, run: Run, lab_run: LabRun | None, address: str) -> Opened:
        """A class before the run; `lab_run` is the lab that it belongs to. address: where others reach this server."""
        opened = Opened(new_code(), new_key())
        shown = Shown.of_run(run) if lab_run is None else Shown.of_lab(lab_run)
        row = ClassRow(opened.code, digest(opened.key, opened.code), shown.to_json(), address, run.step)
        with self._lock:
            self._store.add_class(row)
            room = Room(row, ())
            self._rooms[opened.code] = room
            self._hold(room, run)
        return opened

    def show(self, room: Room, run: Run, lab_run: LabRun | None) -> None:
        """Bring another run before the class, by the same link. Its questions and votes begin anew."""
        shown = Shown.of_run(run) if lab_run is None else Shown.of_lab(lab_run)
        with self._lock:
            row = replace(room.row, shown=shown.to_json(), step=run.step, round=0, is_open=False, ended=False)
            self._store.change_class(row, forget_votes=True)
            fresh = Room(row, ())
            room.shown, room.votes = fresh.shown, fresh.votes
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
        """The run before the class. After the server was started anew it is trained again to where it was.

        Raises ClassroomError where that cannot be.
        """
        with room.opening:
            run = None if room.run is None else manager.get(room.run.id)
            if run is None or (room.shown.lab and lab_runs.get(run.id) is None):
                try:
                    run = room.shown.open(manager, lab_runs)
                except (ValueError, TypeError) as error:
                    raise ClassroomError(f"This class cannot be opened any more: {error}") from error
                if room.row.step:
                    run.advance(room.row.step, every_step=False)
                room.version += 1
            with self._lock:
                self._hold(room, run)
        self._note(room, run)
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
            self._change(room, round=room.row.round + 1, is_open=True)

    def close_question(self, room: Room) -> None:
        """End the round that is open; now everybody may see what was answered. Raises ClassroomError."""
        with self._lock:
            if not room.row.is_open:
                raise ClassroomError("No question is open.")
            self._change(room, is_open=False)

    def end(self, room: Room) -> None:
        """End the class: nobody answers any more, and its run is no longer kept."""
        with self._lock:
            self._change(room, is_open=False, ended=True)
            if room.run is not None:
                room.run.held = False

    def move(self, room: Room, address: str) -> None:
        """Others reach this server by another address than was thought."""
        with self._lock:
            self._change(room, address=address)

    def vote(self, room: Room, number: int, token: str, text: str, admits: Callable[[], bool]) -> str:
        """Store an answer in the round `number`; returns the one that counts, which is the voter's first.

        token: the voter's secret. admits: asked where the voter is new. Raises ClassroomError and PredictionError.
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
            new = not any(voter in votes for votes in room.votes.values())
            if len(room.votes[number]) >= MOST_VOTERS:
                raise ClassroomError(f"{MOST_VOTERS:,} answers were given; no more are taken.")
            if new and not admits():
                raise ClassroomError(
                    "Many new answers came from this network at once; please try again in a minute."
                )
            answer = self._store.add_vote(room.code, number, voter, text)
            room.votes[number][voter] = answer
            room.version += 1
            return answer

    def _hold(self, room: Room, run: Run) -> None:
        """Keep the run of this class from being dropped, and no longer those of classes beyond AT_HAND."""
        if room.run is not None and room.run is not run:
            room.run.held = False
        room.run = run
        run.held = not room.row.ended
        for other in list(self._rooms.values())[:-AT_HAND]:
            if other.run is not None:
                other.run.held = False

    def _note(self, room: Room, run: Run) -> None:
        """Store, now and then, how far the run is and what was changed in it."""
        now = time.monotonic()
        if now - room.noted < NOTE_SECONDS or run.state == "starting":
            return
        with self._lock:
            room.noted = now
            shown = room.shown
            if not shown.lab:
                shown = replace(shown, changes=interventions_of(run))
            row = replace(room.row, shown=shown.to_json(), step=run.step)
            if row != room.row:
                with suppress(StoreError):  # a full disk takes no running class away
                    self._store.change_class(row)
                    room.row, room.shown = row, shown

    def _change(self, room: Room, **changes: object) -> None:
        row = replace(room.row, **changes)  # type: ignore[arg-type]
        self._store.change_class(row)
        self._changed(room, row)

    def _changed(self, room: Room, row: ClassRow) -> None:
        room.row = row
        room.version += 1


class _OpenRooms:
    """Where the one Rooms of this process lives; it is opened when the first class is asked for."""

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
