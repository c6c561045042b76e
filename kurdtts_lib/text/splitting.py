"""Long text split into clauses, each with the pause that follows it."""

import re
from typing import NamedTuple

from kurdtts_lib.text.language import TABLE, alternatives
from kurdtts_lib.text.rules import ABBREVIATIONS, INITIALS, ORDINAL

CLOSING = "\"”»’')]}"
PAUSES = {mark: row["seconds"] for mark, row in TABLE["pauses"].items()}
BREAKS = re.compile(rf"(?P<marks>(?:{alternatives(PAUSES)})+)[{re.escape(CLOSING)}]*(?=\s|\Z)|\s*\n\s*\n\s*")
UNSPLIT = re.compile(rf"(?<!\w)(?:{alternatives(ABBREVIATIONS)})|{INITIALS}|{ORDINAL}")


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
    start, index = 0, 0
    whole = [match.span() for match in UNSPLIT.finditer(text)]
    for match in BREAKS.finditer(text):
        while index < len(whole) and whole[index][1] <= match.start():
            index += 1
        inside = index < len(whole) and whole[index][0] <= match.start()
        if inside and not _ends_sentence(text, whole[index]):
            continue
        marks = match["marks"] or PAUSES
        _add(pieces, text[start : match.end()], max((PAUSES[mark] for mark in marks), default=0.0))
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


def _ends_sentence(text: str, span: tuple[int, int]) -> bool:
    """Whether the abbreviation at `span` may end a sentence, and a new sentence begins after it."""
    following = re.compile(r"\s*(\S)").match(text, span[1])
    return text[slice(*span)] in TABLE["endings"]["words"] and following is not None and following[1].isupper()
