"""Kurmanji as it is read aloud: every row of kurmanji_readings.tsv, which a speaker can review and extend."""

import csv
import re
import unicodedata
from pathlib import Path
from typing import NamedTuple

import pytest

from kurdtts_lib.core.errors import TextError
from kurdtts_lib.text import normalize
from kurdtts_lib.text.language import folded
from kurdtts_lib.text.lexicon import SHARED, Lexicon, _rows

TABLE = Path(__file__).parent / "kurmanji_readings.tsv"
REFUSED = "!"
WORDS = Lexicon({}, _rows(str(SHARED), folded))


class Row(NamedTuple):
    written: str
    spoken: str
    source: str


def read_table() -> list[Row]:
    with TABLE.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
    assert header == list(Row._fields)
    return [Row(*row) for row in rows]


ROWS = read_table()
SPOKEN = [row for row in ROWS if row.spoken != REFUSED]
NOT_SPOKEN = [row for row in ROWS if row.spoken == REFUSED]


def name(row: Row) -> str:
    """The written form; decomposed ones are marked, because they look the same."""
    decomposed = unicodedata.normalize("NFC", row.written) != row.written
    return f"{row.written} (decomposed)" if decomposed else row.written


@pytest.mark.parametrize("row", SPOKEN, ids=name)
def test_what_is_written_is_read_as_the_table_says_and_what_is_spoken_as_itself(row: Row) -> None:
    assert normalize(row.written, lexicon=WORDS).text == row.spoken, row.source
    assert normalize(row.spoken, lexicon=WORDS).text == row.spoken


@pytest.mark.parametrize("row", NOT_SPOKEN, ids=name)
def test_what_has_no_reading_is_refused_by_name(row: Row) -> None:
    with pytest.raises(TextError) as caught:
        normalize(row.written, lexicon=WORDS)
    message, letters = str(caught.value), {*caught.value.characters}
    # The whole word, like a date or an address, or at least each letter that has no sound.
    named = any(word in message for word in row.written.split()) or (letters and letters <= {*row.written} & {*message})
    assert caught.value.reason and (named if re.search(r"\w", row.written) else "nothing to say" in message.lower())


def test_the_table_is_large_and_every_row_is_new_and_has_a_source() -> None:
    assert len(ROWS) >= 900
    assert len({row.written for row in ROWS}) == len(ROWS)
    assert not [row.written for row in ROWS if not row.written.strip() or not row.spoken or not row.source.strip()]
