"""Words of small corpora are found whole or by their beginnings."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kurdtts_lib.data.exploration import find_words, words

SENTENCES = ["Ez diçim malê.", "Mala me mezin e!", "Malbata wî li Diyarbakır e.", "Sê sêv û 12 hêk.", "E\u0302 baş e."]


def found(query: str, beginnings: bool = False) -> list[int]:
    return find_words([words(text) for text in SENTENCES], query, beginnings)


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
