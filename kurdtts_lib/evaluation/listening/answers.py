"""Import of `answers-CODE.json`, the file that a listener sends back; validated strictly, because it is untrusted."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from kurdtts_lib.core.errors import ListeningError
from kurdtts_lib.evaluation.listening.store import ListeningStore, SubmittedAnswer

FORMAT = "kurdtts-listening-answers-1"
LARGEST_BYTES = 2_000_000
LONGEST_TEXT = 100
FIELDS = {"format": str, "test": str, "code": str, "headphones": list | None, "answers": list}
ANSWER_FIELDS = {"item": str, "answer": int, "plays": int, "time": str}


class ImportedAnswers(NamedTuple):
    """What was imported from a file."""

    test: str
    code: str
    answers: int
    new: int
    """Answers that were not in the store before."""
    expected: int
    """Number of answers of a complete test."""


def import_answers(store: ListeningStore, path: Path) -> ImportedAnswers:
    """Import the answers of one listener; importing the same file again changes nothing.

    Raises ListeningError, and imports nothing, for a file that is damaged or not from a listener's page, for a test
    that is not in the store, or for a code that already has other answers.
    """
    content = _read(path)
    answers = [SubmittedAnswer(**_fields(answer, ANSWER_FIELDS, path)) for answer in content["answers"]]
    try:
        new = store.add(content["test"], content["code"], answers, content["headphones"])
        expected = len(store.key(content["test"]).plan(content["code"]))
    except ListeningError as error:
        raise ListeningError(f"{path}: {error}") from error
    return ImportedAnswers(content["test"], content["code"], len(answers), new, expected)


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise ListeningError(f"{path} is too large for a file of answers.")
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ListeningError(f"{path} cannot be read ({error.strerror}).") from error
    except (ValueError, RecursionError) as error:
        raise ListeningError(f"{path} is damaged or no file of answers. Ask the listener to send it again.") from error
    fields = _fields(content, FIELDS, path)
    if fields["format"] != FORMAT:
        raise ListeningError(f"{path} is of another version of the course, or not of a listening test at all.")
    return fields


def _fields(value: object, fields: dict[str, Any], path: Path) -> dict[str, Any]:
    """`value` as a dict with exactly these fields of these types. Raises ListeningError otherwise."""
    if not isinstance(value, dict) or set(value) != set(fields):
        raise ListeningError(f"{path} is no whole file of answers: it should hold {', '.join(fields)}.")
    for name, kind in fields.items():
        found = value[name]
        too_long = isinstance(found, str) and len(found) > LONGEST_TEXT
        if not isinstance(found, kind) or isinstance(found, bool) or too_long:
            raise ListeningError(f"{path} is no whole file of answers: {name} is {str(found)[:LONGEST_TEXT]!r}.")
    return value
