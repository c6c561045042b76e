"""Written text to its spoken form, with a record of every change."""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise

from kurdtts_lib.core.errors import TextError, TextReason
from kurdtts_lib.text.language import (
    CAPITALS,
    FOLD,
    LETTERS,
    MARKS,
    RULE_OF,
    TABLE,
    alternatives,
    folded,
)
from kurdtts_lib.text.lexicon import user_lexicon
from kurdtts_lib.text.rules import RULES, VOWELLESS

LEFT_OUT = "symbol left out"
SILENT_RULES = frozenset(("lower case", "mark", "spaces"))
"""Rules that most sentences need and that need no explanation."""
UNCERTAIN = frozenset(TABLE["uncertain"])
"""Rules whose readings differ between people."""
JOINED_MARKS = "-'"
"""Part of a word when letters stand beside them."""
SILENT_MARKS = TABLE["silent"]["signs"] + JOINED_MARKS + "".join(TABLE["pauses"])

SCRIPT_PAIRS = re.compile(
    rf"({alternatives(key[0] for key in TABLE['script'] if len(key) == 2)})['{TABLE['apostrophes']['signs']}]", re.I
)
CHANGING_LETTERS = re.compile(
    f"[{re.escape(CAPITALS + ''.join(letter for letter, plain in FOLD.items() if plain.lower() in LETTERS))}]+"
)
"""Runs of letters that are replaced by others: capitals, and those of other alphabets."""
RUNS = re.compile(rf"[^{LETTERS}]{{2,}}|\A[^{LETTERS}]|[^{LETTERS}](?!.)|[^{LETTERS} ]", re.S)
"""Runs of characters other than letters, except a single space between letters, which stays."""


