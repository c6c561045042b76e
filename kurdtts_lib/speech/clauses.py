"""A text as the clauses that are spoken one after the other, and where each written word stands in them."""

from dataclasses import dataclass

from kurdtts_lib.core.errors import TextError
from kurdtts_lib.text import Normalized, Piece, encode_spoken, normalize, split
from kurdtts_lib.text.encoding import Vocabulary
from kurdtts_lib.text.splitting import CLOSING

LONGEST = 200
"""Letters that are spoken in one go. Training clips have 12 seconds at most, in which one says fewer."""
CLAUSE_MARKS = ",;:–—"


@dataclass(frozen=True)
class Word:
    """A written word, or several that are read as one, and the spoken letters [start, end) of it."""

    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Clause:
    """What stands between two marks."""

    text: str
    """As written."""
    parts: tuple[str, ...]
    """As spoken: the whole clause, or stretches of whole words where it is too long for one go."""
    words: tuple[Word, ...]
    pause: float
    """Seconds of silence after it."""
    ends_sentence: bool


def clauses_of(text: str, tokenizer: Vocabulary) -> list[Clause]:
    """Raises TextError, before anything is spoken, for text that the voice cannot say."""
    clauses = []
    for piece in split(text) or [Piece(text, 0.0)]:  # nothing to say is for normalize to refuse
        normalized = normalize(piece.text)
        parts = _stretches(normalized.text)
        for part in parts:
            encode_spoken(part, tokenizer, piece.text)
        words = tuple(words_of(piece.text, normalized))
        clauses.append(Clause(piece.text, tuple(parts), words, piece.pause, _ends_sentence(piece)))
    return clauses


def _ends_sentence(piece: Piece) -> bool:
    """Whether it has no mark after which a sentence goes on; a heading has no mark at all."""
    return piece.text.rstrip(CLOSING)[-1] not in CLAUSE_MARKS


def _stretches(spoken: str) -> list[str]:
    """`spoken` cut at spaces so that no part is longer than `LONGEST`; joined with spaces they are `spoken`."""
    parts: list[str] = []
    for word in spoken.split(" "):
        if len(word) > LONGEST:
            raise TextError(
                f"{word[:30] + '…'!r} is a word of {len(word)} letters. Nobody can say it; put spaces between words."
            )
        if parts and len(parts[-1]) + 1 + len(word) <= LONGEST:
            parts[-1] += f" {word}"
        else:
            parts.append(word)
    return parts


def words_of(text: str, normalized: Normalized) -> list[Word]:
    """The words of a clause in order. Those that share a reading are one; marks that are not said go with a word."""
    spans = _spoken_spans(text, normalized)
    words: list[Word] = []
    place = 0
    for written in text.split():
        place = text.index(written, place)
        heard = [span for span in spans[place : place + len(written)] if span]
        place += len(written)
        start, end = min((a for a, _ in heard), default=0), max((b for _, b in heard), default=0)
        if words and (not heard or start < words[-1].end):
            before = words.pop()
            written, start, end = f"{before.text} {written}", before.start, max(before.end, end)
        elif words and words[-1].start == words[-1].end:  # marks at the very beginning
            written = f"{words.pop().text} {written}"
        words.append(Word(written, start, end))
    return words


def _spoken_spans(text: str, normalized: Normalized) -> list[tuple[int, int] | None]:
    """For each written character the spoken letters [start, end) that it takes part in; None for a silent one."""
    spans: list[tuple[int, int] | None] = []
    spoken = 0
    for change in normalized.changes:
        between = change.start - len(spans)
        spans += [(spoken + i, spoken + i + 1) for i in range(between)]
        spoken += between
        reading = change.after.strip()
        begin = spoken + change.after.index(reading)
        width = change.end - change.start
        if len(reading) == width:
            spans += [(begin + i, begin + i + 1) for i in range(width)]
        else:
            spans += [(begin, begin + len(reading)) if reading else None] * width
        spoken += len(change.after)
    rest = len(text) - len(spans)
    spans += [(spoken + i, spoken + i + 1) for i in range(rest)]
    return [None if span and normalized.text[span[0] : span[1]] == " " else span for span in spans]
