"""The user's lexicon: corrections of the reading, each a written word and its spoken form."""

import os
import re
import unicodedata
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from kurdtts_lib.core.errors import TextError
from kurdtts_lib.core.files import write_text
from kurdtts_lib.core.settings import home
from kurdtts_lib.text.language import LETTERS, VOWELS, lower

HEADER = "# written<TAB>spoken: read when data is prepared and when a voice speaks. Notebook 2 writes it; so may you.\n"


def lexicon_path() -> Path:
    return home() / "data" / "lexicon.tsv"


def user_lexicon() -> Mapping[str, str]:
    """The saved corrections, read again if the file has changed. Raises TextError, with the line, if it is invalid."""
    path = _path(os.environ.get("KURDTTS_HOME"))
    try:
        status = os.stat(path)  # noqa: PTH116 - called once a sentence: pathlib takes three times as long
    except FileNotFoundError:
        return {}
    return _read(path, status.st_mtime_ns, status.st_size)


@cache
def _path(home_variable: str | None) -> str:
    """The file's path, computed once for each value of the variable: resolving links is slow."""
    return str(lexicon_path())


@cache
def _read(path: str, modified: int, size: int) -> Mapping[str, str]:
    rows: dict[str, str] = {}
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise TextError(f"{path} is not UTF-8: {error}. Save it again as UTF-8.") from error
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        parts = line.split("\t")
        if len(parts) != 2 or not all(part.strip() for part in parts):
            raise TextError(f"{path}, line {number}: expected `written<TAB>spoken`, got {line!r}.")
        written, spoken = _checked(*parts)
        rows[written] = spoken
    _refuse_chains(rows)
    return rows


def _checked(written: str, spoken: str) -> tuple[str, str]:
    """The pair as it is looked up and spoken. Raises TextError if one of them is invalid."""
    key, form = _folded(written), _folded(spoken)
    if not key[:1].isalnum() or not key.rstrip(".")[-1:].isalnum():
        raise TextError(f"{written!r} is no word. Write the word that is read wrong, without marks around it.")
    if not form:
        raise TextError(f"There is nothing to say for {written!r}. Write its sounds in Kurmanji letters.")
    word = f"'?[{LETTERS}]+(?:['-][{LETTERS}]+)*'?"
    if not re.fullmatch(rf"{word}(?: {word})*", form):
        raise TextError(f"{spoken!r} is more than words. Write it in Kurmanji letters, without numbers and marks.")
    if silent := next((word for word in form.split() if len(word) > 1 and not set(VOWELS) & set(word)), ""):
        raise TextError(f"{silent!r} has no vowel, so nobody can say it. Write it as it sounds.")
    return key, form


def _folded(words: str) -> str:
    return lower(" ".join(unicodedata.normalize("NFC", words).split()))


def _refuse_chains(rows: Mapping[str, str]) -> None:
    # A spoken form may be normalised again, e.g. when a correction is edited: that must change nothing.
    for written, spoken in rows.items():
        for other, changed in rows.items():
            if f" {other} " in f" {spoken} " and changed != other:
                raise TextError(
                    f"{written!r} is to be said {spoken!r}, and {other!r} in it is to be said {changed!r}. "
                    "Write the final form in the first one, or remove the other."
                )


def save_correction(written: str, spoken: str) -> None:
    """Save `spoken` as the reading of `written`. Raises TextError, before any change, if one of them is invalid."""
    key, form = _checked(written, spoken)
    _write({**user_lexicon(), key: form})


def remove_correction(written: str) -> None:
    """Remove a correction. Raises TextError if there is none for this word."""
    rows = dict(user_lexicon())
    if _folded(written) not in rows:
        raise TextError(f"There is no correction for {written!r}.")
    del rows[_folded(written)]
    _write(rows)


def _write(rows: Mapping[str, str]) -> None:
    _refuse_chains(rows)
    lines = "".join(f"{written}\t{spoken}\n" for written, spoken in sorted(rows.items()))
    write_text(lexicon_path(), HEADER + lines)
