"""Queries and updates of the database, each inside a transaction of the caller."""

import json
import sqlite3
import uuid
from datetime import UTC, datetime

from kurdtts_lib.core.errors import NotFoundError
from kurdtts_lib.feedback.records import Correction, Event

COLUMNS = (
    *("id", "text", "spoken", "state", "created", "voice", "contributor", "consent", "mark", "digest", "seconds"),
    "checks",
)
EDITED = "text edited"
"""The event of a correction whose text was edited."""
WITHDRAWN = {
    "state": "withdrawn",
    **{"text": "", "spoken": "", "contributor": "", "consent": False, "mark": "", "checks": []},
}
"""The values that a withdrawal overwrites in a row."""


def insert(database: sqlite3.Connection, values: dict, what: str, detail: str = "") -> str:
    """Insert a row in state `submitted`, with its first event; returns its id."""
    row = {"id": uuid.uuid4().hex, "state": "submitted", "created": now(), **_plain(values)}
    placeholders = ", ".join("?" * len(COLUMNS))
    database.execute(
        f"INSERT INTO corrections ({', '.join(COLUMNS)}) VALUES ({placeholders})", [row[name] for name in COLUMNS]
    )
    note(database, row["id"], what, detail)
    return row["id"]


def change(database: sqlite3.Connection, id: str, values: dict, what: str, detail: str = "") -> None:
    """Update a row, and add an event to its history."""
    names = ", ".join(f"{name} = ?" for name in values)
    database.execute(f"UPDATE corrections SET {names} WHERE id = ?", [*_plain(values).values(), id])
    note(database, id, what, detail)


def note(database: sqlite3.Connection, id: str, what: str, detail: str = "") -> None:
    database.execute(
        "INSERT INTO events (id, time, what, detail) VALUES (?, ?, ?, ?)", (id, now(), what, _encodable(detail))
    )


def find(database: sqlite3.Connection, id: str) -> Correction:
    """The correction with this id. Raises NotFoundError for an unknown one."""
    row = database.execute("SELECT * FROM corrections WHERE id = ?", (_encodable(id),)).fetchone()
    if row is None:
        raise NotFoundError(f"There is no correction {id!r}. `kurdtts feedback list` shows all.")
    return _correction(row)


def listed(database: sqlite3.Connection, state: str | None = None) -> list[Correction]:
    """All corrections, or those in a state, the oldest first."""
    where, values = ("", ()) if state is None else ("WHERE state = ?", (state,))
    return [_correction(row) for row in database.execute(f"SELECT * FROM corrections {where} ORDER BY number", values)]


def with_sound(database: sqlite3.Connection, digest: str) -> list[Correction]:
    """The corrections with this audio that are not withdrawn, the oldest first."""
    rows = database.execute(
        "SELECT * FROM corrections WHERE digest = ? AND state != 'withdrawn' ORDER BY number", (digest,)
    )
    return [_correction(row) for row in rows]


def voices_of(database: sqlite3.Connection, id: str) -> list[str]:
    """The voices that were trained with a correction."""
    return [row["voice"] for row in database.execute("SELECT voice FROM uses WHERE id = ? ORDER BY rowid", (id,))]


def use(database: sqlite3.Connection, id: str, voice: str) -> None:
    database.execute("INSERT OR IGNORE INTO uses VALUES (?, ?)", (id, voice))


def edited_since(database: sqlite3.Connection, id: str, time: str) -> bool:
    """Whether a correction's text was edited at `time` or later."""
    query = "SELECT 1 FROM events WHERE id = ? AND what = ? AND time >= ?"
    return database.execute(query, (id, EDITED, time)).fetchone() is not None


def tainted(database: sqlite3.Connection) -> dict[str, list[str]]:
    """Voices that were trained with corrections withdrawn since, and the ids of these corrections."""
    found: dict[str, list[str]] = {}
    query = (
        "SELECT uses.voice, uses.id FROM uses JOIN corrections USING (id) WHERE state = 'withdrawn' ORDER BY uses.rowid"
    )
    for row in database.execute(query):
        found.setdefault(row["voice"], []).append(row["id"])
    return found


def history(database: sqlite3.Connection, id: str) -> list[Event]:
    rows = database.execute("SELECT time, what, detail FROM events WHERE id = ? ORDER BY number", (id,))
    return [Event(*row) for row in rows]


def _plain(values: dict) -> dict:
    """Values in types that SQLite takes."""
    plain = values | ({"checks": json.dumps(values["checks"], ensure_ascii=False)} if "checks" in values else {})
    return {name: _encodable(value) if isinstance(value, str) else value for name, value in plain.items()}


def _encodable(text: str) -> str:
    """`text` with a question mark for each lone surrogate: some consoles pass them on, and UTF-8 cannot encode them."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _correction(row: sqlite3.Row) -> Correction:
    values = {name: row[name] for name in COLUMNS}
    return Correction(**values | {"consent": bool(row["consent"]), "checks": json.loads(row["checks"])})


def now() -> str:
    """The time: UTC, ISO 8601, with milliseconds, so that strings compare as times do."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
