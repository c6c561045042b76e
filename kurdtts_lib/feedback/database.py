"""The table of corrections and their history: an SQLite file, opened for each transaction and shared by no threads."""

import contextlib
import json
import sqlite3
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from kurdtts_lib.core.errors import FeedbackError, NotFoundError

NAME = "feedback.sqlite"
TIMEOUT_SECONDS = 30.0
"""How long to wait for another program that is writing."""
VERSION = 1
STATES = ("submitted", "accepted", "used", "withdrawn")
BLANK = {"text": "", "spoken": "", "contributor": "", "consent": False, "mark": ""}
"""What a withdrawal overwrites."""
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
    f"PRAGMA user_version = {VERSION}",
)


@dataclass(frozen=True)
class Correction:
    """A recording of a sentence as it is said right, with its text."""

    id: str
    """32 hexadecimal digits, random."""
    text: str
    """As written; empty after a withdrawal."""
    spoken: str
    """As said: the normalised text."""
    state: str
    """One of `STATES`."""
    created: str
    """Time of the submission, UTC, ISO 8601."""
    voice: str
    """The voice that said it wrong."""
    contributor: str
    consent: bool
    mark: str
    """What was wrong in the voice's speech."""
    digest: str
    """The name of its audio file, without suffix."""
    seconds: float
    """Duration of the audio as recorded."""
    checks: list[str]
    """Warnings of `check_take`, for display."""
    repeated: bool = False
    """Set by `submit` if the same audio and text were stored already: they are stored once."""


class Event(NamedTuple):
    """One line of a correction's history."""

    when: str
    """UTC, ISO 8601."""
    what: str
    detail: str
    """Never the text or the contributor, because the history outlives a withdrawal."""


class Table:
    """The rows, within a transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def run(self, statement: str, *values: object) -> list[sqlite3.Row]:
        """The rows of an SQL statement. Lone surrogates in `values`, which some consoles pass on, become `?`."""
        return self._connection.execute(statement, list(map(_plain, values))).fetchall()

    def listed(self, where: str = "TRUE", *values: object) -> list[Correction]:
        """The corrections that fulfil a condition, the oldest first."""
        rows = [dict(row) for row in self.run(f"SELECT * FROM corrections WHERE {where} ORDER BY number", *values)]
        for row in rows:
            del row["number"]
            row |= {"consent": bool(row["consent"]), "checks": json.loads(row["checks"])}
        return [Correction(**row) for row in rows]

    def find(self, id: str) -> Correction:
        """The correction with this id. Raises NotFoundError for an unknown one."""
        if found := self.listed("id = ?", id):
            return found[0]
        raise NotFoundError(f"There is no correction {id!r}. `kurdtts feedback list` shows all.")

    def alive(self, digest: str) -> list[Correction]:
        """The corrections with this audio that are not withdrawn."""
        return self.listed("digest = ? AND state != 'withdrawn'", digest)

    def insert(self, values: dict, what: str, detail: str = "") -> Correction:
        """A new row in state `submitted`, with its first event."""
        id = uuid.uuid4().hex
        row = {"id": id, "state": "submitted", "created": now(), **values}
        places = ", ".join("?" * len(row))
        self.run(f"INSERT INTO corrections ({', '.join(row)}) VALUES ({places})", *row.values())
        return self.change(id, {}, what, detail)

    def change(self, id: str, values: dict, what: str, detail: str = "") -> Correction:
        """Update a row, and add an event to its history."""
        if values:
            names = ", ".join(f"{name} = ?" for name in values)
            self.run(f"UPDATE corrections SET {names} WHERE id = ?", *values.values(), id)
        self.run("INSERT INTO events (id, time, what, detail) VALUES (?, ?, ?, ?)", id, now(), what, detail)
        return self.find(id)

    def history(self, id: str) -> list[Event]:
        rows = self.run("SELECT time, what, detail FROM events WHERE id = ? ORDER BY number", id)
        return [Event(*row) for row in rows]

    def voices_of(self, id: str) -> list[str]:
        """The voices that were trained with a correction."""
        return [voice for (voice,) in self.run("SELECT voice FROM uses WHERE id = ? ORDER BY rowid", id)]


@contextlib.contextmanager
def transaction(folder: Path, write: bool = True) -> Iterator[Table]:
    """Commit everything that is done inside, or nothing; once it returns, the changes are on the disk.

    Raises FeedbackError if another program keeps the file locked, if the disk is full, or if the file is damaged.
    """
    path = folder / NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.closing(sqlite3.connect(path, timeout=TIMEOUT_SECONDS, isolation_level=None)) as connection:
            _set_up(connection, path)
            connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            yield Table(connection)
            connection.execute("COMMIT")  # after an error, closing the connection rolls back
    except (OSError, sqlite3.DatabaseError) as error:
        raise FeedbackError(f"{path} {_explained(error)}") from error


def _set_up(connection: sqlite3.Connection, path: Path) -> None:
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA synchronous = FULL")  # a row that was promised must survive a power cut
    connection.execute("PRAGMA secure_delete = ON")  # what was deleted must not stay readable in the file
    # Version 0.1.0 wrote ahead to a second file: it keeps what was deleted, and a copy of the first one alone lacks
    # the newest rows. The change fails while another program has the file open, and is made by a later transaction.
    with contextlib.suppress(sqlite3.OperationalError):
        connection.execute("PRAGMA journal_mode = DELETE")
    version = _version(connection)
    if version > VERSION:
        raise FeedbackError(f"{path} was written by a newer version of the course. Update the course first.")
    if version == 0:
        connection.execute("BEGIN IMMEDIATE")
        for statement in SCHEMA if _version(connection) == 0 else ():  # unless another process was quicker
            connection.execute(statement)
        connection.execute("COMMIT")


def _version(connection: sqlite3.Connection) -> int:
    return connection.execute("PRAGMA user_version").fetchone()[0]


def _explained(error: Exception) -> str:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the upper bits only refine it
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return "is in use by another program. Nothing was lost; try again in a moment."
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return (
            f"is damaged ({error}). The sounds beside it are not touched. Put back a copy of this file, or move it "
            "elsewhere and run `kurdtts feedback verify`, which names every sound, to be submitted with its text again."
        )
    return f"cannot be written or read ({error}). Nothing was changed; is the disk full?"


def _plain(value: object) -> Any:
    """A value in a type that SQLite takes."""
    if isinstance(value, list):
        value = json.dumps(value, ensure_ascii=False)
    return value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else value


def now() -> str:
    """The time: UTC, ISO 8601, with milliseconds, so that strings compare as times do."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
