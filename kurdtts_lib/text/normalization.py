"""Written text to its spoken form, with a record of every change."""

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache

from kurdtts_lib.core.errors import TextError, TextReason
from kurdtts_lib.text.changes import (
    FOOTNOTE,
    LEFT_OUT,
    Normalized,
    TextChange,
    compose,
    is_symbol,
    named,
    to_original,
)
from kurdtts_lib.text.language import CAPITALS, FOLD, LETTERS, MARKS, RULE_OF, TABLE, VOWELS, alternatives, folded
from kurdtts_lib.text.lexicon import Lexicon, user_lexicon
from kurdtts_lib.text.numbers import digits
from kurdtts_lib.text.rules import NEEDS, RULES, Doubt, Reader, Reading
from kurdtts_lib.text.short_forms import VOWELLESS

JOINED_MARKS = "-'"
"""Part of a word when letters stand beside them."""
SILENT_MARKS = TABLE["silent"]["signs"] + JOINED_MARKS + "".join(TABLE["pauses"])

FOOTNOTES = re.compile(
    rf"\[[0-9]{{1,3}}\]|(?:(?<=[{LETTERS}]{{3}})|(?<=[{VOWELS}][{LETTERS}])|(?<=[{LETTERS}][{VOWELS}])|(?<=[.,!?;:»”\")]))"
    "[¹²³⁰⁴⁵⁶⁷⁸⁹]+"
)
"""`[1]` anywhere; raised digits after a mark or a word, but not after a unit (km²)."""
SMILEYS = re.compile("|".join(TABLE["left_out"].values()))
SILENCED, REMOVED = "\0", "\1"
"""Stand for the characters of a footnote mark and of a smiley."""
SCRIPT_PAIRS = re.compile(
    rf"({alternatives(key[0] for key in TABLE['script'] if len(key) == 2)})['{TABLE['apostrophes']['signs']}]", re.I
)
CHANGING_LETTERS = re.compile(
    f"[{re.escape(CAPITALS + ''.join(letter for letter, plain in FOLD.items() if plain.lower() in LETTERS))}]+"
)
"""Runs of letters that are replaced by others: capitals, and those of other alphabets."""
RUNS = re.compile(rf"[^{LETTERS}]{{2,}}|\A[^{LETTERS}]|[^{LETTERS}](?!.)|[^{LETTERS} ]", re.S)
"""Runs of characters other than letters, except a single space between letters, which stays."""


def normalize(text: str, lexicon: Mapping[str, str] | None = None, marks: bool = False) -> Normalized:
    """The spoken form of `text`: lowercase letters of the alphabet, words separated by single spaces.

    lexicon: words with their spoken forms; the user's own and the shared list if None. marks: write one of `MARKS`
    after each word where a clause ends; `without_marks` gives the same text as False.
    Normalising the result again changes nothing. The time is proportional to the length of the text.
    Raises TextError, with reason and characters, if a part of the text has no reading or nothing is left to say.
    """
    return _read(text, lexicon, marks, _refuse)


def read_aloud(text: str, lexicon: Mapping[str, str] | None = None, marks: bool = False) -> Normalized:
    """`normalize` for listeners: what has no certain reading is read by a rule or left out, and is in `warnings`.

    An address is said as its host, digits that are no number one by one, a word without a vowel by its letters, and
    any other sign or letter is left out. Raises TextError only if nothing is left to say.
    """
    problems: list[str] = []
    result = _read(text, lexicon, marks, lambda error: problems.append(str(error)))
    return replace(result, problems=tuple(dict.fromkeys(problems)))


Refuse = Callable[[TextError], None]
"""What is done with a problem: it is raised or collected."""


def _refuse(error: TextError) -> None:
    raise error


