"""What a reading changed in a text."""

import unicodedata
from dataclasses import dataclass
from functools import cache

from kurdtts_lib.text.language import TABLE

LEFT_OUT, FOREIGN_MARK, FOOTNOTE = "symbol left out", "foreign mark", "footnote mark"
SILENT_RULES = frozenset(("lower case", "mark", "spaces"))
"""Rules that most sentences need and that need no explanation."""
UNCERTAIN = frozenset(TABLE["uncertain"])
"""Rules whose readings differ between people."""


@dataclass(frozen=True)
class TextChange:
    """One place where the spoken form differs from `Normalized.written`: `written[start:end]` is `before`."""

    start: int
    end: int
    before: str
    after: str
    rule: str
    """The rule's name; if several rules changed letters of one word, their names joined by commas."""


@dataclass(frozen=True)
class Normalized:
    """A spoken form and the changes that led to it."""

    text: str
    written: str
    """The text in Unicode form NFC."""
    changes: tuple[TextChange, ...]
    """In order and not overlapping; the text between them is spoken as it is written."""
    problems: tuple[str, ...] = ()
    """What has no certain reading, and what was said in its place; empty unless it was read aloud all the same."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """One sentence for each problem, each symbol that is not spoken, and each letter without its mark."""
        lines = list(self.problems)
        for change in self.changes:
            if change.rule == LEFT_OUT:
                symbols = [f"{named(one)} is not spoken" for one in change.before if is_symbol(one)]
                lines += symbols or [f"{change.before.strip()!r} is not spoken"]
            elif FOREIGN_MARK in change.rule:
                lines.append(f"{change.before!r} is read {change.after!r}")
        return tuple(dict.fromkeys(lines))

    def uncertain(self) -> tuple[TextChange, ...]:
        """The changes whose readings differ between people."""
        return tuple(change for change in self.changes if not UNCERTAIN.isdisjoint(change.rule.split(", ")))


@cache
def is_symbol(character: str) -> bool:
    """Emoji and the like, left out with a warning. A currency or № would be spoken: without a row it is refused."""
    if "\u2100" <= character <= "\u214f":
        return False
    if "\u2190" <= character <= "\u21ff":  # arrows
        return True
    return unicodedata.category(character) in ("So", "Sk") or character in "\ufe0f\u20e3"


def named(character: str) -> str:
    return f"{character!r} ({character_name(character)})"


def character_name(character: str) -> str:
    """The character's Unicode name in lowercase, or its code point if it has none."""
    return unicodedata.name(character, f"U+{ord(character):04X}").lower()
