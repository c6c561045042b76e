"""Listening tests and their answers in one SQLite file; answers are on disk when `add` returns."""

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
    """An answer as a listener's page submits it."""

    item: str
    answer: int
    plays: int
    """Number of stimuli played to the end, repetitions included."""
    time: str
    """Time of the answer, ISO 8601 with time zone."""


@dataclass(frozen=True)
class Answer:
    """A stored answer, with the systems and the sentence that were heard."""

    code: str
    item: str
    systems: list[str]
    """In presentation order."""
    sentence: str
    answer: int
    plays: int
    time: str


class ListeningStore:
    """The tests of this home and their answers. Several processes may use the same folder.

    All methods raise ListeningError, with instructions, for bad input or an unusable file.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.path = (folder or home() / "data" / "listening") / NAME

    def keep(self, key: AnswerKey) -> None:
        """Store a test; storing it again changes nothing."""
        created = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        with self._transaction() as database:
            database.execute(
                "INSERT OR IGNORE INTO tests (test, created, key) VALUES (?, ?, ?)", (key.test, created, key.to_json())
            )

    def tests(self) -> list[str]:
        """Names of all tests, the newest last."""
        with self._transaction(write=False) as database:
            return [row["test"] for row in database.execute("SELECT test FROM tests ORDER BY number")]

    def key(self, test: str | None = None) -> AnswerKey:
        """The answer key of a test, by default of the newest."""
        with self._transaction(write=False) as database:
            return _key(database, test)

    def add(
        self, test: str, code: str, answers: Sequence[SubmittedAnswer], headphones: Sequence[int] | None = None
    ) -> int:
        """Store answers of one listener in one transaction; return how many are new.

        headphones: the tone chosen in each trial of the headphone check; empty: it was skipped; None: store nothing.
        Answers that are there already are not counted again. A different answer to the same item is refused: two
        listeners used the same code.
        """
        with self._transaction() as database:
            key = _key(database, test)
            plan = {trial.item: trial for trial in key.plan(code)}
            if headphones is not None:
                _insert_headphones(database, key, code, headphones)
            return sum(_insert(database, key, code, _checked(key, plan, answer), answer) for answer in answers)

    def answers(self, test: str) -> list[Answer]:
        """All answers to a test, by listener, in the order in which they were given."""
        with self._transaction(write=False) as database:
            found = database.execute(
                "SELECT code, item, systems, sentence, answer, plays, time FROM answers WHERE test = ?"
                " ORDER BY code, time, item",
                (test,),
            )
            rows = [dict(row) for row in found]
        return [Answer(**{**row, "systems": json.loads(row["systems"])}) for row in rows]

    def headphones(self, test: str) -> dict[str, int | None]:
        """Right answers in the headphone check, of six, by listener; None if it was skipped."""
        with self._transaction(write=False) as database:
            right = list(_key(database, test).trials.values())
            found = database.execute("SELECT code, choices FROM headphones WHERE test = ?", (test,)).fetchall()
        return {row["code"]: _count_right(json.loads(row["choices"]), right) for row in found}

    def progress(self, test: str, code: str) -> dict[str, Any]:
        """Where a listener resumes: `answered`, a list of items, and `checked`, whether the headphone check is done."""
        self.key(test).plan(code)
        answered = [answer.item for answer in self.answers(test) if answer.code == code]
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


def _count_right(choices: list[int], right: list[int]) -> int | None:
    return sum(one == other for one, other in zip(choices, right, strict=True)) if choices else None


def _insert_headphones(database: sqlite3.Connection, key: AnswerKey, code: str, choices: Sequence[int]) -> None:
    if choices and (len(choices) != len(key.trials) or not all(_whole(choice, range(1, 4)) for choice in choices)):
        raise ListeningError(f"The headphones check of {code} is not {len(key.trials)} numbers from 1 to 3: {choices}.")
    written = json.dumps(list(choices))
    database.execute("INSERT OR IGNORE INTO headphones VALUES (?, ?, ?)", (key.test, code, written))
    (stored,) = database.execute(
        "SELECT choices FROM headphones WHERE test = ? AND code = ?", (key.test, code)
    ).fetchone()
    if stored != written:
        raise _used(key.test, code)


def _checked(key: AnswerKey, plan: dict[str, Trial], answer: SubmittedAnswer) -> Trial:
    if answer.item not in plan:
        raise ListeningError(f"The test {key.test} has no item {answer.item!r} for this listener.")
    trial, scale = plan[answer.item], SCALES[key.kind]
    if not _whole(answer.answer, scale):
        raise ListeningError(f"An answer must be a whole number from {scale[0]} to {scale[-1]}, not {answer.answer!r}.")
    if not _whole(answer.plays, range(count := len(trial.sounds), 10_000)):
        raise ListeningError(f"{answer.plays!r} plays cannot be: each of {count} sounds must be heard once.")
    return trial


def _whole(value: object, allowed: range) -> bool:
    return type(value) is int and value in allowed


def _insert(database: sqlite3.Connection, key: AnswerKey, code: str, trial: Trial, answer: SubmittedAnswer) -> bool:
    answer = replace(answer, time=_utc(answer.time))
    row_key = (key.test, code, answer.item)
    before = database.execute("SELECT time FROM answers WHERE test = ? AND code = ? AND item = ?", row_key).fetchone()
    if before is not None:
        if before["time"] != answer.time:
            raise _used(key.test, code)
        # Same time, same listener: the response got lost and the page sent the answer again, perhaps changed.
        database.execute(
            "UPDATE answers SET answer = ?, plays = ? WHERE test = ? AND code = ? AND item = ?",
            (answer.answer, answer.plays, *row_key),
        )
        return False
    heard = json.dumps(trial.heard, ensure_ascii=False)
    database.execute(
        "INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (*row_key, heard, trial.sentence, answer.answer, answer.plays, answer.time),
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
