"""Written text to its spoken form, with a record of every change."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

from kurdtts_lib.core.errors import TextError, TextReason
from kurdtts_lib.text.language import Language, alternatives, load_language, small_letters
from kurdtts_lib.text.lexicon import user_lexicon
from kurdtts_lib.text.rules import rules, vowelless

LETTERS = load_language("kmr").alphabet
"""The 31 letters of the Hawar alphabet."""
LEFT_OUT = "symbol left out"
SILENT_RULES = frozenset(("lower case", "mark", "spaces"))
"""Rules that most sentences need and that need no explanation."""


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

    def uncertain(self, language: Language | None = None) -> tuple[TextChange, ...]:
        """The changes whose readings differ between people."""
        names = (language or load_language()).uncertain
        return tuple(change for change in self.changes if not names.isdisjoint(change.rule.split(", ")))


def normalize(text: str, language: Language | None = None, lexicon: Mapping[str, str] | None = None) -> Normalized:
    """The spoken form of `text`: lowercase letters of the language's alphabet, words separated by single spaces.

    language: Kurmanji if None. lexicon: words with their spoken forms; the user's own if None.
    Normalising the result again changes nothing. The time is proportional to the length of the text.
    Raises TextError, with reason and characters, if a part of the text has no reading or nothing is left to say.
    """
    language = language or load_language()
    if lexicon is None:
        lexicon = user_lexicon() if language is load_language() else {}  # the user's lexicon is for Kurmanji
    composed, origin = _compose(text)
    folded = language.folded(composed)
    small = small_letters(folded)
    spans = _read_spans(text, composed, folded, small, language, lexicon)
    gaps = _gaps(len(composed), spans)
    changes = spans + _letter_changes(composed, small, gaps, language)
    changes += _run_changes(text, composed, small, gaps, language)
    changes.sort(key=lambda change: (change.start, change.end))
    spoken = _join(composed, changes)
    if not any(letter in language.alphabet for letter in spoken):
        raise TextError(f"There is nothing to say in {_short(text)}. Write at least one word.", TextReason.NOTHING)
    if silent := vowelless(language).search(spoken):
        raise TextError(
            f"{silent.group()!r} in {_short(text)} has no vowel, so nobody can say it. Write it as it sounds.",
            TextReason.NO_VOWEL,
        )
    if origin:
        changes = _to_original(text, composed, origin, changes)
    return Normalized(spoken, tuple(changes))


def _join(text: str, changes: list[TextChange]) -> str:
    parts, place = [], 0
    for change in changes:
        parts += [text[place : change.start], change.after]
        place = change.end
    return "".join([*parts, text[place:]])


def _compose(text: str) -> tuple[str, list[int]]:
    """`text` in Unicode form NFC, and the position in `text` of each of its characters; none if they are equal."""
    if unicodedata.is_normalized("NFC", text):
        return text, []
    parts: list[str] = []
    origin: list[int] = []
    start = 0
    for place in range(1, len(text) + 1):
        if place < len(text) and _joins(text[place]):
            continue
        part = unicodedata.normalize("NFC", text[start:place])
        parts.append(part)
        origin += [start] * len(part)
        start = place
    return "".join(parts), [*origin, len(text)]


@cache
def _joins(character: str) -> bool:
    """Whether the character may be composed with those before it."""
    # Hangul's vowels and final consonants are the only ones that are not marks.
    return unicodedata.category(character)[0] == "M" or "\u1160" <= character <= "\u11ff"


def _to_original(text: str, composed: str, origin: list[int], changes: list[TextChange]) -> list[TextChange]:
    """`changes` of `composed` as changes of `text`, plus one for each character that was only composed."""
    result: list[TextChange] = []
    place = 0
    for change in [*changes, TextChange(len(composed), len(composed), "", "", "")]:
        for index in range(place, change.start):
            start, end = origin[index], origin[index + 1]
            if text[start:end] != composed[index]:
                result.append(TextChange(start, end, text[start:end], composed[index], "Unicode form"))
        if change.rule:
            start, end = origin[change.start], origin[change.end]
            result.append(TextChange(start, end, text[start:end], change.after, change.rule))
        place = change.end
    return result


def _read_spans(
    text: str, composed: str, folded: str, small: str, language: Language, lexicon: Mapping[str, str]
) -> list[TextChange]:
    """All readings of the user's lexicon, the script's two-character rows and the rules, in order of position."""
    taken = bytearray(len(folded))
    spans: list[TextChange] = []

    def take(match: re.Match[str], spoken: str, rule: str) -> None:
        start, end = match.span()
        if not any(taken[start:end]):
            taken[start:end] = b"\1" * (end - start)
            spans.append(TextChange(start, end, composed[start:end], spoken, rule))

    if lexicon:
        for match in _lexicon_pattern(tuple(lexicon)).finditer(small):
            take(match, lexicon[match.group()], "your lexicon")
    if "'" in folded and language.table("script"):
        rows = language.table("script")
        for match in _script_pairs(language).finditer(_lower_with_plain_apostrophes(composed, folded)):
            take(match, rows[match.group()], f"{rows['name']} letters")
    for name, pattern in language.table("refused").items():
        if address := re.search(pattern, composed):
            raise TextError(
                f"{address.group()!r} in {_short(text)} has no one reading ({name}). Write it as you would say it.",
                next(reason for reason in TextReason if reason == name),
            )
    digit = re.search("[0-9]", folded) is not None
    for rule in rules(language):
        if digit or not rule.needs_digit:
            for match in rule.pattern.finditer(folded):
                reading = rule.read(match)
                if reading:
                    take(match, _corrected(reading[0], lexicon), reading[1])
    spans.sort(key=lambda span: span.start)
    return [_set_apart(span, small, taken, language) for span in spans]


def _lower_with_plain_apostrophes(composed: str, folded: str) -> str:
    """`composed` in lowercase, of the same length, with all apostrophes replaced by the plain one."""
    pairs = zip(composed, folded, strict=True)
    return "".join("'" if plain == "'" else letter.lower()[0] for letter, plain in pairs)


def _corrected(words: str, lexicon: Mapping[str, str]) -> str:
    """The words of a rule's reading, replaced where the user's lexicon has them."""
    return " ".join(lexicon.get(word, word) for word in words.split(" ")) if lexicon else words


def _set_apart(span: TextChange, small: str, taken: bytearray, language: Language) -> TextChange:
    """Add a space where the span touches a letter: 30salî is two words."""
    if span.rule.endswith(" letters"):
        return span
    before = span.start > 0 and (small[span.start - 1] in language.alphabet or taken[span.start - 1])
    after = span.end < len(small) and not taken[span.end] and small[span.end] in language.alphabet
    return replace(span, after=" " * bool(before) + span.after + " " * bool(after))


@cache
def _lexicon_pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{alternatives(list(words))})(?!\w)")


@cache
def _script_pairs(language: Language) -> re.Pattern[str]:
    pairs = [key for key in language.table("script") if len(key) == 2]
    return re.compile(alternatives(pairs))


@cache
def _changing_letters(language: Language) -> re.Pattern[str]:
    """Runs of letters that are replaced by others: capitals, and those of other alphabets."""
    others = "".join(letter for letter, plain in language.fold.items() if plain.lower() in language.alphabet)
    return re.compile(f"[{re.escape(language.capitals + others)}]+")


def _gaps(length: int, spans: list[TextChange]) -> list[tuple[int, int]]:
    edges = [0, *(edge for span in spans for edge in (span.start, span.end)), length]
    return [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if a < b]


def _letter_changes(composed: str, small: str, gaps: list[tuple[int, int]], language: Language) -> list[TextChange]:
    changes = []
    for start, end in gaps:
        for match in _changing_letters(language).finditer(composed, start, end):
            named = {language.rule_of[letter] for letter in match.group() if letter in language.rule_of}
            rule = ", ".join(sorted(named)) or "lower case"
            changes.append(
                TextChange(match.start(), match.end(), match.group(), small[match.start() : match.end()], rule)
            )
    return changes


@cache
def _runs(language: Language) -> re.Pattern[str]:
    """Runs of characters other than letters, except a single space between letters, which stays."""
    letters = re.escape(language.alphabet)
    return re.compile(rf"[^{letters}]{{2,}}|\A[^{letters}]|[^{letters}](?!.)|[^{letters} ]", re.S)


def _run_changes(
    text: str, composed: str, small: str, gaps: list[tuple[int, int]], language: Language
) -> list[TextChange]:
    changes = []
    for start, end in gaps:
        for match in _runs(language).finditer(small, start, end):
            a, b = match.span()
            before = a > start and small[a - 1] in language.alphabet
            after = b < end and small[b] in language.alphabet
            kept, rule = _replacement(match.group(), before, after, a == 0, b == len(small), text, language)
            if kept != composed[a:b]:
                changes.append(TextChange(a, b, composed[a:b], kept, rule))
    return changes


def _replacement(
    run: str, before: bool, after: bool, first: bool, last: bool, text: str, language: Language
) -> tuple[str, str]:
    """What replaces a run of non-letters, and its rule. before, after: if a letter touches it. Raises TextError."""
    refused = [character for character in run if not _is_silent(character, language) and not _is_symbol(character)]
    if refused:
        named = repr(run.strip(" .,;:!?")) if refused[0] in "0123456789" else _list(refused)
        raise TextError(
            f"There is no reading for {named} in {_short(text)}. Write it as words, in the language's own letters.",
            _reason(refused[0]),
            "".join(dict.fromkeys(refused)),
        )
    if not run.strip("\u00ad\u200b\u200c\u200d\u2060\ufeff"):
        return "", "invisible character"
    if len(run) == 1 and run in language.joined_marks and before and after:
        return run, "apostrophe"
    apostrophe = "'" in language.joined_marks
    head = "'" if apostrophe and before and run[0] == "'" else ""
    tail = "'" if apostrophe and after and run[-1] == "'" and len(run) > len(head) else ""
    space = "" if (first and not head) or (last and not tail) or len(run) == len(head + tail) == 1 else " "
    rule = "spaces" if not run.strip() else "mark"
    if any(_is_symbol(character) for character in run):
        rule = LEFT_OUT
    return head + space + tail, rule


@cache
def _is_silent(character: str, language: Language) -> bool:
    marks = language.table("silent").get("signs", "") + "'-" + "".join(language.table("pauses"))
    return character.isspace() or character in marks or unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp")


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
