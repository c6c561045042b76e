"""Listening tests and the answers to them, as JSON files; what was added is on disk when `add` returns.

`data/listening/TEST/key.json` is a test's key, and `answers-CODE.json` beside it has the answers of one listener, in
the form of the file that listeners send back.
"""

import contextlib
import dataclasses
import datetime
import json
import sqlite3
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from kurdtts_lib.core.errors import ListeningError
from kurdtts_lib.core.files import locked, read_json, write_json, write_text
from kurdtts_lib.core.settings import home
from kurdtts_lib.evaluation.listening.design import SCALES, AnswerKey, Trial

KEY = "key.json"
FORMAT = "kurdtts-listening-answers-1"
FIELDS = {"format": str, "test": str, "code": str, "answers": list}
ANSWER_FIELDS = {"item": str, "answer": int, "plays": int, "time": str}
LARGEST_BYTES = 2_000_000
LONGEST_TEXT = 100
DATABASE = "listening.sqlite"
"""Where version 0.1.0 kept the tests and answers."""


@dataclass(frozen=True)
class SubmittedAnswer:
    """An answer as a listener's page submits it."""

    item: str
    answer: int
    plays: int
    """Number of stimuli played to the end, repetitions included."""
    time: str
    """Time of the answer, ISO 8601 with time zone."""


class Answer(NamedTuple):
    """A stored answer, with what was heard."""

    code: str
    trial: Trial
    answer: int
    plays: int


class ImportedAnswers(NamedTuple):
    """What was imported from a file."""

    test: str
    code: str
    answers: int
    new: int
    """Answers that were not in the store before."""
    expected: int
    """Number of answers of a complete test."""


class ListeningStore:
    """The tests of this home and their answers. Several processes may use the same folder.

    All methods raise ListeningError, with instructions, for bad input or a file that cannot be used.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or home() / "data" / "listening"

    def keep(self, key: AnswerKey) -> None:
        """Store a test; storing it again changes nothing."""
        if key.test not in self.tests():
            write_text(self.folder / key.test / KEY, key.to_json())

    def tests(self) -> list[str]:
        """Names of all tests, the newest last."""
        if (self.folder / DATABASE).is_file():
            self._convert()
        keys = sorted(self.folder.glob(f"*/{KEY}"), key=lambda path: path.stat().st_mtime_ns)
        return [path.parent.name for path in keys]

    def key(self, test: str | None = None) -> AnswerKey:
        """The answer key of a test, by default of the newest."""
        tests = self.tests()
        if not tests:
            raise ListeningError("There is no listening test yet. Make one: `kurdtts listen make`.")
        if test is not None and test not in tests:
            raise ListeningError(f"There is no listening test {test!r} here. There are: {', '.join(tests)}.")
        return AnswerKey.from_json(json.dumps(_read(self.folder / (test or tests[-1]) / KEY)))

    def add(self, test: str, code: str, answers: Sequence[SubmittedAnswer]) -> int:
        """Store answers of one listener, all or none; return how many are new.

        Answers that are there already are not counted again. A different answer to the same item is refused: two
        listeners used the same code.
        """
        key = self.key(test)
        plan = {trial.item: trial for trial in key.plan(code)}
        with locked(self._path(test, code)):
            kept = {answer.item: answer for answer in self._submitted(test, code)}
            before = len(kept)
            for answer in answers:
                answer = dataclasses.replace(answer, time=_utc(answer.time))
                _check(key, plan, answer)
                # Same time, same listener: the response got lost and the page sent the answer again, perhaps changed.
                if answer.item in kept and kept[answer.item].time != answer.time:
                    raise ListeningError(
                        f"The code {code} of the test {test} has other answers already: two listeners used it. "
                        "Nothing was changed. Give each listener a code of their own."
                    )
                kept[answer.item] = answer
            content = [dataclasses.asdict(answer) for answer in kept.values()]
            write_json(self._path(test, code), {"format": FORMAT, "test": test, "code": code, "answers": content})
        return len(kept) - before

    def answers(self, test: str) -> list[Answer]:
        """All answers to a test, by listener, in the order in which they were given."""
        found = []
        for code, trials in sorted(self.key(test).plans.items()):
            plan = {trial.item: trial for trial in trials}
            for one in sorted(self._submitted(test, code), key=lambda answer: (answer.time, answer.item)):
                found.append(Answer(code, plan[one.item], one.answer, one.plays))
        return found

    def answered(self, test: str, code: str) -> list[str]:
        """The items that a listener has answered: the test goes on after them."""
        self.key(test).plan(code)
        return [answer.item for answer in self._submitted(test, code)]

    def _path(self, test: str, code: str) -> Path:
        return self.folder / test / f"answers-{code}.json"

    def _submitted(self, test: str, code: str) -> list[SubmittedAnswer]:
        path = self._path(test, code)
        return [SubmittedAnswer(**answer) for answer in _read(path)["answers"]] if path.is_file() else []

    def _convert(self) -> None:
        """Write the tests and answers of version 0.1.0's database as files; once, and again if that was interrupted."""
        with locked(self.folder / DATABASE):
            if not (self.folder / DATABASE).is_file():
                return  # another program was quicker
            with contextlib.closing(sqlite3.connect(self.folder / DATABASE)) as database:
                database.row_factory = sqlite3.Row
                try:
                    keys = [row["key"] for row in database.execute("SELECT key FROM tests ORDER BY number")]
                    rows = database.execute("SELECT * FROM answers ORDER BY time, item").fetchall()
                except sqlite3.DatabaseError as error:
                    raise ListeningError(
                        f"{self.folder / DATABASE} is damaged or in use ({error}). Try again, put back a copy of this "
                        "file, or move it elsewhere and import the listeners' files again."
                    ) from error
            for key in map(AnswerKey.from_json, keys):
                for code in key.plans:
                    own = [
                        {name: row[name] for name in ANSWER_FIELDS}
                        for row in rows
                        if (row["test"], row["code"]) == (key.test, code)
                    ]
                    if own:
                        content = {"format": FORMAT, "test": key.test, "code": code, "answers": own}
                        write_json(self._path(key.test, code), content)
                write_text(self.folder / key.test / KEY, key.to_json())
            (self.folder / DATABASE).replace(self.folder / f"{DATABASE}.converted")
        warnings.warn(
            f"The listening tests in {self.folder} are files now, a folder for each test. The old file is kept as "
            f"{DATABASE}.converted; delete it when you like.",
            stacklevel=3,
        )


