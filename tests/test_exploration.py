"""Letters, words, votes and hours of small corpora that can be counted by hand."""

import math
import unicodedata

import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kurdtts_lib.core.settings import CorpusSettings
from kurdtts_lib.data.exploration import find_words, hours, letter_counts, words
from kurdtts_lib.text import LETTERS

SENTENCES = ["Ez diçim malê.", "Mala me mezin e!", "Malbata wî li Diyarbakır e.", "Sê sêv û 12 hêk.", "E\u0302 baş e."]


def found(query: str, beginnings: bool = False) -> list[int]:
    return find_words([words(text) for text in SENTENCES], query, beginnings)


def test_all_31_letters_are_counted_in_the_alphabets_order() -> None:
    counts = letter_counts(["Şev û roj", "S\u0327", "ı"])
    assert list(counts) == list(LETTERS) and len(counts) == 31
    assert "".join(letter * count for letter, count in counts.items()) == "eijorşşûv"


@pytest.mark.parametrize(
    ("query", "whole", "beginning"),
    [
        ("MALA", [1], [1]),
        ("mal", [], [0, 1, 2]),
        ("diyarbakir", [2], [2]),
        ("ê", [4], [4]),
        ("12", [3], [3]),
        ("me mezin", [1], [1]),
        ("mezin sêv", [], []),
        (" ?! ", [0, 1, 2, 3, 4], [0, 1, 2, 3, 4]),
    ],
)
def test_a_word_is_found_whole_or_with_its_endings(query: str, whole: list[int], beginning: list[int]) -> None:
    assert found(query) == whole
    assert found(query, beginnings=True) == beginning


@given(st.text(max_size=12))
def test_a_query_finds_its_own_sentence_however_it_is_written(text: str) -> None:
    written = unicodedata.normalize("NFD", text)
    assert find_words([words(text)], written) == [0]


def clips(**columns: list) -> pandas.DataFrame:
    plain = {"speaker": "x", "up_votes": 2, "down_votes": 0, "reason": "kept", "seconds": 36.0}
    return pandas.DataFrame(columns).assign(**{name: value for name, value in plain.items() if name not in columns})


def test_hours_of_all_of_the_usable_and_of_the_damaged() -> None:
    table = hours(
        clips(speaker=["a", "a", "b", "c"], seconds=[36.0, 9.0, 9.0, math.nan], down_votes=[0, 0, 1, 0]),
        CorpusSettings(max_seconds=None),
    )
    assert table["clips"].to_dict() == {"all": 4, "usable": 2, "unknown length": 1}
    assert table["speakers"].to_dict() == {"all": 3, "usable": 1, "unknown length": 1}
    assert table["hours"].to_dict() == pytest.approx({"all": 0.015, "usable": 0.0125, "unknown length": 0})
