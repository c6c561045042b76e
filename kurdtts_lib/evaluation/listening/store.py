"""Listening tests and the answers to them, as JSON files; what was added is on disk when `add` returns.

`data/listening/TEST/key.json` is a test's key, and `answers-CODE.json` beside it has the answers of one listener, in
the form of the file that listeners send back.
"""

import dataclasses
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas

from kurdtts_lib.core.errors import ListeningError
from kurdtts_lib.core.files import locked, read_json, write_json
from kurdtts_lib.core.settings import home
from kurdtts_lib.evaluation.listening.design import SCALE, AnswerKey

KEY = "key.json"
FORMAT = "kurdtts-listening-answers-1"


@dataclass(frozen=True)
class SubmittedAnswer:
    """An answer as a listener's page writes it."""

    item: str
    answer: int
    plays: int
    """How often the sound was played to its end."""
    time: str
    """Time of the answer, ISO 8601 with time zone, as the page wrote it."""


class ListeningStore:
    """The tests of this home and their answers. Several processes may use the same folder.

    All methods raise ListeningError, with instructions, for bad input or a file that cannot be used.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or home() / "data" / "listening"

    def keep(self, key: AnswerKey) -> None:
        """Store a test; storing it again changes nothing."""
        if key.test not in self.tests():
            write_json(self.folder / key.test / KEY, dataclasses.asdict(key))

    def tests(self) -> list[str]:
        """Names of all tests, the newest last."""
        keys = sorted(self.folder.glob(f"*/{KEY}"), key=lambda path: path.stat().st_mtime_ns)
        return [path.parent.name for path in keys]

    def key(self, test: str | None = None) -> AnswerKey:
        """The answer key of a test, by default of the newest."""
        tests = self.tests()
        if not tests:
            raise ListeningError("There is no listening test yet. Make one: `kurdtts listen make`.")
        if test is not None and test not in tests:
            raise ListeningError(f"There is no listening test {test!r:.100} here. There are: {', '.join(tests)}.")
        return AnswerKey.from_json(_read(self.folder / (test or tests[-1]) / KEY))

    def add(self, test: str, code: str, answers: Sequence[SubmittedAnswer]) -> int:
        """Store answers of one listener, all or none; return how many are new.

        Answers that are there already are not counted again. A different answer to the same item is refused: two
        listeners used the same code.
        """
        key = self.key(test)
        items = {trial.item for trial in key.plan(code)}
        given = {answer.item: answer for answer in answers}
        for answer in answers:
            _check(key, items, answer)
        with locked(self._path(test, code)):
            kept = self._submitted(test, code)
            if any(kept.get(item, answer) != answer for item, answer in given.items()):
                raise ListeningError(
                    f"The code {code} of the test {test} has other answers already: two listeners used it. "
                    "Nothing was changed. Give each listener a code of their own."
                )
            content = [dataclasses.asdict(answer) for answer in (kept | given).values()]
            write_json(self._path(test, code), {"format": FORMAT, "test": test, "code": code, "answers": content})
        return len(kept | given) - len(kept)

    def answers(self, test: str) -> pandas.DataFrame:
        """All answers of a test, by listener in the order of the trials: code, item, system, sentence, answer."""
        rows = [
            {"code": code, **vars(trial), "answer": kept[trial.item].answer}
            for code, trials in self.key(test).plans.items()
            for kept in [self._submitted(test, code)]
            for trial in trials
            if trial.item in kept
        ]
        return pandas.DataFrame(rows)

    def _path(self, test: str, code: str) -> Path:
        return self.folder / test / f"answers-{code}.json"

    def _submitted(self, test: str, code: str) -> dict[str, SubmittedAnswer]:
        """By item, in the order in which they were given."""
        path = self._path(test, code)
        answers = _read(path)["answers"] if path.is_file() else []
        return {answer["item"]: SubmittedAnswer(**answer) for answer in answers}


def import_answers(store: ListeningStore, path: Path) -> str:
    """Import `answers-CODE.json`, which a listener sends back; return what came in, and how much of it is new.

    Importing it again changes nothing.

    It is untrusted: raises ListeningError, and imports nothing, for a file that is damaged or not from a listener's
    page, for a test that is not in the store, or for a code that already has other answers.
    """
    try:
        content = _read(path)
        if content["format"] != FORMAT:
            raise ListeningError("It is of another version of the course, or not of a listening test at all.")
        test, code = content["test"], content["code"]
        answers = [SubmittedAnswer(**answer) for answer in content["answers"]]
        new = store.add(test, code, answers)
        expected = len(store.key(test).plan(code))
    except (OSError, TypeError, KeyError) as error:
        raise ListeningError(f"{path} cannot be read as a listener's file of answers ({error}).") from error
    except ListeningError as error:
        raise ListeningError(f"{path}: {error}") from error
    return f"{code}: {len(answers)} of {expected} answers, {new} of them new (test {test})"


def _read(path: Path) -> Any:
    try:
        return read_json(path)
    except (ValueError, RecursionError) as error:
        raise ListeningError(f"{path.name} is damaged or no file of answers. Put back a good copy of it.") from error


def _check(key: AnswerKey, items: Collection[str], answer: SubmittedAnswer) -> None:
    if answer.item not in items:
        raise ListeningError(f"The test {key.test} has no item {answer.item!r:.100} for this listener.")
    if type(answer.answer) is not int or answer.answer not in SCALE:
        raise ListeningError(f"An answer must be a whole number from {SCALE[0]} to {SCALE[-1]}, not {answer.answer!r}.")
    if type(answer.plays) is not int or answer.plays not in range(1, 10_000):
        raise ListeningError(f"{answer.plays!r} plays cannot be: each sound must be heard once.")
    if not isinstance(answer.time, str):
        raise ListeningError(f"{answer.time!r:.100} is no time such as 2026-05-01T12:00:00+00:00.")
