"""Splits a text into the clauses that are synthesised in turn, and locates each written word in its spoken form."""

from dataclasses import dataclass
from itertools import pairwise

from kurdtts_lib.core.errors import TextError, TextReason
from kurdtts_lib.text import MARKS, Normalized, Piece, encode_spoken, knows_marks, read_aloud, split
from kurdtts_lib.text.encoding import Vocabulary
from kurdtts_lib.text.splitting import joined

MAX_CHARACTERS = 200
"""Synthesised at once: more than the 12 seconds of the longest training clips contain."""


@dataclass(frozen=True)
class Word:
    """A written word, or several with a joint reading, and its characters [start, end) in the spoken form."""

    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Clause:
    """The text between two punctuation marks; for a voice that knows marks a sentence."""

    text: str
    """As written."""
    chunks: list[list[int]]
    """Token ids of the whole clause, or of chunks of whole words if it is longer than `MAX_CHARACTERS`."""
    words: list[Word]
    pause: float
    """Seconds of silence after it."""
    ends_sentence: bool


def clauses_of(text: str, tokenizer: Vocabulary, normalized: bool = False) -> list[Clause]:
    """The clauses of a text. Raises TextError if any of it cannot be spoken with the tokenizer's vocabulary.

    A voice that knows marks pauses by itself, so it gets whole sentences of up to `MAX_CHARACTERS`.
    normalized: `text` is the already normalised text of a prepared clip, one clause.
    """
    if normalized:
        return [Clause(text, [encode_spoken(text, tokenizer, text)], [], 0.0, True)]
    clauses = []
    for piece, reading in _readings(text, knows_marks(tokenizer))[0]:
        words = words_of(reading)
        chunks = [encode_spoken(chunk, tokenizer, piece.text) for chunk in chunks_of(reading.text, words)]
        clauses.append(Clause(piece.text, chunks, words, piece.pause, piece.ends_sentence))
    return clauses


def warnings_of(text: str) -> list[str]:
    """One sentence for each part of a text that is left out, or read by a guess, when it is spoken."""
    readings, silent = _readings(text)
    return list(dict.fromkeys([*silent, *(line for _, reading in readings for line in reading.warnings)]))


def _readings(text: str, marks: bool = False) -> tuple[list[tuple[Piece, Normalized]], list[str]]:
    """The clauses with their readings, and a sentence for each one that has nothing to say.

    Raises TextError if none has.
    """
    readings, silent = [], []
    pieces = split(text) or [Piece(text, 0.0, True)]
    for piece in joined(pieces, _fits) if marks else pieces:
        try:
            readings.append((piece, read_aloud(piece.text, marks=marks)))
        except TextError as error:
            if error.reason != TextReason.NOTHING:
                raise
            silent.append(error)
    if not readings:
        raise silent[0]
    return readings, list(map(str, silent))


def _fits(last: Piece, piece: Piece) -> bool:
    return len(last.text) + 1 + len(piece.text) <= MAX_CHARACTERS


def chunks_of(spoken: str, words: list[Word]) -> list[str]:
    """Split so that no chunk is longer than `MAX_CHARACTERS`; joined with spaces they give `spoken` again.

    Never inside a number or another written word, nor between two names, if they are no longer than that themselves.
    """
    edges = [
        0,
        *(after.start for one, after in pairwise(words) if not (_is_name(one) and _is_name(after))),
        len(spoken),
    ]
    units = [spoken[start:end].strip() for start, end in pairwise(edges)]
    chunks: list[str] = []
    for part in (part for unit in units for part in ([unit] if len(unit) <= MAX_CHARACTERS else unit.split(" "))):
        if len(part) > MAX_CHARACTERS:
            raise TextError(
                f"{part[:30] + '…'!r} is a word of {len(part)} letters. Nobody can say it; put spaces between words."
            )
        if chunks and len(chunks[-1]) + 1 + len(part) <= MAX_CHARACTERS:
            chunks[-1] += f" {part}"
        else:
            chunks.append(part)
    return chunks


def _is_name(word: Word) -> bool:
    return word.text[:1].isupper()


def words_of(normalized: Normalized) -> list[Word]:
    """The words of a clause in order. Words with a joint reading are merged; silent marks are attached to a word."""
    text, spans = normalized.written, _spoken_spans(normalized)
    words: list[Word] = []
    position = 0
    for written in text.split():
        position = text.index(written, position)
        audible = [span for span in spans[position : position + len(written)] if span]
        position += len(written)
        start, end = min((a for a, _ in audible), default=0), max((b for _, b in audible), default=0)
        if words and (not audible or start < words[-1].end):
            before = words.pop()
            written, start, end = f"{before.text} {written}", before.start, max(before.end, end)
        elif words and words[-1].start == words[-1].end:  # marks at the very beginning
            written = f"{words.pop().text} {written}"
        words.append(Word(written, start, end))
    return words


def _spoken_spans(normalized: Normalized) -> list[tuple[int, int] | None]:
    """For each written character, the spoken characters [start, end) of its reading; None if it is silent."""
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
    rest = len(normalized.written) - len(spans)
    spans += [(spoken + i, spoken + i + 1) for i in range(rest)]
    silent = {" ", *MARKS}
    return [None if span and normalized.text[span[0] : span[1]] in silent else span for span in spans]
