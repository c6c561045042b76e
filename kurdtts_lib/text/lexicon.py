"""Readings of single words and phrases: the user's own lexicon, and the shared list of names and loan words."""

import os
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from functools import cache, cached_property
from itertools import groupby
from pathlib import Path

from kurdtts_lib.core.errors import TextError
from kurdtts_lib.core.files import write_text
from kurdtts_lib.core.settings import home
from kurdtts_lib.text.language import LETTERS, PATH, VOWELS, folded, lower
from kurdtts_lib.text.numbers import add_suffix
from kurdtts_lib.text.rules import ENDING
from kurdtts_lib.text.table_checks import RuleName

HEADER = "# written<TAB>spoken: read when data is prepared and when a voice speaks. Notebook 2 writes it; so may you.\n"
SHARED = PATH.with_name("kmr_words.tsv")


def lexicon_path() -> Path:
    return home() / "data" / "lexicon.tsv"


class Lexicon(dict[str, str]):
    """Written words or phrases and their spoken forms.

    A key in small letters is found in any letters, one with a capital only as it is written or all in capitals.
    """

    def __init__(self, own: Mapping[str, str], shared: Mapping[str, str] | None = None) -> None:
        said = {word for form in own.values() for word in form.split()}
        others = {
            form: spoken
            for word, spoken in (shared or {}).items()
            if word not in own and word.lower() not in own.keys() | said
            for form in (word, word.upper() if word != word.lower() else word)
        }
        super().__init__(others | dict(own))
        self.own = own
        self.said = said

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        small = sorted({word.lower() for word in self}, key=lambda word: (word[0], -len(word)))
        groups = groupby(small, key=lambda word: word[0])  # by first letter: five times as fast as one long list
        words = "|".join(f"{first}(?:{'|'.join(re.escape(word[1:]) for word in rest)})" for first, rest in groups)
        return re.compile(rf"(?<![\w'])(?P<word>{words})(?:['-]?(?P<suffix>{ENDING}))?(?![\w'])")

    def find(self, plain: str) -> Iterator[tuple[re.Match[str], str, RuleName]]:
        """Each word of the lexicon in `plain`, with or without an ending; its spoken form; and the rule."""
        for match in self._pattern.finditer(plain.lower()) if self else ():
            written = plain[match.start() : match.end("word")]
            word = written if written in self else match["word"]
            if word in self and not (match["suffix"] and match.group() in self.said):  # roj = rojek: rojek stays
                spoken = add_suffix(self[word], match["suffix"])
                yield match, spoken, "your lexicon" if word in self.own else "list of words"

    def apply(self, spoken: str) -> str:
        """`spoken` with the words of the lexicon replaced."""
        for match, form, _ in [*self.find(spoken)][::-1]:
            spoken = spoken[: match.start()] + form + spoken[match.end() :]
        return spoken


def user_lexicon() -> Lexicon:
    """The saved corrections and the shared list. They are read again if the file has changed.

    Raises TextError, with the line, if it is invalid.
    """
    path = _path(os.environ.get("KURDTTS_HOME"))
    try:
        status = os.stat(path)  # noqa: PTH116 - called once a sentence: pathlib takes three times as long
    except FileNotFoundError:
        return _read("", 0, 0)
    return _read(path, status.st_mtime_ns, status.st_size)


@cache
def _path(home_variable: str | None) -> str:
    """The file's path, computed once for each value of the variable: resolving links is slow."""
    return str(lexicon_path())


@cache
def _read(path: str, modified: int, size: int) -> Lexicon:
    return Lexicon(_rows(path, _key) if path else {}, _rows(str(SHARED), folded))


def _rows(path: str, key: Callable[[str], str]) -> dict[str, str]:
    """The written and spoken forms of a file, by `key` of the written ones; a third column is a source."""
    rows: dict[str, str] = {}
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise TextError(f"{path} is not UTF-8: {error}. Save it again as UTF-8.") from error
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        parts = line.split("\t")
        if len(parts) not in (2, 3) or not all(part.strip() for part in parts):
            raise TextError(f"{path}, line {number}: expected `written<TAB>spoken`, got {line!r}.")
        rows[key(parts[0])] = _checked(*parts[:2])[1]
    _refuse_chains(rows)
    return rows


def _checked(written: str, spoken: str) -> tuple[str, str]:
    """The pair as it is looked up and spoken. Raises TextError if one of them is invalid."""
    key, form = _key(written), _folded(spoken)
    if not key[:1].isalnum() or not key.rstrip(".")[-1:].isalnum():
        raise TextError(f"{written!r} is no word. Write the word that is read wrong, without marks around it.")
    if not form:
        raise TextError(f"There is nothing to say for {written!r}. Write its sounds in Kurmanji letters.")
    word = f"'?[{LETTERS}]+(?:['-][{LETTERS}]+)*'?"
    if not re.fullmatch(rf"{word}(?: {word})*", form):
        raise TextError(f"{spoken!r} is more than words. Write it in Kurmanji letters, without numbers and marks.")
    if silent := next((word for word in form.split() if not set(VOWELS) & set(word)), ""):
        raise TextError(f"{silent!r} has no vowel, so nobody can say it. Write it as it sounds.")
    return key, form


def _folded(words: str) -> str:
    return lower(" ".join(unicodedata.normalize("NFC", words).split()))


def _key(words: str) -> str:
    """A word of two capitals or more as it is written, any other in small letters."""
    small, plain = _folded(words), folded(" ".join(unicodedata.normalize("NFC", words).split()))
    return plain if len(plain) > 1 and plain.isupper() else small


def _refuse_chains(rows: Mapping[str, str]) -> None:
    # A spoken form may be normalised again, e.g. when a correction is edited: that must change nothing.
    lexicon = Lexicon(rows)
    for written, spoken in rows.items():
        for match, changed, _ in lexicon.find(spoken):
            if changed != match.group():
                raise TextError(
                    f"{written!r} is to be said {spoken!r}, and {match.group()!r} in it is to be said {changed!r}. "
                    "Write the final form in the first one, or remove the other."
                )


def own_corrections() -> Mapping[str, str]:
    """The saved corrections alone. Raises as `user_lexicon` does."""
    return user_lexicon().own


def save_correction(written: str, spoken: str) -> None:
    """Save `spoken` as the reading of `written`. Raises TextError, before any change, if one of them is invalid."""
    key, form = _checked(written, spoken)
    _write({**own_corrections(), key: form})


def remove_correction(written: str) -> None:
    """Remove a correction. Raises TextError if there is none for this word."""
    rows = dict(own_corrections())
    if _key(written) not in rows:
        raise TextError(f"There is no correction for {written!r}.")
    del rows[_key(written)]
    _write(rows)


def _write(rows: Mapping[str, str]) -> None:
    _refuse_chains(rows)
    lines = "".join(f"{written}\t{spoken}\n" for written, spoken in sorted(rows.items()))
    write_text(lexicon_path(), HEADER + lines)
