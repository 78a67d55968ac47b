"""The Library: a table in SQLite that says what there is, and beside it a file for each Recording.

A file is on the disk before the table names it, and gone from the table before it is removed. So the
table never names a file that is not whole; a file that no row names is left from a process that was
killed, and is swept away when a Library is opened. Every writer holds SQLite's one write lock while
it touches files, also against other processes.
"""

from __future__ import annotations

import datetime
import errno
import hashlib
import os
import secrets
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from bnviz.figures.thumbnail import thumbnail
from bnviz.figures.wording import labels, settings
from bnviz.recording.file import SUFFIX, write_whole
from bnviz.recording.library.entry import Entry, KeptArm, LibraryError, Visitor
from bnviz.recording.recording import Recording

VERSION = 1
WAIT_SECONDS = 20.0
"""For another writer, before the library is called busy."""

DEFAULT_MEGABYTES = 2000
MOST_TEXT = 600
"""Characters of a title, label or verdict."""

_TABLES = """
CREATE TABLE IF NOT EXISTS runs (
    id TEXT PRIMARY KEY,
    digest TEXT NOT NULL UNIQUE,
    kept_at TEXT NOT NULL,
    owner TEXT NOT NULL,
    source TEXT NOT NULL,
    title TEXT NOT NULL,
    settings TEXT NOT NULL,
    verdict TEXT NOT NULL,
    thumbnail TEXT NOT NULL,
    pinned INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS arms (
    run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    place INTEGER NOT NULL,
    label TEXT NOT NULL,
    file TEXT NOT NULL UNIQUE,
    bytes INTEGER NOT NULL,
    PRIMARY KEY (run, place)
);
"""


def most_bytes(environment: Mapping[str, str] = os.environ) -> int:
    """What a library may hold: $BNVIZ_LIBRARY_MB million bytes. Raises ValueError for no whole number above 0."""
    text = environment.get("BNVIZ_LIBRARY_MB", str(DEFAULT_MEGABYTES))
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and int(text) > 0):
        raise ValueError(
            f"BNVIZ_LIBRARY_MB = {text[:40]!r} is not allowed; allowed is a whole number above 0"
        )
    return int(text) * 10**6


