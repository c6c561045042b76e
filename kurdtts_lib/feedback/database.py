"""The SQLite file of the store, opened for each transaction, so that threads and processes share no connection."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from kurdtts_lib.core import sqlite
from kurdtts_lib.core.errors import FeedbackError

NAME = "feedback.sqlite"
TIMEOUT_SECONDS = sqlite.TIMEOUT_SECONDS
SCHEMA = (
    """CREATE TABLE corrections (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        text TEXT NOT NULL,
        spoken TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('submitted', 'accepted', 'used', 'withdrawn')),
        created TEXT NOT NULL,
        voice TEXT NOT NULL,
        contributor TEXT NOT NULL,
        consent INTEGER NOT NULL,
        mark TEXT NOT NULL,
        digest TEXT NOT NULL,
        seconds REAL NOT NULL,
        checks TEXT NOT NULL
    )""",
    "CREATE UNIQUE INDEX once ON corrections (digest, text) WHERE state != 'withdrawn'",
    """CREATE TABLE events (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL,
        time TEXT NOT NULL,
        what TEXT NOT NULL,
        detail TEXT NOT NULL
    )""",
    "CREATE INDEX events_of ON events (id)",
    "CREATE TABLE uses (id TEXT NOT NULL, voice TEXT NOT NULL, PRIMARY KEY (id, voice))",
)


KIND = sqlite.Kind(
    version=1,
    schema=SCHEMA,
    error=FeedbackError,
    when_damaged="The sounds beside it are not touched. Put back a copy of this file, or move it elsewhere and run "
    "`kurdtts feedback verify`, which makes a new row for every sound.",
)


@contextlib.contextmanager
def transaction(folder: Path, write: bool = True) -> Iterator[sqlite3.Connection]:
    """Commit everything that is done inside, or nothing; once it returns, the changes are on the disk.

    Raises FeedbackError if another program keeps the file locked, if the disk is full, or if the file is damaged.
    """
    path = folder / NAME
    with KIND.transaction(path, lambda connection: _set_up(connection, path), TIMEOUT_SECONDS, write) as connection:
        yield connection


def _set_up(connection: sqlite3.Connection, path: Path) -> None:
    KIND.set_up(connection, path)
