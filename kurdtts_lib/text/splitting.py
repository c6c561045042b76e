"""Long text split into clauses, each with the pause that follows it."""

import re
from typing import NamedTuple

from kurdtts_lib.text.language import TABLE, alternatives
from kurdtts_lib.text.rules import ABBREVIATIONS, INITIALS, ORDINAL

CLOSING = "\"”»’')]}"
PAUSES = {mark: row["seconds"] for mark, row in TABLE["pauses"].items()}
BREAKS = re.compile(
    rf"(?P<short>(?<!\w)(?:{alternatives(ABBREVIATIONS)})|{INITIALS}|{ORDINAL})"
    rf"|(?P<marks>(?:{alternatives(PAUSES)})+)[{re.escape(CLOSING)}]*(?=\s|\Z)|\s*\n\s*\n\s*"
)
"""Short forms, whose marks end a clause only if `_ends_sentence`; marks; empty lines."""


class Piece(NamedTuple):
    """A clause, as written."""

    text: str
    pause: float
    """Seconds of silence after it; 0 after the last one."""


def split(text: str) -> list[Piece]:
    """The clauses of `text` in order. Marks that are part of a number, an abbreviation or an initial do not split it.

    An empty line also ends a sentence. Joined with single spaces, the pieces contain every word of the text.
    """
    pieces: list[Piece] = []
    start = 0
    for match in BREAKS.finditer(text):
        if match["short"] and not _ends_sentence(match):
            continue
        marks = match["marks"] or match["short"] or PAUSES
        _add(pieces, text[start : match.end()], max(PAUSES.get(mark, 0.0) for mark in marks))
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


def _ends_sentence(short: re.Match[str]) -> bool:
    """Whether the short form may end a sentence, and a new sentence begins after it."""
    following = re.compile(r"\s+(\S)").match(short.string, short.end())
    return short.group() in TABLE["endings"]["words"] and following is not None and following[1].isupper()
