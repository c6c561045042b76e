"""Reading rules for numbers, dates, times, units and fractions. Each rule is a pattern and a few lines."""

import datetime
import re
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from kurdtts_lib.core.errors import TextError, TextReason
from kurdtts_lib.text.language import Language, alternatives
from kurdtts_lib.text.numbers import add_suffix, digits, number_pattern, read, spell
from kurdtts_lib.text.table_checks import RuleName

Reading = tuple[str, RuleName]
"""The spoken words, and the name of the rule."""
FRACTIONS = {"½": "1/2", "¼": "1/4", "¾": "3/4", "⅓": "1/3", "⅔": "2/3"}

MINUS = r"(?P<minus>(?<![\w.,)\]-])[-−])?"
"""A minus sign or hyphen before a number that does not follow a word or a number."""


class ReadingRule(NamedTuple):
    """Where a rule applies, and how it reads a match; None leaves the match to the rules after it."""

    pattern: re.Pattern[str]
    read: Callable[[re.Match[str]], Reading | None]
    needs_digit: bool = True


def suffix_pattern(language: Language) -> str:
    table = language.table("suffixes")
    glide = f"{table['glide']}?" if table.get("glide") else ""
    return rf"(?:(?:['-]?(?P<suffix>{glide}(?:{alternatives(table.get('endings', []))})))(?!\w))?"


def _after(words: list[str]) -> str:
    """A look-behind for one of `words`, in lowercase or capitalised: the word itself is not part of the match."""
    # Python's look-behind needs a fixed length, so each word has one of its own.
    written = dict.fromkeys(form for word in words for form in (word, word[0].upper() + word[1:]))
    return "(?:" + "|".join(rf"(?<=(?<!\w){re.escape(word)} )" for word in written) + ")"


def dates(language: Language) -> list[ReadingRule]:
    table = language.table("dates")
    suffix = suffix_pattern(language)

    def say(match: re.Match[str]) -> Reading:
        day, month, year = int(match["day"]), int(match["month"]), int(match["year"])
        try:
            datetime.date(year, month, day)
        except ValueError as error:
            message = f"There is no reading for {match.group()!r}: no such day ({error}). Correct it, or use words."
            raise TextError(message, TextReason.DATE, match.group()) from error
        spoken_day = add_suffix(spell(day, language), table["day"], language)
        spoken_year = add_suffix(spell(year, language), match["suffix"] or table["year"], language)
        return f"{spoken_day} {table['months'][month - 1]} {spoken_year}", "date"

    day_first = (
        rf"(?<![\d.,])(?P<day>\d{{1,2}})(?P<sign>[./-])(?P<month>\d{{1,2}})(?P=sign)(?P<year>\d{{4}})(?![\d]){suffix}"
    )
    year_first = rf"(?<!\d)(?P<year>\d{{4}})-(?P<month>\d\d)-(?P<day>\d\d)(?!\d){suffix}"
    return [ReadingRule(re.compile(day_first), say), ReadingRule(re.compile(year_first), say)]


def times(language: Language) -> list[ReadingRule]:
    half, joiner = language.table("times")["half"], language.table("numbers")["joiner"]

    def say(match: re.Match[str]) -> Reading:
        hour, minute = int(match["hour"]), int(match["minute"])
        words = spell(hour, language)
        if minute:
            words += joiner + (half if minute == 30 else spell(minute, language))
        return add_suffix(words, match["suffix"], language), "time"

    hour, minute = r"(?P<hour>[01]?\d|2[0-4])", rf"(?P<minute>[0-5]\d)(?![\d:]){suffix_pattern(language)}"
    found = [rf"(?<![\d:]){hour}:{minute}"]
    if words := language.table("times").get("words"):
        found.append(rf"{_after(words)}{hour}\.{minute}")  # 9.30 is a number, but saet 9.30 is a time
    return [ReadingRule(re.compile(pattern), say) for pattern in found]


def phone_numbers(language: Language) -> list[ReadingRule]:
    def say(match: re.Match[str]) -> Reading:
        return digits(match.group(), language), "phone number"

    international = r"(?<!\w)\+\d(?:[ ()-]{0,2}\d){6,14}(?!\d)"
    national = r"(?<![\w.,])0\d{2,4}(?:[ -]\d{2,4}){2,4}(?![\d.,])"
    return [ReadingRule(re.compile(international), say), ReadingRule(re.compile(national), say)]


def _number(language: Language) -> str:
    return rf"{MINUS}(?P<number>{number_pattern(language)})"


def _say_number(match: re.Match[str], language: Language) -> Reading:
    """The words of a number that `_number` matched, and its rule."""
    words, rule = read(match["number"], language)
    return (f"{language.table('numbers')['minus']} {words}", "negative number") if match["minus"] else (words, rule)


def percent(language: Language) -> list[ReadingRule]:
    table = language.table("percent")
    sign = f"[{re.escape(table['signs'])}]"

    def say(match: re.Match[str]) -> Reading:
        words = table["reading"].format(number=_say_number(match, language)[0])
        return add_suffix(words, match["suffix"], language), "percent"

    before = rf"{MINUS}{sign}[ \u00a0]?(?P<number>{number_pattern(language)}){suffix_pattern(language)}"
    after = rf"{_number(language)}[ \u00a0]?{sign}{suffix_pattern(language)}"
    return [ReadingRule(re.compile(before), say), ReadingRule(re.compile(after), say)]


