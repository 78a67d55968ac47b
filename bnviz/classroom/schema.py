"""The tables of a file of classes, and how a file that an earlier version wrote becomes one."""

from __future__ import annotations

import sqlite3

_TABLES = """
CREATE TABLE IF NOT EXISTS classes (
    code TEXT PRIMARY KEY,
    teacher BLOB NOT NULL,
    address TEXT NOT NULL,
    lesson TEXT NOT NULL DEFAULT '',
    part INTEGER NOT NULL DEFAULT 0,
    ended INTEGER NOT NULL DEFAULT 0,
    used REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS parts (
    code TEXT NOT NULL REFERENCES classes ON DELETE CASCADE,
    part INTEGER NOT NULL,
    shown TEXT NOT NULL,
    step INTEGER NOT NULL DEFAULT 0,
    behind INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (code, part)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS questions (
    code TEXT NOT NULL REFERENCES classes ON DELETE CASCADE,
    part INTEGER NOT NULL,
    question TEXT NOT NULL,
    round INTEGER NOT NULL DEFAULT 0,
    is_open INTEGER NOT NULL DEFAULT 0,
    withheld INTEGER NOT NULL DEFAULT 0,
    told INTEGER NOT NULL DEFAULT 0,
    measured TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (code, part, question)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answers (
    code TEXT NOT NULL REFERENCES classes ON DELETE CASCADE,
    part INTEGER NOT NULL,
    question TEXT NOT NULL,
    round INTEGER NOT NULL,
    voter BLOB NOT NULL,
    answer TEXT NOT NULL,
    PRIMARY KEY (code, part, question, round, voter)
) WITHOUT ROWID;
"""

LAB = "lab"
"""The question of a lab, which was the only one in earlier versions."""

_FROM_EARLIER = f"""
BEGIN IMMEDIATE;
ALTER TABLE classes RENAME TO earlier_classes;
ALTER TABLE votes RENAME TO earlier_votes;
{_TABLES}
INSERT INTO classes (code, teacher, address, ended, used)
    SELECT code, teacher, address, ended, used FROM earlier_classes;
INSERT INTO parts (code, part, shown, step) SELECT code, 0, shown, step FROM earlier_classes;
INSERT INTO questions (code, part, question, round, is_open, withheld)
    SELECT code, 0, '{LAB}', round, is_open, {{withheld}} FROM earlier_classes WHERE round > 0;
INSERT INTO answers SELECT code, 0, '{LAB}', round, voter, answer FROM earlier_votes;
DROP TABLE earlier_votes;
DROP TABLE earlier_classes;
COMMIT;
"""
"""A class of an earlier version looked at one run, which is part 0 of no lesson."""


def prepare(database: sqlite3.Connection) -> None:
    """Make the tables where they are missing; a file of an earlier version keeps its classes and votes."""
    columns = {column[1] for column in database.execute("PRAGMA table_info(classes)")}
    if "shown" not in columns:
        database.executescript(_TABLES)
        return
    withheld = "withheld" if "withheld" in columns else "0"  # once a round that was closed was always shown
    database.execute("PRAGMA foreign_keys = OFF")
    try:
        database.executescript(_FROM_EARLIER.format(withheld=withheld))
    finally:
        if database.in_transaction:
            database.execute("ROLLBACK")
        database.execute("PRAGMA foreign_keys = ON")
