"""Text front end: written text to its spoken form and to token ids, or an error that explains why not."""

from kurdtts_lib.text.encoding import coverage, encode, encode_spoken, known_part, knows_marks
from kurdtts_lib.text.language import LETTERS, MARKS
from kurdtts_lib.text.normalization import Normalized, TextChange, normalize, without_marks
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
    "split",
    "without_marks",
]