def _read(text: str, lexicon: Mapping[str, str] | None, marks: bool, refuse: Refuse) -> Normalized:
    words = user_lexicon() if lexicon is None else lexicon if isinstance(lexicon, Lexicon) else Lexicon(lexicon)
    composed, origin = compose(text)
    plain = folded(composed)
    needed = {"", *(name for name, pattern in NEEDS.items() if pattern.search(plain))}
    if len(needed) > 1:
        plain = FOOTNOTES.sub(lambda match: SILENCED * len(match.group()), plain)
        plain = SMILEYS.sub(lambda match: REMOVED * len(match.group()), plain)
    small = plain.lower()
    spans = _read_spans(text, composed, plain, needed, words, refuse)
    if marks and spans and spans[-1].end == len(composed):  # the point of an abbreviation may end the sentence
        spans[-1] = replace(spans[-1], after=spans[-1].after + _mark(composed[-1:], True))
    edges = [0, *(edge for span in spans for edge in (span.start, span.end)), len(composed)]
    changes = list(spans)
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        changes += _letters_and_runs(text, composed, small, start, end, marks, refuse)
    changes.sort(key=lambda change: (change.start, change.end))
    ends = [0, *(change.end for change in changes)]
    parts = [composed[end : change.start] + change.after for end, change in zip(ends, changes, strict=False)]
    spoken = "".join([*parts, composed[ends[-1] :]])
    if not any(letter in LETTERS for letter in spoken):
        raise TextError(f"There is nothing to say in {_short(text)}. Write at least one word.", TextReason.NOTHING)
    if silent := VOWELLESS.search(spoken):
        message = f"{silent.group()!r} in {_short(text)} has no vowel, so nobody can say it. Write it as it sounds."
        refuse(TextError(message, TextReason.NO_VOWEL))
    if origin:
        changes = to_original(text, composed, origin, changes)
    return Normalized(spoken, tuple(changes))


def _read_spans(
    text: str, composed: str, plain: str, needed: set[str], words: Lexicon, refuse: Refuse
) -> list[TextChange]:
    """All readings of the lexicon, the script's two-character rows and the rules, in order of position.

    needed: the keys of `NEEDS` whose pattern the text has.
    """
    taken = bytearray(len(plain))
    spans: list[TextChange] = []

    def take(match: re.Match[str], spoken: str, rule: str) -> None:
        start, end = match.span()
        if not any(taken[start:end]):
            taken[start:end] = b"\1" * (end - start)
            spans.append(TextChange(start, end, composed[start:end], spoken, rule))

    for name, pattern in TABLE["refused"].items():
        for match in re.finditer(pattern, composed):
            message = f"{match.group()!r} in {_short(text)} has no one reading ({name}). Write it as you would say it."
            refuse(TextError(message, next(reason for reason in TextReason if reason == name)))
            if spoken := _address(match.group(), words):
                take(match, spoken, "address")
    for match, spoken, rule in words.find(plain):
        take(match, spoken, rule)
    if "'" in plain:
        for match in SCRIPT_PAIRS.finditer(composed):
            take(match, TABLE["script"][f"{match[1].lower()}'"], "Cyrillic letters")
    for pattern, read, needs in RULES:
        if needs in needed:
            for match in pattern.finditer(plain):
                if not any(taken[slice(*match.span())]) and (reading := _reading(match, read, text, refuse)):
                    take(match, words.apply(reading[0]), reading[1])
    spans.sort(key=lambda span: span.start)
    return [_set_apart(span, plain.lower(), taken) for span in spans]


def _reading(match: re.Match[str], read: Reader, text: str, refuse: Refuse) -> Reading | None:
    try:
        return read(match)
    except Doubt as error:
        error.args = (f"In {_short(text)}: {error}",)
        refuse(error)
        return (error.instead, "acronym") if error.instead else None


def _address(written: str, words: Mapping[str, str]) -> str:
    """What is said for an address: its host, or its name and host, without the rest."""
    host = re.sub(r"^https?://|^www\.|(?<=//)www\.", "", written).split("/")[0]
    for sign, word in ((".", TABLE["addresses"]["point"]), ("@", TABLE["addresses"]["at"])):
        host = host.strip(sign).replace(sign, f" {word} ")
    letters = re.sub("[_-]", " ", folded(host).lower())
    return read_aloud(letters, words).text if any(letter in LETTERS for letter in letters) else ""