def import_answers(store: ListeningStore, path: Path) -> ImportedAnswers:
    """Import `answers-CODE.json`, which a listener sends back; importing it again changes nothing.

    It is untrusted: raises ListeningError, and imports nothing, for a file that is damaged or not from a listener's
    page, for a test that is not in the store, or for a code that already has other answers.
    """
    try:
        content = _fields(_sent(path), FIELDS)
        if content["format"] != FORMAT:
            raise ListeningError("It is of another version of the course, or not of a listening test at all.")
        answers = [SubmittedAnswer(**_fields(answer, ANSWER_FIELDS)) for answer in content["answers"]]
        new = store.add(content["test"], content["code"], answers)
    except ListeningError as error:
        raise ListeningError(f"{path}: {error}") from error
    expected = len(store.key(content["test"]).plan(content["code"]))
    return ImportedAnswers(content["test"], content["code"], len(answers), new, expected)


def _sent(path: Path) -> object:
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise ListeningError("It is too large for a file of answers.")
        content = _read(path)
    except OSError as error:
        raise ListeningError(f"It cannot be read ({error.strerror}).") from error
    if isinstance(content, dict):
        content.pop("headphones", None)  # pages of version 0.1.0 asked for them
    return content


def _read(path: Path) -> Any:
    try:
        return read_json(path)
    except (ValueError, RecursionError) as error:
        raise ListeningError(f"{path.name} is damaged or no file of answers. Put back a good copy of it.") from error


def _fields(value: object, fields: Mapping[str, type]) -> dict[str, Any]:
    """`value` as a dict with exactly these fields of these types. Raises ListeningError otherwise."""
    if not isinstance(value, dict) or set(value) != set(fields):
        raise ListeningError(f"It is no whole file of answers: it should hold {', '.join(fields)}.")
    for name, kind in fields.items():
        found = value[name]
        if type(found) is not kind or (isinstance(found, str) and len(found) > LONGEST_TEXT):
            raise ListeningError(f"It is no whole file of answers: {name} is {str(found)[:LONGEST_TEXT]!r}.")
    return value


def _check(key: AnswerKey, plan: Mapping[str, Trial], answer: SubmittedAnswer) -> None:
    if answer.item not in plan:
        raise ListeningError(f"The test {key.test} has no item {answer.item!r} for this listener.")
    scale, count = SCALES[key.kind], len(plan[answer.item].sounds)
    if type(answer.answer) is not int or answer.answer not in scale:
        raise ListeningError(f"An answer must be a whole number from {scale[0]} to {scale[-1]}, not {answer.answer!r}.")
    if type(answer.plays) is not int or answer.plays not in range(count, 10_000):
        raise ListeningError(f"{answer.plays!r} plays cannot be: each of {count} sounds must be heard once.")


def _utc(time: str) -> str:
    try:
        moment = datetime.datetime.fromisoformat(time)
    except (TypeError, ValueError) as error:
        raise ListeningError(f"{time!r} is no time such as 2026-05-01T12:00:00+00:00.") from error
    if moment.tzinfo is None:
        raise ListeningError(f"The time {time!r} lacks its time zone.")
    return moment.astimezone(datetime.UTC).isoformat()
