"""Classes and votes in one SQLite file, with one connection that one thread at a time uses.

When a method of Store returns, its change is on the disk: a write is one transaction, flushed at its end (WAL,
synchronous=FULL). So neither a crash nor a full disk takes away a vote that was confirmed.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from bnviz.classroom.schema import prepare

MOST_CLASSES = 1000
"""Classes kept; beyond it the class unused for longest is deleted with its votes."""


class StoreError(Exception):
    """Something could not be stored; the message is a sentence for the person who asked."""


@dataclass(frozen=True)
class ClassRow:
    """A class as it is stored.

    teacher: the digest of its key. lesson: its LessonPlan as JSON, "" for none. part: the one that it is at, from 1;
    0 for a run that was shared by hand.
    """

    code: str
    teacher: bytes
    address: str
    lesson: str = ""
    part: int = 0
    ended: bool = False


@dataclass(frozen=True)
class PartRow:
    """A part that the class was shown.

    shown: its ClassSubject as JSON, "" for a part without a run. step: the last one stored of its run. behind: whether
    the wall shows what is behind it in place of the figure.
    """

    part: int
    shown: str = ""
    step: int = 0
    behind: bool = False


@dataclass(frozen=True)
class QuestionRow:
    """A question to the class. part, question: where it stands.

    withheld: whether the answers of the closed rounds are not to be shown yet. told: whether its right answer, which
    no run decides, may be shown. measured: what turned out right, as JSON; "" while that is not known.
    """

    part: int
    question: str
    round: int = 0
    is_open: bool = False
    withheld: bool = False
    told: bool = False
    measured: str = ""


@dataclass(frozen=True)
class VoteRow:
    """What a voter answered to a question in a round."""

    part: int
    question: str
    round: int
    voter: bytes
    answer: str


class Store:
    """The file that `locate` names; made if missing. Any thread may call any method; all may raise StoreError."""

    def __init__(self, locate: Callable[[], Path]) -> None:
        self._lock = threading.Lock()
        with _as_store_error():
            path = locate()
            self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
                self._database.execute(f"PRAGMA {pragma}")
            prepare(self._database)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    def add_class(self, row: ClassRow, part: PartRow) -> None:
        """Store a new class, and the part that it is at."""
        with self._writing() as database:
            database.execute(
                "INSERT INTO classes (code, teacher, address, lesson, part, used) VALUES (?, ?, ?, ?, ?, ?)",
                (row.code, row.teacher, row.address, row.lesson, row.part, time.time()),
            )
            _write_part(database, row.code, part)
            database.execute(
                "DELETE FROM classes WHERE code IN (SELECT code FROM classes ORDER BY used DESC LIMIT -1 OFFSET ?)",
                (MOST_CLASSES,),
            )

    def change_class(self, row: ClassRow, part: PartRow | None = None, forget_votes: bool = False) -> None:
        """Store a changed class, and a part of it; forget_votes: delete the part's questions and votes."""
        with self._writing() as database:
            database.execute(
                "UPDATE classes SET address = ?, part = ?, ended = ?, used = ? WHERE code = ?",
                (row.address, row.part, row.ended, time.time(), row.code),
            )
            if part is None:
                return
            _write_part(database, row.code, part)
            for table in ("questions", "answers") if forget_votes else ():
                database.execute(
                    f"DELETE FROM {table} WHERE code = ? AND part = ?",
                    (row.code, part.part),
                )

    def change_question(self, code: str, row: QuestionRow) -> None:
        """Store how a question stands."""
        with self._writing() as database:
            database.execute(
                "INSERT OR REPLACE INTO questions VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (code, *astuple(row)),
            )
            database.execute("UPDATE classes SET used = ? WHERE code = ?", (time.time(), code))

    def find_class(self, code: str) -> ClassRow | None:
        """The class of that code, None if there is none."""
        found = self._read(
            "SELECT code, teacher, address, lesson, part, ended FROM classes WHERE code = ?", code
        )
        if not found:
            return None
        code, teacher, address, lesson, part, ended = found[0]
        return ClassRow(code, teacher, address, lesson, part, bool(ended))

    def parts(self, code: str) -> list[PartRow]:
        """The parts that a class was shown."""
        found = self._read("SELECT part, shown, step, behind FROM parts WHERE code = ?", code)
        return [PartRow(part, shown, step, bool(behind)) for part, shown, step, behind in found]

    def questions(self, code: str) -> list[QuestionRow]:
        """How the questions of a class stand that were asked."""
        query = (
            "SELECT part, question, round, is_open, withheld, told, measured FROM questions WHERE code = ?"
        )
        return [
            QuestionRow(part, name, number, bool(is_open), bool(withheld), bool(told), measured)
            for part, name, number, is_open, withheld, told, measured in self._read(query, code)
        ]

    def add_vote(self, code: str, vote: VoteRow) -> str:
        """Store a vote unless the voter has one in this round. Returns the answer that counts: the first."""
        place = (code, vote.part, vote.question, vote.round, vote.voter)
        with self._writing() as database:
            database.execute("INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?, ?, ?)", (*place, vote.answer))
            row = database.execute(
                "SELECT answer FROM answers WHERE code = ? AND part = ? AND question = ? AND round = ? AND voter = ?",
                place,
            ).fetchone()
        return str(row[0])

    def votes(self, code: str) -> list[VoteRow]:
        """All votes of a class."""
        query = "SELECT part, question, round, voter, answer FROM answers WHERE code = ?"
        return [VoteRow(*row) for row in self._read(query, code)]

    def _read(self, query: str, code: str) -> list[tuple[Any, ...]]:
        with self._lock, _as_store_error():
            return self._database.execute(query, (code,)).fetchall()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: at its end all of it is on the disk, or nothing."""
        with self._lock, _as_store_error():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
                self._database.execute("COMMIT")
            finally:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")


def _write_part(database: sqlite3.Connection, code: str, part: PartRow) -> None:
    database.execute(
        "INSERT OR REPLACE INTO parts VALUES (?, ?, ?, ?, ?)",
        (code, part.part, part.shown, part.step, part.behind),
    )


@contextmanager
def _as_store_error() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        full = "full" in str(error)
        why = "its disk is full" if full else f"its file of classes cannot be used ({error})"
        raise StoreError(
            f"The server could not store this: {why}. What was stored before is safe."
        ) from error
    except OSError as error:
        raise StoreError(f"The server has no folder for classes: {error.strerror}.") from error
