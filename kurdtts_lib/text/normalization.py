"""Spelling made uniform: Unicode form, case, quotes, dashes, foreign letters, punctuation.

Numbers, abbreviations and other scripts are not spelled out here: they stay, and `encode` refuses them by name.
"""

import re
import unicodedata
from dataclasses import dataclass

LETTERS = "abcçdeêfghiîjklmnopqrsştuûvwxyz"
"""The 31 letters of the Hawar alphabet."""

FOREIGN_LETTERS = {
    "ı": "i",
    "ğ": "g",
    "ẍ": "x",
    "ḧ": "h",
    "ö": "o",
    "ü": "u",
    "é": "e",
    "è": "e",
    "á": "a",
    "à": "a",
    "ï": "i",
}
"""Letters of neighbouring alphabets and older spellings, and the Kurmanji letter that is read for each."""
FOREIGN = {ord(letter): kurmanji for letter, kurmanji in FOREIGN_LETTERS.items()}

APOSTROPHES = "’‘`´ʼ′"
SILENT_MARKS = '.,?!;:…"“”„«»()[]–—‒―/'
"""Marks that carry no sound of their own; each becomes a space so that the words beside it stay apart."""


@dataclass(frozen=True)
class Change:
    """One rule that changed the text."""

    rule: str
    before: str
    after: str


@dataclass(frozen=True)
class Normalized:
    """A spoken form and how it came about."""

    text: str
    changes: tuple[Change, ...]


def _kurmanji_letters(text: str) -> str:
    # A letter that was replaced may join a loose accent after it (ı + circumflex is î), and that letter may be foreign.
    while (replaced := unicodedata.normalize("NFC", text.translate(FOREIGN))) != text:
        text = replaced
    return text


def normalize(text: str) -> Normalized:
    """The spoken form of `text`: NFC, lower case, Kurmanji letters, words apart by single spaces.

    Applying it twice changes nothing more. What it has no rule for stays in the text.
    """
    changes: list[Change] = []

    def apply(rule: str, before: str, after: str) -> str:
        if before != after:
            changes.append(Change(rule, before, after))
        return after

    text = apply("Unicode form NFC", text, unicodedata.normalize("NFC", text))
    # Turkish İ lower-cases to i + a combining dot in Python; I is the Kurmanji i.
    text = apply("lower case", text, unicodedata.normalize("NFC", text.replace("İ", "i").lower()))
    text = apply("apostrophes", text, re.sub(f"[{APOSTROPHES}]", "'", text))
    text = apply("foreign letters", text, _kurmanji_letters(text))
    text = apply("silent marks", text, re.sub(f"[{re.escape(SILENT_MARKS)}]", " ", text))
    text = apply("spaces", text, " ".join(text.split()))
    return Normalized(text, tuple(changes))
