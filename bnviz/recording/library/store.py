"""The Library: two tables in SQLite that list the kept runs, and beside them a file for each Recording.

A file is written before a row names it, and its row is deleted before the file. So no row ever names a file that
is not whole. A file that no row names was left by a process that was killed; it is deleted when a Library is
opened. A writer holds SQLite's write lock while it touches files, so that no other process writes meanwhile.
"""

from __future__ import annotations

import datetime
import errno
import hashlib
import itertools
import os
import secrets
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from bnviz.recording.file import SUFFIX, write_whole
from bnviz.recording.library.entry import Credentials, Description, Entry, KeptArm, LibraryError
from bnviz.recording.recording import Recording

VERSION = 1
WAIT_SECONDS = 20.0
"""How long to wait for another writer before the library counts as busy."""

DEFAULT_MEGABYTES = 2000
MOST_TEXT = 600
"""Characters of a title, label or verdict; longer ones are cut."""

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
    """How many bytes a library may hold: $BNVIZ_LIBRARY_MB million. Raises ValueError for no whole number above 0."""
    text = environment.get("BNVIZ_LIBRARY_MB", str(DEFAULT_MEGABYTES))
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and int(text) > 0):
        raise ValueError(
            f"BNVIZ_LIBRARY_MB = {text[:40]!r} is not allowed; allowed is a whole number above 0"
        )
    return int(text) * 10**6


