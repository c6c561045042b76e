"""The table of corrections: an SQLite file, opened for each transaction and shared by no threads."""

import contextlib
import json
import sqlite3
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kurdtts_lib.core.errors import FeedbackError, NotFoundError

NAME = "feedback.sqlite"
TIMEOUT_SECONDS = 30.0
"""How long to wait for another program that is writing."""
BLANK = {"text": "", "spoken": "", "contributor": "", "consent": False, "mark": ""}
"""What a withdrawal overwrites."""
SCHEMA = (
    """CREATE TABLE IF NOT EXISTS corrections (
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
    "CREATE UNIQUE INDEX IF NOT EXISTS once ON corrections (digest, text) WHERE state != 'withdrawn'",
    "CREATE TABLE IF NOT EXISTS uses (id TEXT NOT NULL, voice TEXT NOT NULL, PRIMARY KEY (id, voice))",
    "CREATE TABLE IF NOT EXISTS edits (id TEXT PRIMARY KEY, time TEXT NOT NULL)",
)
"""`uses`: which voices were trained with a correction. `edits`: when its text was last changed."""


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
    """`submitted`, `accepted`, `used` or `withdrawn`."""
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

    def insert(self, values: dict) -> Correction:
        """A new row in state `submitted`."""
        row = {"id": uuid.uuid4().hex, "state": "submitted", "created": now(), **values}
        places = ", ".join("?" * len(row))
        self.run(f"INSERT INTO corrections ({', '.join(row)}) VALUES ({places})", *row.values())
        return self.find(row["id"])

    def change(self, id: str, **values: object) -> Correction:
        names = ", ".join(f"{name} = ?" for name in values)
        self.run(f"UPDATE corrections SET {names} WHERE id = ?", *values.values(), id)
        return self.find(id)


@contextlib.contextmanager
def transaction(folder: Path, write: bool = True) -> Iterator[Table]:
    """Commit everything that is done inside, or nothing; once it returns, the changes are on the disk.

    Raises FeedbackError if another program keeps the file locked, if the disk is full, or if the file is damaged.
    """
    path = folder / NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.closing(sqlite3.connect(path, timeout=TIMEOUT_SECONDS, isolation_level=None)) as connection:
            _set_up(connection)
            connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            for statement in SCHEMA:
                connection.execute(statement)
            yield Table(connection)
            connection.execute("COMMIT")  # after an error, closing the connection rolls back
    except (OSError, sqlite3.DatabaseError) as error:
        raise FeedbackError(f"{path} {_explained(error)}") from error


def _set_up(connection: sqlite3.Connection) -> None:
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA synchronous = FULL")  # a row that was promised must survive a power cut
    connection.execute("PRAGMA secure_delete = ON")  # what was deleted must not stay readable in the file
    connection.execute("PRAGMA journal_mode = DELETE")  # nor in a second one, where version 0.1.0 wrote ahead


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
