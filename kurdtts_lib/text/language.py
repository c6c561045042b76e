"""How Kurmanji is read: its table `languages/kmr.toml`, and the alphabets that are derived from it."""

import re
import tomllib
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kurdtts_lib.core.errors import TextError
from kurdtts_lib.text.table_checks import check_table

PATH = Path(__file__).parent / "languages" / "kmr.toml"


def load_table(path: Path) -> dict[str, Any]:
    """Its sections. Raises TextError if it is not TOML, or for a key that is unknown, missing or wrong."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TextError(f"{path} cannot be read: {error}. Correct that line.") from error
    check_table(table, path)
    return table


def _with_capitals(rows: dict[str, str]) -> dict[str, str]:
    capitals = {key.upper(): value.upper() for key, value in rows.items() if len(key.upper()) == 1}
    return {**capitals, **rows}


def alternatives(words: Iterable[str]) -> str:
    """A regular expression for any of `words`, longer ones first; it never matches if there are none."""
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True)) or r"(?!)"


TABLE = load_table(PATH)
LETTERS: str = TABLE["alphabet"]
"""The 31 letters of the Hawar alphabet."""
MARKS = "".join(dict.fromkeys(row["mark"] for row in TABLE["pauses"].values()))
"""Those that a voice can know: they are no sounds, but they shape melody and pauses."""
CAPITALS = LETTERS.upper()
VOWELS: str = TABLE["vowels"]
CONSONANTS = "".join(letter for letter in LETTERS if letter not in VOWELS)
_LETTERS = _with_capitals({"İ": "I", **TABLE["letters"]})  # İ always: its lowercase form is two characters long
_MARKED = {
    letter: plain
    for letter in map(chr, (*range(0xC0, 0x250), *range(0x1E00, 0x1F00)))
    if (plain := unicodedata.normalize("NFD", letter)[0]) != letter
    and plain.lower() in LETTERS
    and letter.lower() not in LETTERS
}
"""Latin letters with a mark, without the mark."""
_SCRIPT = _with_capitals({key: value for key, value in TABLE["script"].items() if len(key) == 1})
RULE_OF = {
    **dict.fromkeys(_MARKED, "foreign mark"),
    **dict.fromkeys(_LETTERS, "foreign letter"),
    **dict.fromkeys(_SCRIPT, "Cyrillic letters"),
}
"""Name of the rule that replaces a letter."""
_DIGITS = {sign: digit for row in TABLE["digits"].items() for sign, digit in zip(*row, strict=True)}
FOLD = {**_MARKED, **_LETTERS, **_SCRIPT, **dict.fromkeys(TABLE["apostrophes"]["signs"], "'"), **_DIGITS}
"""Single characters to single characters, so that positions in the text stay valid."""
_TRANSLATION = str.maketrans(FOLD)


def folded(text: str) -> str:
    """`text` with foreign letters replaced by the language's own, capitals kept, of the same length."""
    return text.translate(_TRANSLATION)


def lower(text: str) -> str:
    """`text` in the language's own lowercase letters, of the same length."""
    return folded(text).lower()