def _set_apart(span: TextChange, small: str, taken: bytearray) -> TextChange:
    """Add a space where the span touches a letter: 30salî is two words."""
    if span.rule == "Cyrillic letters":
        return span
    before = span.start > 0 and (small[span.start - 1] in LETTERS or taken[span.start - 1])
    after = span.end < len(small) and not taken[span.end] and small[span.end] in LETTERS
    return replace(span, after=" " * bool(before) + span.after + " " * bool(after))


def without_marks(spoken: str) -> str:
    """A spoken form with `MARKS` as the one without."""
    return spoken.translate(_UNMARKED)


_UNMARKED = str.maketrans("", "", MARKS)


def _letters_and_runs(
    text: str, composed: str, small: str, start: int, end: int, marks: bool, refuse: Refuse
) -> Iterator[TextChange]:
    """The changes of a part that no rule reads: of its letters, and of what stands between them."""
    for match in CHANGING_LETTERS.finditer(composed, start, end):
        if small[match.start()] == REMOVED:
            continue
        rules = sorted({RULE_OF[letter] for letter in match.group() if letter in RULE_OF})
        after = small[match.start() : match.end()]
        yield TextChange(*match.span(), match.group(), after, ", ".join(rules) or "lower case")
    for match in RUNS.finditer(small, start, end):
        a, b = match.span()
        before = a > start and small[a - 1] in LETTERS
        after_it = b < end and small[b] in LETTERS
        mark = _mark(match.group(), b == len(small)) if marks and a else ""
        kept, rule = _replacement(match.group(), mark, before, after_it, a == 0, b == len(small), text, refuse)
        if kept != composed[a:b]:
            yield TextChange(a, b, composed[a:b], kept, rule)


def _mark(run: str, last: bool) -> str:
    """Of the marks in a run of non-letters the one with the longest pause; none where `split` does not split."""
    found = [TABLE["pauses"][sign] for sign in run if sign in TABLE["pauses"]]
    ends_clause = found and (last or any(map(str.isspace, run)))
    return max(found, key=lambda row: row["seconds"])["mark"] if ends_clause else ""


def _replacement(
    run: str, mark: str, before: bool, after: bool, first: bool, last: bool, text: str, refuse: Refuse
) -> tuple[str, str]:
    """What replaces a run of non-letters, and its rule. before, after: if a letter touches it."""
    refused = [character for character in run if not _is_silent(character) and not is_symbol(character)]
    if refused:
        what = repr(run.strip(" .,;:!?")) if refused[0] in "0123456789" else _list(refused)
        message = f"There is no reading for {what} in {_short(text)}. Write it as words, in the language's own letters."
        refuse(TextError(message, _reason(refused[0]), "".join(dict.fromkeys(refused))))
        if words := digits("".join(character for character in run if character in "0123456789")):
            return " " * (not first) + words + " " * (not last), "digit by digit"
    if not run.strip("\u00ad\u200b\u200c\u200d\u2060\ufeff"):
        return "", "invisible character"
    if len(run) == 1 and run in JOINED_MARKS and before and after:
        return run, "apostrophe"
    head = "'" if before and run[0] == "'" else ""
    tail = "'" if after and run[-1] == "'" and len(run) > len(head) else ""
    space = "" if (first and not head) or (last and not tail) or len(run) == len(head + tail) == 1 else " "
    rule = "spaces" if not run.strip() else "mark"
    if refused or REMOVED in run or any(is_symbol(character) for character in run):
        rule = LEFT_OUT
    elif SILENCED in run:
        rule = FOOTNOTE
    return head + mark + space + tail, rule


@cache
def _is_silent(character: str) -> bool:
    silent = character.isspace() or character in SILENT_MARKS
    return silent or unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp")


def _reason(character: str) -> TextReason:
    if character.isnumeric():
        return TextReason.NUMBER
    return TextReason.LETTER if character.isalpha() else TextReason.SIGN


def _list(characters: list[str]) -> str:
    distinct = list(dict.fromkeys(characters))
    return ", ".join(map(named, distinct[:10])) + (" and more" if len(distinct) > 10 else "")


def _short(text: str) -> str:
    return repr(text if len(text) <= 200 else text[:199] + "…")
