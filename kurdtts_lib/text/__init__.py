"""Text front end: written text to its spoken form and to token ids, or an error that explains why not."""

from kurdtts_lib.text.encoding import coverage, encode, encode_spoken
from kurdtts_lib.text.language import LETTERS
from kurdtts_lib.text.normalization import Normalized, TextChange, normalize
from kurdtts_lib.text.splitting import Piece, split

__all__ = [
    "LETTERS",
    "Normalized",
    "Piece",
    "TextChange",
    "coverage",
    "encode",
    "encode_spoken",
    "normalize",
    "split",
]
