"""Tests and answers in one SQLite file; every answer is on the disk when `add` returns."""

import contextlib
import datetime
import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kurdtts_lib.core import sqlite
from kurdtts_lib.core.errors import ListeningError
from kurdtts_lib.core.settings import home
from kurdtts_lib.evaluation.listening.design import SCALES, AnswerKey, Trial

NAME = "listening.sqlite"
TIMEOUT_SECONDS = sqlite.TIMEOUT_SECONDS
KIND = sqlite.Kind(
    version=1,
    schema=(
        """CREATE TABLE tests (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            test TEXT NOT NULL UNIQUE,
            created TEXT NOT NULL,
            key TEXT NOT NULL
        )""",
        """CREATE TABLE headphones (
            test TEXT NOT NULL,
            code TEXT NOT NULL,
            choices TEXT NOT NULL,
            PRIMARY KEY (test, code)
        )""",
        """CREATE TABLE answers (
            test TEXT NOT NULL,
            code TEXT NOT NULL,
            item TEXT NOT NULL,
            systems TEXT NOT NULL,
            sentence TEXT NOT NULL,
            answer INTEGER NOT NULL,
            plays INTEGER NOT NULL,
            time TEXT NOT NULL,
            PRIMARY KEY (test, code, item)
        )""",
    ),
    error=ListeningError,
    when_damaged="Put back a copy of this file, or move it elsewhere and import the listeners' files again.",
)


@dataclass(frozen=True)
class SubmittedAnswer:
    """An answer as the listener's page gives it."""

    item: str
    answer: int
    plays: int
    """How many sounds were played to their end."""
    time: str
    """When, ISO 8601 with the time zone."""


@dataclass(frozen=True)
class Answer:
    """An answer with what was behind it."""

    code: str
    item: str
    systems: list[str]
    """In the order of hearing."""
    sentence: str
    answer: int
    plays: int
    time: str


