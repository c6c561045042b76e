"""Splits a text into the clauses that are synthesised in turn, and locates each written word in its spoken form."""

from collections.abc import Iterable
from dataclasses import dataclass

from kurdtts_lib.core.errors import TextError
from kurdtts_lib.text import MARKS, Normalized, Piece, encode_spoken, knows_marks, normalize, split
from kurdtts_lib.text.encoding import Vocabulary
from kurdtts_lib.text.splitting import CLOSING

MAX_CHARACTERS = 200
"""Synthesised at once: more than the 12 seconds of the longest training clips contain."""
CLAUSE_MARKS = ",;:–—"


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
    clauses, marks = [], knows_marks(tokenizer)
    pieces = split(text) or [Piece(text, 0.0)]  # normalize raises if there is nothing to say
    for piece in _sentences(pieces) if marks else pieces:
        reading = normalize(piece.text, marks=marks)
        chunks = [encode_spoken(chunk, tokenizer, piece.text) for chunk in chunks_of(reading.text)]
        words = words_of(piece.text, reading)
        clauses.append(Clause(piece.text, chunks, words, piece.pause, _ends_sentence(piece)))
    return clauses


def _ends_sentence(piece: Piece) -> bool:
    return piece.text.rstrip(CLOSING)[-1] not in CLAUSE_MARKS  # a heading has no mark at all


def _sentences(pieces: Iterable[Piece]) -> list[Piece]:
    """The clauses of each sentence joined, as far as `MAX_CHARACTERS` allow."""
    joined: list[Piece] = []
    for piece in pieces:
        text = f"{joined[-1].text} {piece.text}" if joined else ""
        if joined and not _ends_sentence(joined[-1]) and len(text) <= MAX_CHARACTERS:
            joined[-1] = Piece(text, piece.pause)
        else:
            joined.append(piece)
    return joined


def chunks_of(spoken: str) -> list[str]:
    """Split at spaces so that no chunk is longer than `MAX_CHARACTERS`; joined with spaces they give `spoken` again."""
    chunks: list[str] = []
    for word in spoken.split(" "):
        if len(word) > MAX_CHARACTERS:
            raise TextError(
                f"{word[:30] + '…'!r} is a word of {len(word)} letters. Nobody can say it; put spaces between words."
            )
        if chunks and len(chunks[-1]) + 1 + len(word) <= MAX_CHARACTERS:
            chunks[-1] += f" {word}"
        else:
            chunks.append(word)
    return chunks


def words_of(text: str, normalized: Normalized) -> list[Word]:
    """The words of a clause in order. Words with a joint reading are merged; silent marks are attached to a word."""
    spans = _spoken_spans(text, normalized)
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


def _spoken_spans(text: str, normalized: Normalized) -> list[tuple[int, int] | None]:
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
    rest = len(text) - len(spans)
    spans += [(spoken + i, spoken + i + 1) for i in range(rest)]
    silent = {" ", *MARKS}
    return [None if span and normalized.text[span[0] : span[1]] in silent else span for span in spans]
