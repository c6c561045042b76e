"""The SQLite file of the store, opened anew for each piece of work, so that threads and processes need not share."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from kurdtts_lib.errors import FeedbackError

NAME = "feedback.sqlite"
TIMEOUT_SECONDS = 30.0
"""How long to wait for another program that is writing."""
VERSION = 1
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


@contextlib.contextmanager
def transaction(folder: Path, write: bool = True) -> Iterator[sqlite3.Connection]:
    """All of what is done inside, or nothing; when it returns, the disk has it.

    Raises FeedbackError if another program keeps the file locked, if the disk is full, or if the file is damaged.
    """
    path = folder / NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FeedbackError(f"The folder {folder} cannot be made: {error.strerror}. Choose another one.") from error
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=TIMEOUT_SECONDS, isolation_level=None)) as connection:
            _set_up(connection, path)
            connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            yield connection
            connection.execute("COMMIT")  # after an error the closing rolls back
    except sqlite3.DatabaseError as error:
        raise _explained(path, error) from error


def _set_up(connection: sqlite3.Connection, path: Path) -> None:
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA synchronous = FULL")  # WAL alone would lose the newest rows in a power cut
    connection.execute("PRAGMA secure_delete = ON")  # a withdrawn text must not stay readable in the file
    version = _version(connection)
    if version > VERSION:
        raise FeedbackError(f"{path} was written by a newer version of the course. Update the course first.")
    if version == 0:
        _create(connection)


def _version(connection: sqlite3.Connection) -> int:
    return connection.execute("PRAGMA user_version").fetchone()[0]


def _create(connection: sqlite3.Connection) -> None:
    # Refused where the file system cannot do it, or while another process creates the file too. Without it writers
    # wait for readers, and nothing else changes.
    with contextlib.suppress(sqlite3.OperationalError):
        connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("BEGIN IMMEDIATE")
    if _version(connection) == 0:  # nobody was quicker
        for statement in SCHEMA:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")


def _explained(path: Path, error: sqlite3.DatabaseError) -> FeedbackError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the upper bits only say more of the same
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return FeedbackError(f"{path} is in use by another program. Nothing was lost; try again in a moment.")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return FeedbackError(
            f"{path} is damaged ({error}). The sounds beside it are not touched. Put back a copy of this file, or move "
            "it elsewhere and run `kurdtts feedback verify`, which makes a new row for every sound."
        )
    return FeedbackError(f"{path} cannot be written or read ({error}). Nothing was changed; is the disk full?")
