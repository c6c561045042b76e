"""What is written becomes what is said, or the reader hears why not."""

from kurdtts_lib.text.encoding import encode, unspeakable
from kurdtts_lib.text.normalization import LETTERS, Change, Normalized, normalize

__all__ = ["LETTERS", "Change", "Normalized", "encode", "normalize", "unspeakable"]
