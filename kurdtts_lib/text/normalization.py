"""Written text to its spoken form, with a record of every change."""

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache

from kurdtts_lib.core.errors import TextError, TextReason
from kurdtts_lib.text.changes import FOOTNOTE, LEFT_OUT, Normalized, TextChange, is_symbol, named
from kurdtts_lib.text.language import CAPITALS, FOLD, LETTERS, MARKS, RULE_OF, TABLE, VOWELS, alternatives, folded
from kurdtts_lib.text.lexicon import Lexicon, user_lexicon
from kurdtts_lib.text.numbers import one_by_one
from kurdtts_lib.text.rules import NEEDS, RULES, Doubt, Reader, Reading, distinct
from kurdtts_lib.text.short_forms import VOWELLESS

JOINED_MARKS = "-'"
"""Part of a word when letters stand beside them."""
SILENT_MARKS = TABLE["silent"]["signs"] + JOINED_MARKS + "".join(TABLE["pauses"])

FOOTNOTES = re.compile(
    rf"\[[0-9]{{1,3}}\]|(?:(?<=[{LETTERS}]{{3}})|(?<=[{VOWELS}][{LETTERS}])|(?<=[{LETTERS}][{VOWELS}])|(?<=[.,!?;:»”\"]))"
    r"[¹²³⁰⁴⁵⁶⁷⁸⁹]+|(?<=\))(?![²³])[¹⁰⁴⁵⁶⁷⁸⁹]+"
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

    An address is said as its host, digits that are no number one by one, a word without a vowel by its letters, a
    foreign word in capitals as it is written, what has several readings in one of them; any other sign or letter is
    left out. Raises TextError only if nothing is left to say.
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
    written = unicodedata.normalize("NFC", text)
    plain = folded(written)
    needed = {"", *(name for name, pattern in NEEDS.items() if pattern.search(plain))}
    if len(needed) > 1:
        plain = FOOTNOTES.sub(lambda match: SILENCED * len(match.group()), plain)
        plain = distinct(SMILEYS.sub(lambda match: REMOVED * len(match.group()), plain))
    small = plain.lower()
    changes = _read_spans(written, plain, needed, words, refuse)
    if marks and changes and changes[-1].end == len(written):  # the point of an abbreviation may end the sentence
        changes[-1] = replace(changes[-1], after=changes[-1].after + _mark(written[-1:], True))
    edges = [0, *(edge for change in changes for edge in (change.start, change.end)), len(written)]
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        changes += _letters(written, small, start, end)
        changes += _runs(written, small, start, end, marks, refuse)
    changes.sort(key=lambda change: (change.start, change.end))
    ends = [0, *(change.end for change in changes)]
    parts = [written[end : change.start] + change.after for end, change in zip(ends, changes, strict=False)]
    spoken = "".join([*parts, written[ends[-1] :]])
    if not any(letter in LETTERS for letter in spoken):
        raise TextError(f"There is nothing to say in {_short(text)}. Write at least one word.", TextReason.NOTHING)
    if silent := VOWELLESS.search(spoken):
        message = f"{silent.group()!r} in {_short(text)} has no vowel, so nobody can say it. Write it as it sounds."
        refuse(TextError(message, TextReason.NO_VOWEL))
    return Normalized(spoken, written, tuple(changes))


def _read_spans(written: str, plain: str, needed: set[str], words: Lexicon, refuse: Refuse) -> list[TextChange]:
    """All readings of the lexicon, the script's two-character rows and the rules, in order of position.

    needed: the keys of `NEEDS` whose pattern the text has.
    """
    taken = bytearray(len(plain))
    spans: list[TextChange] = []

    def take(match: re.Match[str], spoken: str, rule: str) -> None:
        start, end = match.span()
        if not any(taken[start:end]):
            taken[start:end] = b"\1" * (end - start)
            spans.append(TextChange(start, end, written[start:end], spoken, rule))

    for name, pattern in TABLE["refused"].items():
        for match in re.finditer(pattern, written):
            what = f"{match.group()!r} in {_short(written)}"
            refuse(TextError(f"{what} has no one reading ({name}). Write it as you would say it.", TextReason.ADDRESS))
            if spoken := _address(match.group(), words):
                take(match, spoken, "address")
    for match, spoken, rule in words.find(plain):
        take(match, spoken, rule)
    if "'" in plain:
        for match in SCRIPT_PAIRS.finditer(written):
            take(match, TABLE["script"][f"{match[1].lower()}'"], "Cyrillic letters")
    for pattern, read, needs in RULES:
        if needs in needed:
            for match in pattern.finditer(plain):
                if not any(taken[slice(*match.span())]) and (reading := _reading(match, read, written, refuse)):
                    take(match, words.apply(reading[0]), reading[1])
    spans.sort(key=lambda span: span.start)
    return [_set_apart(span, plain.lower(), taken) for span in spans]


def _reading(match: re.Match[str], read: Reader, text: str, refuse: Refuse) -> Reading | None:
    try:
        return read(match)
    except Doubt as error:
        error.args = (f"In {_short(text)}: {error}",)
        refuse(error)
        return error.instead


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


def _letters(written: str, small: str, start: int, end: int) -> Iterator[TextChange]:
    """The letters that change in a part that no rule reads."""
    for match in CHANGING_LETTERS.finditer(written, start, end):
        if small[match.start()] != REMOVED:
            rules = sorted({RULE_OF[letter] for letter in match.group() if letter in RULE_OF})
            after = small[match.start() : match.end()]
            yield TextChange(*match.span(), match.group(), after, ", ".join(rules) or "lower case")


def _runs(written: str, small: str, start: int, end: int, marks: bool, refuse: Refuse) -> Iterator[TextChange]:
    """What stands between the letters of such a part, and changes."""
    for match in RUNS.finditer(small, start, end):
        a, b = match.span()
        run = match.group()
        refused = [character for character in run if not _is_silent(character) and not is_symbol(character)]
        digit_words = _refused_words(run, refused, written, refuse) if refused else ""
        mark = _mark(run, b == len(small)) if marks and a else ""
        if digit_words:
            kept, rule = f" {digit_words} "[a == 0 : len(digit_words) + 2 - (b == len(small))], "digit by digit"
        elif not run.strip("\u00ad\u200b\u200c\u200d\u2060\ufeff"):
            kept, rule = "", "invisible character"
        elif len(run) == 1 and run in JOINED_MARKS and start < a and b < end:
            kept, rule = run, "apostrophe"
        else:
            head = "'" if start < a and run[0] == "'" else ""
            tail = "'" if b < end and run[-1] == "'" and len(run) > len(head) else ""
            at_edge = (a == 0 and not head) or (b == len(small) and not tail)
            kept = head + mark + " " * (not at_edge and len(run) != len(head + tail)) + tail
            rule = _rule_of(run, bool(refused))
        if kept != written[a:b]:
            yield TextChange(a, b, written[a:b], kept, rule)


def _refused_words(run: str, refused: list[str], written: str, refuse: Refuse) -> str:
    """Refuse a run; the words of its digits, for reading aloud."""
    what = repr(run.strip(" .,;:!?")) if refused[0] in "0123456789" else _list(refused)
    message = f"There is no reading for {what} in {_short(written)}. Write it as words, in the language's own letters."
    refuse(TextError(message, _reason(refused[0]), "".join(dict.fromkeys(refused))))
    return one_by_one("".join(character for character in run if character in "0123456789"))


def _rule_of(run: str, refused: bool) -> str:
    if refused or REMOVED in run or any(map(is_symbol, run)):
        return LEFT_OUT
    if SILENCED in run:
        return FOOTNOTE
    return "mark" if run.strip() else "spaces"


def _mark(run: str, last: bool) -> str:
    """Of the marks in a run of non-letters the one with the longest pause; none where `split` does not split."""
    found = [TABLE["pauses"][sign] for sign in run if sign in TABLE["pauses"]]
    ends_clause = found and (last or any(map(str.isspace, run)))
    return max(found, key=lambda row: row["seconds"])["mark"] if ends_clause else ""


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
