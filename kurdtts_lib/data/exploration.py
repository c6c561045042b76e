"""Words of a corpus's sentences, and the search for them."""

import re
import unicodedata
from collections.abc import Sequence

from kurdtts_lib.text.language import lower

WORD = re.compile(r"[^\W_]+")


def small(text: str) -> str:
    """`text` in lower case by Kurmanji rules and in NFC: e and ê stay different, ı becomes i."""
    return lower(unicodedata.normalize("NFC", text))


def words(text: str) -> list[str]:
    """The words of a text in lower case, without punctuation; a number counts as a word."""
    return WORD.findall(small(text))


def find_words(split: Sequence[Sequence[str]], query: str, beginnings: bool = False) -> list[int]:
    """Indices of the sentences that contain every word of `query`; all indices if it has no word.

    split: `words` of each sentence, computed once. beginnings: match prefixes, because Kurmanji words take endings:
    `mal` then finds malê and malan (and malbat, which is another word).
    """
    wanted = words(query)

    def holds(parts: Sequence[str], word: str) -> bool:
        return any(part.startswith(word) for part in parts) if beginnings else word in parts

    return [index for index, parts in enumerate(split) if all(holds(parts, word) for word in wanted)]