def _measured(language: Language, section: str, rule: RuleName) -> list[ReadingRule]:
    """A number followed by a sign of `section`; a currency sign may also precede it."""
    table = language.table(section)

    def say(match: re.Match[str]) -> Reading:
        words = f"{_say_number(match, language)[0]} {table[match['sign']]}"
        return add_suffix(words, match["suffix"], language), rule

    number, suffix = _number(language), suffix_pattern(language)
    found = [
        rf"{number}[ \u00a0]?(?P<sign>{alternatives(table)})(?![\w²³]){suffix}",
        rf"{number}[ \u00a0]?(?P<sign>{alternatives(table)}){suffix}(?!\w)",  # with an attached suffix: 5 kmyan
    ]
    if section == "currency":
        sign = rf"(?<!\w)(?P<sign>{alternatives(table)})"
        found.append(rf"{MINUS}{sign}[ \u00a0]?(?P<number>{number_pattern(language)}){suffix}")
    return [ReadingRule(re.compile(pattern), say) for pattern in found]


def currency(language: Language) -> list[ReadingRule]:
    return _measured(language, "currency", "currency")


def units(language: Language) -> list[ReadingRule]:
    return _measured(language, "units", "unit")


def fractions(language: Language) -> list[ReadingRule]:
    table, joiner = language.table("fractions"), language.table("numbers")["joiner"]

    def part(count: int, whole: int) -> str | None:
        if not 0 < count < whole <= 100:
            return None  # 24/7 is not a fraction
        if whole == 2:
            return table["half"]
        if whole == 4 and count != 2:
            return table["quarter"] if count == 1 else f"{spell(count, language)} {table['quarter']}"
        named = add_suffix(spell(whole, language), table["whole_suffix"], language)
        return table["part"].format(whole=named, count=spell(count, language))

    def say(match: re.Match[str]) -> Reading | None:
        written = FRACTIONS.get(match["one"] or "") or match["part"]
        count, whole = map(int, written.split("/"))
        words = part(count, whole)
        if words is None:
            return None
        if match["whole"]:
            words = spell(int(match["whole"]), language) + joiner + words
        if match["minus"]:
            words = f"{language.table('numbers')['minus']} {words}"
        if match["sign"]:
            words = f"{words} {signs[match['sign']]}"
        return add_suffix(words, match["suffix"], language), "fraction"

    signs, ones = {**language.table("units"), **language.table("currency")}, "".join(FRACTIONS)
    pattern = (
        rf"{MINUS}(?<![\d/.,])(?:(?P<whole>\d{{1,3}})(?: (?=\d+/)| ?(?=[{ones}])))?"
        rf"(?:(?P<part>\d{{1,3}}/\d{{1,3}})|(?P<one>[{ones}]))(?![\d/])"
        rf"(?:[ \u00a0]?(?P<sign>{alternatives(signs)})(?!\w))?{suffix_pattern(language)}"
    )
    return [ReadingRule(re.compile(pattern), say, needs_digit=False)]


def roman(language: Language) -> list[ReadingRule]:
    table, ordinal = language.table("roman"), language.table("suffixes").get("ordinal", "")
    numeral = r"(?P<numeral>[IVXLC]+)"

    def say(default: str, match: re.Match[str]) -> Reading | None:
        number = roman_number(match["numeral"])
        if number is None:
            return None
        return add_suffix(spell(number, language), match["suffix"] or default, language), "Roman numeral"

    suffix = suffix_pattern(language)
    found = []
    for words, default in (
        (table.get("centuries", []), table.get("century_suffix", "")),
        (table.get("rulers", []), ordinal),
    ):
        if words:
            pattern = rf"{_after(words)}{numeral}{suffix}(?!\w)"
            found.append(ReadingRule(re.compile(pattern), partial(say, default), needs_digit=False))
    return found


def roman_number(numeral: str) -> int | None:
    """The value of a well-formed Roman numeral below 400, None for any other sequence of letters."""
    form = re.fullmatch(r"(C{0,3})(XC|XL|L?X{0,3})(IX|IV|V?I{0,3})", numeral)
    if not form or not numeral:
        return None
    values = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}
    total = 0
    for letter, following in zip(numeral, [*numeral[1:], ""], strict=True):
        value = values[letter]
        total += -value if following and values[following] > value else value
    return total


def numbers(language: Language) -> list[ReadingRule]:
    number, suffix = number_pattern(language), suffix_pattern(language)

    def between(match: re.Match[str]) -> Reading:
        words = f"{read(match['first'], language)[0]} {read(match['second'], language)[0]}"
        return add_suffix(words, match["suffix"], language), "range"

    def plain(match: re.Match[str]) -> Reading:
        words, rule = _say_number(match, language)
        return add_suffix(words, match["suffix"], language), rule

    def ordinal(match: re.Match[str]) -> Reading:
        ending = language.table("suffixes")["ordinal"]
        return add_suffix(read(match["number"], language)[0], ending, language), "ordinal"

    range_of = rf"(?<![-–—])(?P<first>{number})[-–—](?P<second>{number})(?![-–—]){suffix}"
    found = [ReadingRule(re.compile(range_of), between)]
    if language.table("suffixes").get("ordinal"):
        found.append(ReadingRule(re.compile(ordinal_pattern(language)), ordinal))
    return [*found, ReadingRule(re.compile(_number(language) + suffix), plain)]


def ordinal_pattern(language: Language) -> str:
    """`5.` in the middle of a sentence: a lowercase letter follows."""
    return rf"(?<![\w.,])(?P<number>[0-9]{{1,4}})\.(?=\s[{language.alphabet}])"