class Library:
    """The kept runs in `folder`. Every method is for any thread, and raises LibraryError.

    most: bytes that all files may take; beyond it the oldest runs that are not pinned make room.
    """

    def __init__(self, folder: Path, most: int) -> None:
        self._folder, self._most = folder, most
        self._database = folder / "library.sqlite"
        with _in_words():
            folder.mkdir(parents=True, exist_ok=True)
            with closing(self._connect()) as database:
                database.execute("PRAGMA journal_mode = WAL")
                version = database.execute("PRAGMA user_version").fetchone()[0]
                if version > VERSION:
                    raise LibraryError("The library was written by a newer bnviz; this one leaves it alone.")
                database.executescript(_TABLES)
                database.execute(f"PRAGMA user_version = {VERSION}")
            self._sweep()

    def keep(
        self,
        recordings: Sequence[Recording],
        visitor: Visitor,
        source: str,
        title: str = "",
        names: Sequence[str] = (),
        verdict: str = "",
    ) -> Entry:
        """Keep Recordings of one run; the same ones kept already are found again.

        title, names: of the run and its arms; by default what sets the arms apart. verdict: what was found.
        """
        if not recordings or not any(item.snapshots for item in recordings):
            raise LibraryError("There is nothing to keep yet: press Play first.")
        names = tuple(names) or labels(recordings)
        contents = [item.to_bytes() for item in recordings]
        needed = sum(map(len, contents))
        row = {
            "id": secrets.token_hex(12),
            "digest": hashlib.blake2b(b"".join(contents), digest_size=20).hexdigest(),
            "kept_at": datetime.datetime.now(datetime.UTC).isoformat(),
            "owner": visitor.token,
            "source": source[:MOST_TEXT],
            "title": (title or " · ".join(names))[:MOST_TEXT],
            "settings": settings(recordings)[:MOST_TEXT],
            "verdict": verdict[:MOST_TEXT],
            "thumbnail": thumbnail(recordings),
        }
        written: list[Path] = []
        try:
            with _in_words(), self._writing() as database:
                found = database.execute("SELECT id FROM runs WHERE digest = :digest", row).fetchone()
                if found:
                    row["id"] = found["id"]
                    surplus = []
                else:
                    surplus = self._make_room(database, needed)
                    database.execute(
                        f"INSERT INTO runs ({', '.join(row)}) VALUES ({', '.join(f':{name}' for name in row)})",
                        row,
                    )
                    for place, (name, content) in enumerate(zip(names, contents, strict=True)):
                        path = self._folder / f"{secrets.token_hex(16)}{SUFFIX}"
                        written.append(path)
                        write_whole(path, content)
                        database.execute(
                            "INSERT INTO arms VALUES (?, ?, ?, ?, ?)",
                            (row["id"], place, name[:MOST_TEXT], path.name, len(content)),
                        )
        except BaseException:
            _remove(written)
            raise
        _remove(surplus)
        return self.entry(row["id"])

    def entries(self, text: str = "") -> tuple[Entry, ...]:
        """The kept runs of which every word of `text` is true: pinned ones first, then the latest."""
        with _in_words(), closing(self._connect()) as database:
            database.execute("BEGIN")  # both questions are answered as of one moment
            rows = database.execute("SELECT * FROM runs ORDER BY pinned DESC, kept_at DESC, id").fetchall()
            arms: dict[str, list[KeptArm]] = {row["id"]: [] for row in rows}
            for arm in database.execute("SELECT * FROM arms ORDER BY run, place"):
                arms[arm["run"]].append(KeptArm(arm["label"], arm["file"], arm["bytes"]))
        found = (_entry(row, arms[row["id"]]) for row in rows)
        return tuple(entry for entry in found if entry.matches(text))

    def entry(self, run: str) -> Entry:
        """The kept run with this id."""
        for entry in self.entries():
            if entry.id == run:
                return entry
        raise LibraryError("This run is not kept here, or no more.")

    def content(self, run: str, arm: int) -> bytes:
        """The file of one of its arms, counted from 0."""
        arms = self.entry(run).arms
        if not 0 <= arm < len(arms):
            raise LibraryError("This run has no such arm.")
        with _in_words():
            return (self._folder / arms[arm].file).read_bytes()

    def recording(self, run: str, arm: int) -> Recording:
        """The Recording of one of its arms, counted from 0."""
        arms = self.entry(run).arms
        if not 0 <= arm < len(arms):
            raise LibraryError("This run has no such arm.")
        try:
            return Recording.load(self._folder / arms[arm].file)
        except ValueError:
            raise LibraryError(f"The file of {arms[arm].label} is damaged or gone.") from None

    def pin(self, run: str, pinned: bool, visitor: Visitor) -> None:
        """Let a run stay whatever the size limit says, or no more."""
        self._check(run, visitor)
        with _in_words(), self._writing() as database:
            database.execute("UPDATE runs SET pinned = ? WHERE id = ?", (int(pinned), run))

    def delete(self, run: str, visitor: Visitor) -> None:
        """Remove a run and its files."""
        self._check(run, visitor)
        with _in_words(), self._writing() as database:
            files = self._forget(database, run)
        _remove(files)

    @property
    def bytes(self) -> int:
        """What all files take."""
        return sum(entry.bytes for entry in self.entries())

    @property
    def most(self) -> int:
        """What all files may take."""
        return self._most

    def _check(self, run: str, visitor: Visitor) -> None:
        if not self.entry(run).may_change(visitor):
            raise LibraryError("Only who kept this run, or whoever sits at the server, may change it.")

    def _connect(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._database, timeout=WAIT_SECONDS, isolation_level=None)
        database.row_factory = sqlite3.Row
        database.execute("PRAGMA foreign_keys = ON")
        database.execute("PRAGMA synchronous = FULL")  # what was promised survives a power cut
        return database

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction of the only writer; it is undone if anything goes wrong in it."""
        with closing(self._connect()) as database:
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
                database.execute("COMMIT")
            except BaseException:
                if database.in_transaction:
                    database.execute("ROLLBACK")
                raise

    def _make_room(self, database: sqlite3.Connection, needed: int) -> list[Path]:
        """Forget the oldest runs that are not pinned until `needed` bytes fit; returns their files."""
        query = "SELECT id, pinned, SUM(bytes) AS bytes FROM runs JOIN arms ON run = id GROUP BY id ORDER BY kept_at"
        rows = database.execute(query).fetchall()
        surplus = sum(row["bytes"] for row in rows) + needed - self._most
        loose = [row for row in rows if not row["pinned"]]
        if surplus > sum(row["bytes"] for row in loose):
            raise LibraryError(
                f"There is no room for {needed / 1e6:.1f} MB: the library holds {self._most / 1e6:,.0f} MB, "
                "and pinned runs stay. Unpin or delete some first."
            )
        files: list[Path] = []
        for row in loose:
            if surplus <= 0:
                break
            surplus -= row["bytes"]
            files += self._forget(database, row["id"])
        return files

    def _forget(self, database: sqlite3.Connection, run: str) -> list[Path]:
        """Take a run out of the table; returns its files, to be removed once that is settled."""
        rows = database.execute("SELECT file FROM arms WHERE run = ?", (run,)).fetchall()
        database.execute("DELETE FROM runs WHERE id = ?", (run,))
        return [self._folder / row["file"] for row in rows]

    def _sweep(self) -> None:
        """Remove what a killed process has left behind."""
        with self._writing() as database:
            known = {row["file"] for row in database.execute("SELECT file FROM arms")}
            _remove(
                [
                    path
                    for path in self._folder.iterdir()
                    if path.suffix in (SUFFIX, ".part") and path.name not in known
                ]
            )


def _entry(row: sqlite3.Row, arms: Sequence[KeptArm]) -> Entry:
    return Entry(
        id=row["id"],
        kept_at=datetime.datetime.fromisoformat(row["kept_at"]),
        owner=row["owner"],
        source=row["source"],
        title=row["title"],
        settings=row["settings"],
        verdict=row["verdict"],
        thumbnail=row["thumbnail"],
        pinned=bool(row["pinned"]),
        arms=tuple(arms),
    )


def _remove(files: Sequence[Path]) -> None:
    """Remove files that no row names; one that cannot be removed now is swept away another time."""
    for path in files:
        with suppress(OSError):
            path.unlink()


@contextmanager
def _in_words() -> Iterator[None]:
    """Turn what the disk and SQLite complain of into a sentence."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise LibraryError(_sentence(error)) from error


def _sentence(error: OSError | sqlite3.Error) -> str:
    if isinstance(error, OSError):
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        reason = error.strerror or "an error of the disk"
    else:
        code = getattr(error, "sqlite_errorcode", None)
        full = code == sqlite3.SQLITE_FULL
        reason = str(error)
    if full:
        return "The disk is full: nothing was kept, and nothing was lost."
    return f"The library cannot be used right now: {reason}."