@dataclass(frozen=True)
class TextChange:
    """One place where the spoken form differs from the written one: `text[start:end]` is `before`."""

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
    changes: tuple[TextChange, ...]
    """In order and not overlapping; the text between them is spoken as it is written."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """One sentence for each symbol that is not spoken."""
        left_out = (symbol for change in self.changes if change.rule == LEFT_OUT for symbol in change.before)
        return tuple(dict.fromkeys(f"{_named(symbol)} is not spoken" for symbol in left_out if _is_symbol(symbol)))

    def uncertain(self) -> tuple[TextChange, ...]:
        """The changes whose readings differ between people."""
        return tuple(change for change in self.changes if not UNCERTAIN.isdisjoint(change.rule.split(", ")))


def normalize(text: str, lexicon: Mapping[str, str] | None = None, marks: bool = False) -> Normalized:
    """The spoken form of `text`: lowercase letters of the alphabet, words separated by single spaces.

    lexicon: words with their spoken forms; the user's own if None. marks: write one of `MARKS` after each word where a
    clause ends; `without_marks` gives the same text as False.
    Normalising the result again changes nothing. The time is proportional to the length of the text.
    Raises TextError, with reason and characters, if a part of the text has no reading or nothing is left to say.
    """
    if lexicon is None:
        lexicon = user_lexicon()
    composed, origin = _compose(text)
    plain = folded(composed)
    small = plain.lower()
    spans = _read_spans(text, composed, plain, small, lexicon)
    if marks and spans and spans[-1].end == len(composed):  # the point of an abbreviation may end the sentence
        spans[-1] = replace(spans[-1], after=spans[-1].after + _mark(composed[-1:], True))
    edges = [0, *(edge for span in spans for edge in (span.start, span.end)), len(composed)]
    changes = list(spans)
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        changes += _letters_and_runs(text, composed, small, start, end, marks)
    changes.sort(key=lambda change: (change.start, change.end))
    ends = [0, *(change.end for change in changes)]
    parts = [composed[end : change.start] + change.after for end, change in zip(ends, changes, strict=False)]
    spoken = "".join([*parts, composed[ends[-1] :]])
    if not any(letter in LETTERS for letter in spoken):
        raise TextError(f"There is nothing to say in {_short(text)}. Write at least one word.", TextReason.NOTHING)
    if silent := VOWELLESS.search(spoken):
        raise TextError(
            f"{silent.group()!r} in {_short(text)} has no vowel, so nobody can say it. Write it as it sounds.",
            TextReason.NO_VOWEL,
        )
    if origin:
        changes = _to_original(text, composed, origin, changes)
    return Normalized(spoken, tuple(changes))


def _compose(text: str) -> tuple[str, list[int]]:
    """`text` in Unicode form NFC, and the position in `text` of each of its characters; none if they are equal."""
    if unicodedata.is_normalized("NFC", text):
        return text, []
    starts = [place for place, character in enumerate(text) if not place or not _joins(character)]
    parts = [unicodedata.normalize("NFC", text[a:b]) for a, b in pairwise([*starts, len(text)])]
    origin = [start for start, part in zip(starts, parts, strict=True) for _ in part]
    return "".join(parts), [*origin, len(text)]


@cache
def _joins(character: str) -> bool:
    """Whether the character may be composed with those before it."""
    # Hangul's vowels and final consonants are the only ones that are not marks.
    return unicodedata.category(character)[0] == "M" or "\u1160" <= character <= "\u11ff"


def _to_original(text: str, composed: str, origin: list[int], changes: list[TextChange]) -> list[TextChange]:
    """`changes` of `composed` as changes of `text`, plus one for each character that was only composed."""
    written = [text[start:end] for start, end in pairwise(origin)]
    changed = {place for change in changes for place in range(change.start, change.end)}
    only_composed = [
        TextChange(place, place + 1, character, character, "Unicode form")
        for place, character in enumerate(composed)
        if character != written[place] and place not in changed
    ]
    return [
        TextChange(origin[one.start], origin[one.end], "".join(written[one.start : one.end]), one.after, one.rule)
        for one in sorted([*changes, *only_composed], key=lambda change: change.start)
    ]


def _read_spans(text: str, composed: str, plain: str, small: str, lexicon: Mapping[str, str]) -> list[TextChange]:
    """All readings of the user's lexicon, the script's two-character rows and the rules, in order of position."""
    taken = bytearray(len(plain))
    spans: list[TextChange] = []

    def take(match: re.Match[str], spoken: str, rule: str) -> None:
        start, end = match.span()
        if not any(taken[start:end]):
            taken[start:end] = b"\1" * (end - start)
            spans.append(TextChange(start, end, composed[start:end], spoken, rule))

    if lexicon:
        for match in _lexicon_pattern(tuple(lexicon)).finditer(small):
            take(match, lexicon[match.group()], "your lexicon")
    if "'" in plain:
        for match in SCRIPT_PAIRS.finditer(composed):
            take(match, TABLE["script"][f"{match[1].lower()}'"], "Cyrillic letters")
    for name, pattern in TABLE["refused"].items():
        if address := re.search(pattern, composed):
            raise TextError(
                f"{address.group()!r} in {_short(text)} has no one reading ({name}). Write it as you would say it.",
                next(reason for reason in TextReason if reason == name),
            )
    digit = re.search("[0-9]", plain) is not None
    for pattern, read, needs_digit in RULES:
        if digit or not needs_digit:
            for match in pattern.finditer(plain):
                if reading := read(match):
                    words = (lexicon.get(word, word) for word in reading[0].split(" "))
                    take(match, " ".join(words), reading[1])
    spans.sort(key=lambda span: span.start)
    return [_set_apart(span, small, taken) for span in spans]


def _set_apart(span: TextChange, small: str, taken: bytearray) -> TextChange:
    """Add a space where the span touches a letter: 30salî is two words."""
    if span.rule == "Cyrillic letters":
        return span
    before = span.start > 0 and (small[span.start - 1] in LETTERS or taken[span.start - 1])
    after = span.end < len(small) and not taken[span.end] and small[span.end] in LETTERS
    return replace(span, after=" " * bool(before) + span.after + " " * bool(after))


@cache
def _lexicon_pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{alternatives(list(words))})(?!\w)")


def without_marks(spoken: str) -> str:
    """A spoken form with `MARKS` as the one without."""
    return spoken.translate(_UNMARKED)


_UNMARKED = str.maketrans("", "", MARKS)


def _letters_and_runs(text: str, composed: str, small: str, start: int, end: int, marks: bool) -> Iterator[TextChange]:
    """The changes of a part that no rule reads: of its letters, and of what stands between them."""
    for match in CHANGING_LETTERS.finditer(composed, start, end):
        named = sorted({RULE_OF[letter] for letter in match.group() if letter in RULE_OF})
        after = small[match.start() : match.end()]
        yield TextChange(*match.span(), match.group(), after, ", ".join(named) or "lower case")
    for match in RUNS.finditer(small, start, end):
        a, b = match.span()
        before = a > start and small[a - 1] in LETTERS
        after_it = b < end and small[b] in LETTERS
        mark = _mark(match.group(), b == len(small)) if marks and a else ""
        kept, rule = _replacement(match.group(), mark, before, after_it, a == 0, b == len(small), text)
        if kept != composed[a:b]:
            yield TextChange(a, b, composed[a:b], kept, rule)


def _mark(run: str, last: bool) -> str:
    """Of the marks in a run of non-letters the one with the longest pause; none where `split` does not split."""
    found = [TABLE["pauses"][sign] for sign in run if sign in TABLE["pauses"]]
    ends_clause = found and (last or any(map(str.isspace, run)))
    return max(found, key=lambda row: row["seconds"])["mark"] if ends_clause else ""


def _replacement(run: str, mark: str, before: bool, after: bool, first: bool, last: bool, text: str) -> tuple[str, str]:
    """What replaces a run of non-letters, and its rule. before, after: if a letter touches it. Raises TextError."""
    refused = [character for character in run if not _is_silent(character) and not _is_symbol(character)]
    if refused:
        named = repr(run.strip(" .,;:!?")) if refused[0] in "0123456789" else _list(refused)
        raise TextError(
            f"There is no reading for {named} in {_short(text)}. Write it as words, in the language's own letters.",
            _reason(refused[0]),
            "".join(dict.fromkeys(refused)),
        )
    if not run.strip("\u00ad\u200b\u200c\u200d\u2060\ufeff"):
        return "", "invisible character"
    if len(run) == 1 and run in JOINED_MARKS and before and after:
        return run, "apostrophe"
    head = "'" if before and run[0] == "'" else ""
    tail = "'" if after and run[-1] == "'" and len(run) > len(head) else ""
    space = "" if (first and not head) or (last and not tail) or len(run) == len(head + tail) == 1 else " "
    rule = "spaces" if not run.strip() else "mark"
    if any(_is_symbol(character) for character in run):
        rule = LEFT_OUT
    return head + mark + space + tail, rule


@cache
def _is_silent(character: str) -> bool:
    silent = character.isspace() or character in SILENT_MARKS
    return silent or unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp")


@cache
def _is_symbol(character: str) -> bool:
    """Emoji and the like, left out with a warning. A currency or № would be spoken: without a row it is refused."""
    if "\u2100" <= character <= "\u214f":
        return False
    return unicodedata.category(character) in ("So", "Sk") or character in "\ufe0f\u20e3"


def _reason(character: str) -> TextReason:
    if character.isnumeric():
        return TextReason.NUMBER
    return TextReason.LETTER if character.isalpha() else TextReason.SIGN


def _list(characters: list[str]) -> str:
    distinct = list(dict.fromkeys(characters))
    return ", ".join(map(_named, distinct[:10])) + (" and more" if len(distinct) > 10 else "")


def _named(character: str) -> str:
    return f"{character!r} ({character_name(character)})"


def character_name(character: str) -> str:
    """The character's Unicode name in lowercase, or its code point if it has none."""
    return unicodedata.name(character, f"U+{ord(character):04X}").lower()


def _short(text: str) -> str:
    return repr(text if len(text) <= 200 else text[:199] + "…")
