"""Text front end: written text to its spoken form and to token ids, or an error that explains why not."""

from kurdtts_lib.text.changes import Normalized, TextChange
from kurdtts_lib.text.encoding import coverage, encode, encode_spoken, known_part, knows_marks
from kurdtts_lib.text.language import LETTERS, MARKS
from kurdtts_lib.text.normalization import normalize, read_aloud, without_marks
from kurdtts_lib.text.splitting import Piece, split

__all__ = [
    "LETTERS",
    "MARKS",
    "Normalized",
    "Piece",
    "TextChange",
    "coverage",
    "encode",
    "encode_spoken",
    "known_part",
    "knows_marks",
    "normalize",
    "read_aloud",
    "split",
    "without_marks",
]
