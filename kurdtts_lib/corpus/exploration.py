"""Tables over a corpus before anything is left out."""

import unicodedata
from collections import Counter
from collections.abc import Iterable

import pandas

from kurdtts_lib.text import LETTERS, load_language


def speakers(table: pandas.DataFrame) -> pandas.DataFrame:
    """Clips, minutes, age and gender per speaker, most clips first. table: from `corpus_table`."""
    grouped = table.groupby("client_id", sort=False)
    result = pandas.DataFrame(
        {
            "clips": grouped.size(),
            "minutes": grouped["seconds"].sum() / 60,
            "age": grouped["age"].agg(_most_common),
            "gender": grouped["gender"].agg(_most_common),
        }
    )
    return result.sort_values("clips", ascending=False)


def _most_common(values: pandas.Series) -> str:
    known = Counter(value for value in values if value)
    return known.most_common(1)[0][0] if known else "not said"


def letter_counts(sentences: Iterable[str]) -> dict[str, int]:
    """How often each of the 31 letters is written, in the alphabet's order, zeros included."""
    lower = load_language().lower
    counts = Counter(letter for text in sentences for letter in lower(unicodedata.normalize("NFC", text)))
    return {letter: counts[letter] for letter in LETTERS}