class ListeningStore:
    """The tests that were made here and what came back. Several processes may use the same folder.

    Every method raises ListeningError, which says what to do, for bad input or a file that cannot be used.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.path = (folder or home() / "data" / "listening") / NAME

    def keep(self, key: AnswerKey) -> None:
        """Remember a test; the same one again changes nothing."""
        created = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        with self._transaction() as database:
            database.execute(
                "INSERT OR IGNORE INTO tests (test, created, key) VALUES (?, ?, ?)", (key.test, created, key.to_json())
            )

    def tests(self) -> list[str]:
        """All tests, the newest last."""
        with self._transaction(write=False) as database:
            return [row["test"] for row in database.execute("SELECT test FROM tests ORDER BY number")]

    def key(self, test: str | None = None) -> AnswerKey:
        """Of a test; None: the newest."""
        with self._transaction(write=False) as database:
            return _key(database, test)

    def add(
        self, test: str, code: str, given: Sequence[SubmittedAnswer], headphones: Sequence[int] | None = None
    ) -> int:
        """Keep answers of one listener, all or none; returns how many are new.

        headphones: the tone that was chosen in each trial of the check; empty: it was left out; None: nothing to say.
        What is there already is not counted again. Another answer in its place is refused: then two listeners used
        the same code.
        """
        with self._transaction() as database:
            key = _key(database, test)
            plan = {place.item: place for place in key.plan(code)}
            if headphones is not None:
                _keep_headphones(database, key, code, headphones)
            return sum(_keep(database, key, code, _checked(key, plan, each), each) for each in given)

    def answers(self, test: str) -> list[Answer]:
        """All answers to a test, by listener, in the order in which they came."""
        with self._transaction(write=False) as database:
            found = database.execute(
                "SELECT code, item, systems, sentence, answer, plays, time FROM answers WHERE test = ?"
                " ORDER BY code, time, item",
                (test,),
            )
            rows = [dict(row) for row in found]
        return [Answer(**{**row, "systems": json.loads(row["systems"])}) for row in rows]

    def headphones(self, test: str) -> dict[str, int | None]:
        """How many of the six trials of the headphones check each listener had right; None: left out."""
        with self._transaction(write=False) as database:
            right = list(_key(database, test).trials.values())
            found = database.execute("SELECT code, choices FROM headphones WHERE test = ?", (test,)).fetchall()
        return {row["code"]: _number_right(json.loads(row["choices"]), right) for row in found}

    def progress(self, test: str, code: str) -> dict[str, Any]:
        """Where a listener goes on: `answered`, a list of items, and `checked`, whether headphones were asked about."""
        self.key(test).plan(code)
        answered = [each.item for each in self.answers(test) if each.code == code]
        return {"answered": answered, "checked": code in self.headphones(test)}

    @contextlib.contextmanager
    def _transaction(self, write: bool = True) -> Iterator[sqlite3.Connection]:
        with KIND.transaction(
            self.path, lambda connection: KIND.set_up(connection, self.path), TIMEOUT_SECONDS, write
        ) as connection:
            yield connection


def _key(database: sqlite3.Connection, test: str | None) -> AnswerKey:
    rows = database.execute("SELECT test, key FROM tests ORDER BY number").fetchall()
    if not rows:
        raise ListeningError("There is no listening test yet. Make one: `kurdtts listen make`.")
    keys = {row["test"]: row["key"] for row in rows}
    if test is not None and test not in keys:
        raise ListeningError(f"There is no listening test {test!r} here. There are: {', '.join(keys)}.")
    return AnswerKey.from_json(keys[test or rows[-1]["test"]])


def _number_right(choices: list[int], right: list[int]) -> int | None:
    return sum(one == other for one, other in zip(choices, right, strict=True)) if choices else None


def _keep_headphones(database: sqlite3.Connection, key: AnswerKey, code: str, choices: Sequence[int]) -> None:
    if choices and (len(choices) != len(key.trials) or not all(_whole(choice, range(1, 4)) for choice in choices)):
        raise ListeningError(f"The headphones check of {code} is not {len(key.trials)} numbers from 1 to 3: {choices}.")
    written = json.dumps(list(choices))
    database.execute("INSERT OR IGNORE INTO headphones VALUES (?, ?, ?)", (key.test, code, written))
    (kept,) = database.execute(
        "SELECT choices FROM headphones WHERE test = ? AND code = ?", (key.test, code)
    ).fetchone()
    if kept != written:
        raise _used(key.test, code)


def _checked(key: AnswerKey, plan: dict[str, Trial], given: SubmittedAnswer) -> Trial:
    if given.item not in plan:
        raise ListeningError(f"The test {key.test} has no item {given.item!r} for this listener.")
    place, scale = plan[given.item], SCALES[key.kind]
    if not _whole(given.answer, scale):
        raise ListeningError(f"An answer must be a whole number from {scale[0]} to {scale[-1]}, not {given.answer!r}.")
    if not _whole(given.plays, range(len(place.sounds), 10_000)):
        raise ListeningError(f"{given.plays!r} plays cannot be: each of {len(place.sounds)} sounds must be heard once.")
    return place


def _whole(value: object, allowed: range) -> bool:
    return type(value) is int and value in allowed


def _keep(database: sqlite3.Connection, key: AnswerKey, code: str, place: Trial, given: SubmittedAnswer) -> bool:
    given = replace(given, time=_utc(given.time))
    place_of = (key.test, code, given.item)
    before = database.execute("SELECT time FROM answers WHERE test = ? AND code = ? AND item = ?", place_of).fetchone()
    if before is not None:
        if before["time"] != given.time:
            raise _used(key.test, code)
        # The same moment is the same listener, who heard nothing back and sent it again, perhaps thought over.
        database.execute(
            "UPDATE answers SET answer = ?, plays = ? WHERE test = ? AND code = ? AND item = ?",
            (given.answer, given.plays, *place_of),
        )
        return False
    heard = json.dumps(place.heard, ensure_ascii=False)
    database.execute(
        "INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (*place_of, heard, place.sentence, given.answer, given.plays, given.time),
    )
    return True


def _utc(time: str) -> str:
    try:
        moment = datetime.datetime.fromisoformat(time)
    except (TypeError, ValueError) as error:
        raise ListeningError(f"{time!r} is no time such as 2026-05-01T12:00:00+00:00.") from error
    if moment.tzinfo is None:
        raise ListeningError(f"The time {time!r} lacks its time zone.")
    return moment.astimezone(datetime.UTC).isoformat()


def _used(test: str, code: str) -> ListeningError:
    return ListeningError(
        f"The code {code} of the test {test} has other answers already: two listeners used it. Nothing was changed. "
        "Give each listener a code of their own."
    )
