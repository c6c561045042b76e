"""Long text split into clauses, each with the pause that follows it."""

import re
from collections.abc import Callable
from typing import NamedTuple

from kurdtts_lib.text.language import LETTERS, TABLE, alternatives
from kurdtts_lib.text.numbers import RANGE
from kurdtts_lib.text.quantities import ORDINAL, ORDINAL_NAME
from kurdtts_lib.text.rules import DATE
from kurdtts_lib.text.short_forms import ABBREVIATIONS, INITIALS, short_form

CLOSING = "\"”»’')]}"
PAUSES = {mark: row["seconds"] for mark, row in TABLE["pauses"].items()}
CLAUSE_MARKS = ",;:–—-()"
SHORT = 15
"""Characters of a clause that is spoken together with the next one of its sentence: `Na, ez neçûm`."""
_WHOLE = "|".join(
    [*ABBREVIATIONS.values(), INITIALS, DATE, RANGE]
    + [rf"(?<!\w)[IVXLC]+\.(?=\s+[{LETTERS}])", r"(?:\A|(?<=\n))[ \t]*\d{1,3}[.)](?=\s)", r"\[\d+\]"]
    + [re.sub(r"\?P<\w+>", "?:", ordinal) for ordinal in (ORDINAL, ORDINAL_NAME)]
)
"""Numbers, short forms and list numbers, in which no mark splits."""
BREAKS = re.compile(
    rf"(?P<whole>{_WHOLE})|(?P<marks>(?:{alternatives(PAUSES)})+|(?<=\s)-)[{re.escape(CLOSING)}]*(?=\s|\Z)"
    rf"|(?P<bracket>(?<=\s)(?=\())|(?P<line>\s*\n\s*\n\s*|[ \t]*\n(?=\s*[^{LETTERS}\s]))"
)
"""Line breaks before a small letter are those of a narrow page."""


class Piece(NamedTuple):
    """A clause, as written."""

    text: str
    pause: float
    """Seconds of silence after it; 0 after the last one."""
    ends_sentence: bool


def split(text: str) -> list[Piece]:
    """The clauses of `text` in order. Marks that are part of a number, an abbreviation or an initial do not split it.

    Lines, brackets and dashes split it, too. Joined with single spaces, the pieces contain every word of the text.
    """
    pieces: list[Piece] = []
    start = 0
    for match in BREAKS.finditer(text):
        if match["whole"] and not _ends_sentence(match):
            continue
        marks = match["marks"] or ("(" if match["bracket"] is not None else match["whole"] or PAUSES)
        pause = max(PAUSES.get("–" if mark == "-" else mark, 0.0) for mark in marks)
        _add(pieces, text[start : match.end()], pause, any(mark not in CLAUSE_MARKS for mark in marks))
        start = match.end()
    _add(pieces, text[start:], 0.0, True)
    pieces = joined(pieces, _is_short)
    if pieces:
        pieces[-1] = Piece(pieces[-1].text, 0.0, True)
    return pieces


def _add(pieces: list[Piece], text: str, pause: float, ends_sentence: bool) -> None:
    """Append a piece; one without letters and digits is joined to the piece before it, with the longer pause."""
    if any(character.isalnum() for character in text):
        pieces.append(Piece(text.strip(), pause, ends_sentence))
    elif pieces and text.strip():
        last = pieces[-1]
        pieces[-1] = Piece(f"{last.text} {text.strip()}", max(pause, last.pause), last.ends_sentence or ends_sentence)


def joined(pieces: list[Piece], belong: Callable[[Piece, Piece], bool]) -> list[Piece]:
    """The pieces, with each one joined to the one before it in its sentence where the two belong together."""
    together: list[Piece] = []
    for piece in pieces:
        last = together[-1] if together else None
        if last and not last.ends_sentence and belong(last, piece):
            together[-1] = piece._replace(text=f"{last.text} {piece.text}")
        else:
            together.append(piece)
    return together


def _is_short(last: Piece, piece: Piece) -> bool:
    return len(last.text) < SHORT or (piece.ends_sentence and len(piece.text) < SHORT)


def _ends_sentence(short: re.Match[str]) -> bool:
    """Whether the short form may end a sentence, and a new sentence begins after it."""
    following = re.compile(r"\s+(\S)").match(short.string, short.end())
    return short_form(short.group()) in TABLE["endings"]["words"] and following is not None and following[1].isupper()
