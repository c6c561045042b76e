"""Long text split into clauses, each with the pause that follows it."""

import re
from functools import cache
from typing import NamedTuple

from kurdtts_lib.text.language import Language, alternatives, load_language
from kurdtts_lib.text.number_rules import ordinal_pattern
from kurdtts_lib.text.rules import initials_pattern

CLOSING = "\"”»’')]}"


class Piece(NamedTuple):
    """A clause, as written."""

    text: str
    pause: float
    """Seconds of silence after it; 0 after the last one."""


def split(text: str, language: Language | None = None) -> list[Piece]:
    """The clauses of `text` in order. Marks that are part of a number, an abbreviation or an initial do not split it.

    An empty line also ends a sentence. Joined with single spaces, the pieces contain every word of the text.
    """
    language = language or load_language()
    pieces: list[Piece] = []
    start, longest = 0, max((row["seconds"] for row in language.table("pauses").values()), default=0.0)
    whole = [match.span() for match in _unsplit(language).finditer(text)]
    index = 0
    for match in _breaks(language).finditer(text):
        while index < len(whole) and whole[index][1] <= match.start():
            index += 1
        inside = index < len(whole) and whole[index][0] <= match.start() < whole[index][1]
        if inside and not _ends_sentence(text, whole[index], language):
            continue
        rows = [language.table("pauses")[mark]["seconds"] for mark in match["marks"] or ""]
        _add(pieces, text[start : match.end()], max(rows, default=longest))
        start = match.end()
    _add(pieces, text[start:], 0.0)
    if pieces:
        pieces[-1] = pieces[-1]._replace(pause=0.0)
    return pieces


def _add(pieces: list[Piece], text: str, pause: float) -> None:
    """Append a piece; one without letters and digits is joined to the piece before it, with the longer pause."""
    if any(character.isalnum() for character in text):
        pieces.append(Piece(text.strip(), pause))
    elif pieces and text.strip():
        pieces[-1] = Piece(f"{pieces[-1].text} {text.strip()}", max(pause, pieces[-1].pause))


@cache
def _breaks(language: Language) -> re.Pattern[str]:
    marks = "".join(language.table("pauses"))
    run = rf"(?P<marks>[{re.escape(marks)}]+)[{re.escape(CLOSING)}]*" if marks else r"(?P<marks>(?!))"
    return re.compile(rf"{run}(?=\s|\Z)|\s*\n\s*\n\s*")


@cache
def _unsplit(language: Language) -> re.Pattern[str]:
    words = [*language.table("abbreviations"), *language.table("titles")]
    return re.compile(rf"(?<!\w)(?:{alternatives(words)})|{initials_pattern(language)}|{ordinal_pattern(language)}")


def _ends_sentence(text: str, span: tuple[int, int], language: Language) -> bool:
    """Whether the abbreviation at `span` may end a sentence, and a new sentence begins after it."""
    words = language.table("endings").get("words", [])
    following = re.compile(r"\s*(\S?)").match(text, span[1])
    return text[span[0] : span[1]] in words and bool(following and following[1].isupper())
