"""Tables over a corpus before anything is left out."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

import pandas

from kurdtts_lib.core.settings import CorpusSettings
from kurdtts_lib.data.speakers import usable_clips
from kurdtts_lib.text import LETTERS
from kurdtts_lib.text.language import lower

WORD = re.compile(r"[^\W_]+")


def letter_counts(sentences: Iterable[str]) -> dict[str, int]:
    """Count of each of the 31 letters, in alphabetical order, zeros included."""
    counts = Counter(letter for text in sentences for letter in small(text))
    return {letter: counts[letter] for letter in LETTERS}


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


def hours(clips: pandas.DataFrame, settings: CorpusSettings) -> pandas.DataFrame:
    """Clips, hours and speakers: of the whole corpus, of usable clips, and of clips of unknown length (damaged)."""
    usable = usable_clips(clips, settings)
    rows = {"all": clips, "usable": clips[usable], "unknown length": clips[clips["seconds"].isna()]}
    return pandas.DataFrame(
        {
            "clips": {name: len(part) for name, part in rows.items()},
            "hours": {name: part["seconds"].sum() / 3600 for name, part in rows.items()},
            "speakers": {name: part["speaker"].nunique() for name, part in rows.items()},
        }
    )