class Library:
    """The kept runs in `folder`. Every method may be called from any thread, and raises LibraryError.

    most: bytes that all files may take; beyond it the oldest runs that are not pinned are deleted.
    """

    def __init__(self, folder: Path, most: int) -> None:
        self._folder, self._most = folder, most
        self._database = folder / "library.sqlite"
        with _as_library_error():
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
        owner: Credentials,
        description: Description,
    ) -> Entry:
        """Keep the Recordings of one run. Returns the entry there is if the same ones are kept already."""
        if not recordings or not any(item.snapshots for item in recordings):
            raise LibraryError("There is nothing to keep yet: press Play first.")
        contents = [item.to_bytes() for item in recordings]
        needed = sum(map(len, contents))
        row = {
            "id": secrets.token_hex(12),
            "digest": hashlib.blake2b(b"".join(contents), digest_size=20).hexdigest(),
            "kept_at": datetime.datetime.now(datetime.UTC).isoformat(),
            "owner": owner.token,
            "source": description.source[:MOST_TEXT],
            "title": description.title[:MOST_TEXT],
            "settings": description.settings[:MOST_TEXT],
            "verdict": description.verdict[:MOST_TEXT],
            "thumbnail": description.thumbnail,
        }
        written: list[Path] = []
        try:
            with _as_library_error(), self._writing() as database:
                found = database.execute("SELECT id FROM runs WHERE digest = :digest", row).fetchone()
                if found:
                    row["id"] = found["id"]
                    surplus = []
                else:
                    surplus = self._make_room(database, needed)
                    taken = {item["title"] for item in database.execute("SELECT title FROM runs")}
                    row["title"] = _another(row["title"], taken)
                    database.execute(
                        f"INSERT INTO runs ({', '.join(row)}) VALUES ({', '.join(f':{name}' for name in row)})",
                        row,
                    )
                    for place, (label, content) in enumerate(zip(description.labels, contents, strict=True)):
                        path = self._folder / f"{secrets.token_hex(16)}{SUFFIX}"
                        written.append(path)
                        write_whole(path, content)
                        database.execute(
                            "INSERT INTO arms VALUES (?, ?, ?, ?, ?)",
                            (row["id"], place, label[:MOST_TEXT], path.name, len(content)),
                        )
        except BaseException:
            _remove(written)
            raise
        _remove(surplus)
        return self.entry(row["id"])

    def entries(self, text: str = "") -> tuple[Entry, ...]:
        """The kept runs whose texts hold every word of `text`: pinned ones first, then the latest."""
        with _as_library_error(), closing(self._connect()) as database:
            database.execute("BEGIN")  # both SELECTs see the same state
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
        with _as_library_error():
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

    def pin(self, run: str, pinned: bool, who: Credentials) -> None:
        """Pin a run, so that the size limit never deletes it, or unpin it."""
        self._check(run, who)
        with _as_library_error(), self._writing() as database:
            database.execute("UPDATE runs SET pinned = ? WHERE id = ?", (int(pinned), run))

    def rename(self, run: str, title: str, who: Credentials) -> None:
        """Give a run another title; spaces around it do not count."""
        self._check(run, who)
        short = " ".join(title.split())[:MOST_TEXT]
        if not short:
            raise LibraryError("A run needs a title of one character or more.")
        with _as_library_error(), self._writing() as database:
            database.execute("UPDATE runs SET title = ? WHERE id = ?", (short, run))

    def delete(self, run: str, who: Credentials) -> None:
        """Remove a run and its files."""
        self._check(run, who)
        with _as_library_error(), self._writing() as database:
            files = self._forget(database, run)
        _remove(files)

    @property
    def bytes(self) -> int:
        """How many bytes all files take."""
        return sum(entry.bytes for entry in self.entries())

    @property
    def most(self) -> int:
        """How many bytes all files may take."""
        return self._most

    def _check(self, run: str, who: Credentials) -> None:
        if not self.entry(run).may_change(who):
            raise LibraryError("Only who kept this run, or whoever sits at the server, may change it.")

    def _connect(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._database, timeout=WAIT_SECONDS, isolation_level=None)
        database.row_factory = sqlite3.Row
        database.execute("PRAGMA foreign_keys = ON")
        database.execute("PRAGMA synchronous = FULL")  # what was committed survives a power cut
        return database

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A write transaction: one at a time, rolled back if an exception leaves it."""
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
        """Delete the rows of the oldest runs that are not pinned until `needed` bytes fit; returns their files."""
        query = "SELECT id, pinned, SUM(bytes) AS bytes FROM runs JOIN arms ON run = id GROUP BY id ORDER BY kept_at"
        rows = database.execute(query).fetchall()
        surplus = sum(row["bytes"] for row in rows) + needed - self._most
        unpinned = [row for row in rows if not row["pinned"]]
        if surplus > sum(row["bytes"] for row in unpinned):
            raise LibraryError(
                f"There is no room for {needed / 1e6:.1f} MB: the library holds {self._most / 1e6:,.0f} MB, "
                "and pinned runs stay. Unpin or delete some first."
            )
        files: list[Path] = []
        for row in unpinned:
            if surplus <= 0:
                break
            surplus -= row["bytes"]
            files += self._forget(database, row["id"])
        return files

    def _forget(self, database: sqlite3.Connection, run: str) -> list[Path]:
        """Delete a run's rows; returns its files, to be removed after the commit."""
        rows = database.execute("SELECT file FROM arms WHERE run = ?", (run,)).fetchall()
        database.execute("DELETE FROM runs WHERE id = ?", (run,))
        return [self._folder / row["file"] for row in rows]

    def _sweep(self) -> None:
        """Remove files that a killed process has left behind."""
        with self._writing() as database:
            known = {row["file"] for row in database.execute("SELECT file FROM arms")}
            _remove(
                [
                    path
                    for path in self._folder.iterdir()
                    if path.suffix in (SUFFIX, ".part") and path.name not in known
                ]
            )


def _another(title: str, taken: Collection[str]) -> str:
    """The title, with a number behind it where it is taken: "Spirals (2)"."""
    numbered = (f"{title} ({number})" for number in itertools.count(2))
    return title if title not in taken else next(item for item in numbered if item not in taken)


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
    """Remove files that no row names. `_sweep` tries again with those that cannot be removed now."""
    for path in files:
        with suppress(OSError):
            path.unlink()


@contextmanager
def _as_library_error() -> Iterator[None]:
    """Turn errors of the disk and of SQLite into a LibraryError with a sentence."""
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
