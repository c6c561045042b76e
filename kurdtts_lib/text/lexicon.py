"""The user's own corrections: a word as it is written, and how it is said."""

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from kurdtts_lib.errors import TextError
from kurdtts_lib.files import write_text
from kurdtts_lib.settings import home

HEADER = "# written<TAB>spoken: read by training and speaking alike. Notebook 2 writes it; you may too.\n"


def lexicon_path() -> Path:
    return home() / "data" / "lexicon.tsv"


def user_lexicon() -> Mapping[str, str]:
    """The saved corrections, read anew when the file has changed. Raises TextError naming a line of another form."""
    # home() resolves links at each call, which is slow; the variable and the file's state decide alone.
    return _current(os.environ.get("KURDTTS_HOME"))


def _current(home_variable: str | None) -> Mapping[str, str]:
    path = _path_for(home_variable)
    try:
        state = os.stat(path)  # noqa: PTH116 - once a sentence: pathlib costs three times as much
    except FileNotFoundError:
        return {}
    return _read(path, state.st_mtime_ns, state.st_size)


@cache
def _path_for(home_variable: str | None) -> str:
    return str(lexicon_path())


@cache
def _read(path: str, modified: int, size: int) -> Mapping[str, str]:
    rows: dict[str, str] = {}
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
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
    """The pair in the form it is looked up and said. Raises TextError."""
    from kurdtts_lib.text.language import load_language
    from kurdtts_lib.text.normalization import normalize

    key = load_language().lower(" ".join(written.split()))
    if not key or not any(character.isalnum() for character in key) or not key[0].isalnum() or not key[-1].isalnum():
        raise TextError(f"{written!r} is no word. Write the word that is read wrong, without marks around it.")
    return key, normalize(spoken, lexicon={}).text


def _refuse_chains(rows: Mapping[str, str]) -> None:
    # Training texts are normalised when they are prepared and again when they are encoded: that must change nothing.
    for written, spoken in rows.items():
        for other, changed in rows.items():
            if f" {other} " in f" {spoken} " and changed != other:
                raise TextError(
                    f"{written!r} is to be said {spoken!r}, and {other!r} in it is to be said {changed!r}. "
                    "Write the final form in the first one, or remove the other."
                )


def save_correction(written: str, spoken: str) -> None:
    """Keep that `written` is said `spoken`. Raises TextError if it is no word or cannot be said; nothing is lost."""
    key, form = _checked(written, spoken)
    _write({**user_lexicon(), key: form})


def remove_correction(written: str) -> None:
    """Forget a correction. Raises TextError if there is none for this word."""
    from kurdtts_lib.text.language import load_language

    key = load_language().lower(written)
    rows = dict(user_lexicon())
    if key not in rows:
        raise TextError(f"There is no correction for {written!r}.")
    del rows[key]
    _write(rows)


def _write(rows: Mapping[str, str]) -> None:
    _refuse_chains(rows)
    lines = "".join(f"{written}\t{spoken}\n" for written, spoken in sorted(rows.items()))
    write_text(lexicon_path(), HEADER + lines)
