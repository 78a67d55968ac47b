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
from dataclasses import dataclass
from pathlib import Path

MOST_CLASSES = 1000
"""Classes kept; beyond it the class unused for longest is deleted with its votes."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS classes (
    code TEXT PRIMARY KEY,
    teacher BLOB NOT NULL,
    shown TEXT NOT NULL,
    address TEXT NOT NULL,
    step INTEGER NOT NULL DEFAULT 0,
    round INTEGER NOT NULL DEFAULT 0,
    is_open INTEGER NOT NULL DEFAULT 0,
    ended INTEGER NOT NULL DEFAULT 0,
    used REAL NOT NULL,
    withheld INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS votes (
    code TEXT NOT NULL REFERENCES classes ON DELETE CASCADE,
    round INTEGER NOT NULL,
    voter BLOB NOT NULL,
    answer TEXT NOT NULL,
    PRIMARY KEY (code, round, voter)
) WITHOUT ROWID;
"""

_ADDED = "ALTER TABLE classes ADD COLUMN withheld INTEGER NOT NULL DEFAULT 0"
"""For files of versions in which a round that was closed was always shown."""


class StoreError(Exception):
    """Something could not be stored; the message is a sentence for the person who asked."""


@dataclass(frozen=True)
class ClassRow:
    """A class as it is stored.

    teacher: the digest of its key. shown: its ClassSubject as JSON. step: the last one stored of its run.
    withheld: whether the answers of the closed rounds are not to be shown yet.
    """

    code: str
    teacher: bytes
    shown: str
    address: str
    step: int = 0
    round: int = 0
    is_open: bool = False
    ended: bool = False
    withheld: bool = False


class Store:
    """The file that `locate` names; made if missing. Any thread may call any method; all may raise StoreError."""

    def __init__(self, locate: Callable[[], Path]) -> None:
        self._lock = threading.Lock()
        with _as_store_error():
            path = locate()
            self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
                self._database.execute(f"PRAGMA {pragma}")
            self._database.executescript(_SCHEMA)
            columns = [column[1] for column in self._database.execute("PRAGMA table_info(classes)")]
            if "withheld" not in columns:
                self._database.execute(_ADDED)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    def add_class(self, row: ClassRow) -> None:
        """Store a new class."""
        with self._writing() as database:
            database.execute(
                "INSERT INTO classes (code, teacher, shown, address, used) VALUES (?, ?, ?, ?, ?)",
                (row.code, row.teacher, row.shown, row.address, time.time()),
            )
            database.execute(
                "DELETE FROM classes WHERE code IN (SELECT code FROM classes ORDER BY used DESC LIMIT -1 OFFSET ?)",
                (MOST_CLASSES,),
            )

    def change_class(self, row: ClassRow, forget_votes: bool = False) -> None:
        """Store a changed class; forget_votes: delete its votes."""
        with self._writing() as database:
            database.execute(
                "UPDATE classes SET shown = ?, address = ?, step = ?, round = ?, is_open = ?, ended = ?, "
                "withheld = ?, used = ? WHERE code = ?",
                (
                    row.shown,
                    row.address,
                    row.step,
                    row.round,
                    row.is_open,
                    row.ended,
                    row.withheld,
                    time.time(),
                    row.code,
                ),
            )
            if forget_votes:
                database.execute("DELETE FROM votes WHERE code = ?", (row.code,))

    def find_class(self, code: str) -> ClassRow | None:
        """The class of that code, None if there is none."""
        with self._lock, _as_store_error():
            found = self._database.execute(
                "SELECT code, teacher, shown, address, step, round, is_open, ended, withheld FROM classes "
                "WHERE code = ?",
                (code,),
            ).fetchone()
        if found is None:
            return None
        code, teacher, shown, address, step, number, is_open, ended, withheld = found
        flags = bool(is_open), bool(ended), bool(withheld)
        return ClassRow(code, teacher, shown, address, step, number, *flags)

    def add_vote(self, code: str, round_number: int, voter: bytes, answer: str) -> str:
        """Store a vote unless the voter has one in this round. Returns the answer that counts: the first."""
        with self._writing() as database:
            database.execute(
                "INSERT OR IGNORE INTO votes VALUES (?, ?, ?, ?)", (code, round_number, voter, answer)
            )
            row = database.execute(
                "SELECT answer FROM votes WHERE code = ? AND round = ? AND voter = ?",
                (code, round_number, voter),
            ).fetchone()
        return str(row[0])

    def votes(self, code: str) -> list[tuple[int, bytes, str]]:
        """All votes of a class: round, voter, answer."""
        with self._lock, _as_store_error():
            query = "SELECT round, voter, answer FROM votes WHERE code = ?"
            return [tuple(row) for row in self._database.execute(query, (code,))]

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
