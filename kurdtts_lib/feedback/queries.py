"""The questions that are asked of the database, and the changes that are made to it, inside a transaction."""

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
"""The event of a correction that got another text."""
WITHDRAWN = {
    "state": "withdrawn",
    **{"text": "", "spoken": "", "contributor": "", "consent": False, "mark": "", "checks": []},
}
"""What a withdrawal leaves of a row."""


def insert(database: sqlite3.Connection, values: dict, what: str, detail: str = "") -> str:
    """A new row in state `submitted`, with its first event; returns its id."""
    row = {"id": uuid.uuid4().hex, "state": "submitted", "created": now(), **_plain(values)}
    marks = ", ".join("?" * len(COLUMNS))
    database.execute(
        f"INSERT INTO corrections ({', '.join(COLUMNS)}) VALUES ({marks})", [row[name] for name in COLUMNS]
    )
    note(database, row["id"], what, detail)
    return row["id"]


def change(database: sqlite3.Connection, id: str, values: dict, what: str, detail: str = "") -> None:
    """Change a row and write it down in its history."""
    names = ", ".join(f"{name} = ?" for name in values)
    database.execute(f"UPDATE corrections SET {names} WHERE id = ?", [*_plain(values).values(), id])
    note(database, id, what, detail)


def note(database: sqlite3.Connection, id: str, what: str, detail: str = "") -> None:
    database.execute(
        "INSERT INTO events (id, time, what, detail) VALUES (?, ?, ?, ?)", (id, now(), what, _whole(detail))
    )


def find(database: sqlite3.Connection, id: str) -> Correction:
    """Raises NotFoundError for an unknown id."""
    row = database.execute("SELECT * FROM corrections WHERE id = ?", (_whole(id),)).fetchone()
    if row is None:
        raise NotFoundError(f"There is no correction {id!r}. `kurdtts feedback list` shows all.")
    return _correction(row)


def listed(database: sqlite3.Connection, state: str | None = None) -> list[Correction]:
    """All, or those of a state, the oldest first."""
    where, values = ("", ()) if state is None else ("WHERE state = ?", (state,))
    return [_correction(row) for row in database.execute(f"SELECT * FROM corrections {where} ORDER BY number", values)]


def with_sound(database: sqlite3.Connection, digest: str) -> list[Correction]:
    """Those that are not withdrawn and have this sound."""
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
    """Whether a correction got another text at `time` or later."""
    query = "SELECT 1 FROM events WHERE id = ? AND what = ? AND time >= ?"
    return database.execute(query, (id, EDITED, time)).fetchone() is not None


def tainted(database: sqlite3.Connection) -> dict[str, list[str]]:
    """Voices that were trained with what is withdrawn by now, and the ids of that."""
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
    """Values as SQLite takes them."""
    plain = values | ({"checks": json.dumps(values["checks"], ensure_ascii=False)} if "checks" in values else {})
    return {name: _whole(value) if isinstance(value, str) else value for name, value in plain.items()}


def _whole(text: str) -> str:
    """`text` with a question mark for each half of a character: some consoles pass them on, and no file takes them."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _correction(row: sqlite3.Row) -> Correction:
    values = {name: row[name] for name in COLUMNS}
    return Correction(**values | {"consent": bool(row["consent"]), "checks": json.loads(row["checks"])})


def now() -> str:
    """UTC, ISO 8601, with milliseconds: times in this form are ordered as their letters are."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
