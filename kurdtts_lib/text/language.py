"""A language's reading rules, loaded from its table `languages/<code>.toml`."""

import re
import tomllib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from kurdtts_lib.core.errors import TextError
from kurdtts_lib.text.table_checks import SECTIONS, check_table

TABLES = Path(__file__).parent / "languages"


@dataclass(frozen=True, eq=False)
class Language:
    """A language's table, and the lookups derived from it."""

    code: str
    alphabet: str
    """Lowercase letters that a voice of the language can say."""
    vowels: str
    joined_marks: str
    """Marks that are part of a word if they are beside letters."""
    uncertain: frozenset[str]
    """Rules whose readings differ between people."""
    tables: dict[str, dict[str, Any]]
    fold: dict[str, str] = field(init=False)
    """Single characters to single characters, so that positions in the text stay valid."""
    _translation: dict[int, str] = field(init=False, repr=False)
    rule_of: dict[str, str] = field(init=False)
    """Name of the rule by which `fold` replaces a character."""
    capitals: str = field(init=False)

    def __post_init__(self) -> None:
        script = self.tables["script"]
        name = f"{script.get('name', 'other')} letters"
        folds = {
            "foreign letter": _with_capitals(self.tables["letters"]),
            name: _with_capitals({key: value for key, value in script.items() if len(key) == 1}),
            "apostrophe": dict.fromkeys(self.tables["apostrophes"].get("signs", ""), "'"),
            "digits of another script": {
                sign: digit
                for signs, digits in self.tables["digits"].items()
                for sign, digit in zip(signs, digits, strict=True)
            },
        }
        own = set(self.alphabet)
        pairs = [(key, value, rule) for rule, rows in folds.items() for key, value in rows.items() if key not in own]
        object.__setattr__(self, "fold", {key: value for key, value, _ in pairs})
        object.__setattr__(self, "_translation", str.maketrans(self.fold))
        object.__setattr__(self, "rule_of", {key: rule for key, _, rule in pairs})
        object.__setattr__(self, "capitals", "".join(letter.upper() for letter in self.alphabet))

    def table(self, name: str) -> dict[str, Any]:
        """A section of the table; empty if the language has none."""
        return self.tables[name]

    @property
    def consonants(self) -> str:
        return "".join(letter for letter in self.alphabet if letter not in self.vowels)

    def folded(self, text: str) -> str:
        """`text` with foreign letters replaced by the language's own, capitals kept, of the same length."""
        return text.translate(self._translation)

    def lower(self, text: str) -> str:
        """`text` in the language's own lowercase letters, of the same length."""
        return small_letters(self.folded(text))


def small_letters(text: str) -> str:
    """`text.lower()`, except for letters whose lowercase form is longer than one character: they stay unchanged."""
    small = text.lower()
    if len(small) == len(text):
        return small
    return "".join(letter.lower() if len(letter.lower()) == 1 else letter for letter in text)


def _with_capitals(rows: dict[str, str]) -> dict[str, str]:
    capitals = {key.upper(): value.upper() for key, value in rows.items() if len(key.upper()) == 1}
    return {**capitals, **rows}


def load_language(code: str = "kmr") -> Language:
    """The language with this code, or of this `.toml` file.

    Raises TextError if there is no such table, if it is not TOML, or for a key that is unknown, missing or wrong.
    """
    return _load(code)


@cache
def _load(code: str) -> Language:
    path = Path(code) if code.endswith(".toml") else TABLES / f"{code}.toml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in TABLES.glob("*.toml")))
        raise TextError(f"There is no reading table {path}. There are: {known}. docs/text.md says how to add one.")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TextError(f"{path} cannot be read: {error}. Correct that line.") from error
    check_table(table, path)
    return Language(
        code=path.stem,
        alphabet=table["alphabet"],
        vowels=table["vowels"],
        joined_marks=table["joined_marks"],
        uncertain=frozenset(table["uncertain"]),
        tables={name: table.get(name, {}) for name in SECTIONS},
    )


def alternatives(words: "list[str] | dict[str, Any]") -> str:
    """A regular expression for any of `words`, longer ones first; it never matches if there are none."""
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True)) or r"(?!)"
