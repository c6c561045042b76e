"""What is written otherwise than it is said: numbers, units, abbreviations. Each rule is a pattern and a few lines."""

import datetime
import re
from collections.abc import Callable
from functools import cache, partial
from typing import NamedTuple

from kurdtts_lib.errors import TextError
from kurdtts_lib.text.language import Language, alternatives
from kurdtts_lib.text.numbers import add_suffix, digits, number_pattern, read, spell

Reading = tuple[str, str]
"""What is said, and the name of the rule."""
FRACTIONS = {"½": "1/2", "¼": "1/4", "¾": "3/4", "⅓": "1/3", "⅔": "2/3"}

MINUS = r"(?P<minus>(?<![\w.,)\]-])[-−])?"
"""A hyphen that stands before a number and after no other word."""


class Rule(NamedTuple):
    """Where a rule applies, and what it reads there; None leaves the place to the rules after it."""

    pattern: re.Pattern[str]
    read: Callable[[re.Match[str]], Reading | None]
    needs_digit: bool = True


@cache
def rules(language: Language) -> tuple[Rule, ...]:
    """The rules of `language`, the more special ones first. A section that its table leaves out gives no rule."""
    made = (
        (("dates", "numbers"), _dates),
        (("times", "numbers"), _times),
        (("numbers",), _phone_numbers),
        (("percent", "numbers"), _percent),
        (("currency", "numbers"), _currency),
        (("fractions", "numbers"), _fractions),
        (("units", "numbers"), _units),
        (("roman", "numbers"), _roman),
        (("numbers",), _numbers),
        (("symbols",), _symbols),
        (("abbreviations",), _abbreviations),
        (("titles",), _titles),
        (("names",), _initials),
        (("names",), _acronyms),
    )
    return tuple(rule for needed, make in made if all(map(language.table, needed)) for rule in make(language))


def _suffix(language: Language) -> str:
    table = language.table("suffixes")
    glide = f"{table['glide']}?" if table.get("glide") else ""
    return rf"(?:(?:'?(?P<suffix>{glide}(?:{alternatives(table.get('endings', []))})))(?!\w))?"


def _dates(language: Language) -> list[Rule]:
    table = language.table("dates")
    suffix = _suffix(language)

    def say(match: re.Match[str]) -> Reading:
        day, month, year = int(match["day"]), int(match["month"]), int(match["year"])
        try:
            datetime.date(year, month, day)
        except ValueError as error:
            message = f"There is no reading for {match.group()!r}: no such day ({error}). Correct it, or use words."
            raise TextError(message, "date that does not exist", match.group()) from error
        spoken_day = add_suffix(spell(day, language), table["day"], language)
        spoken_year = add_suffix(spell(year, language), match["suffix"] or table["year"], language)
        return f"{spoken_day} {table['months'][month - 1]} {spoken_year}", "date"

    day_first = (
        rf"(?<![\d.,])(?P<day>\d{{1,2}})(?P<sign>[./-])(?P<month>\d{{1,2}})(?P=sign)(?P<year>\d{{4}})(?![\d]){suffix}"
    )
    year_first = rf"(?<!\d)(?P<year>\d{{4}})-(?P<month>\d\d)-(?P<day>\d\d)(?!\d){suffix}"
    return [Rule(re.compile(day_first), say), Rule(re.compile(year_first), say)]


def _times(language: Language) -> list[Rule]:
    half, joiner = language.table("times")["half"], language.table("numbers")["joiner"]

    def say(match: re.Match[str]) -> Reading:
        hour, minute = int(match["hour"]), int(match["minute"])
        words = spell(hour, language)
        if minute:
            words += joiner + (half if minute == 30 else spell(minute, language))
        return add_suffix(words, match["suffix"] or "", language), "time"

    clock = rf"(?<![\d:])(?P<hour>[01]?\d|2[0-4]):(?P<minute>[0-5]\d)(?![\d:]){_suffix(language)}"
    return [Rule(re.compile(clock), say)]


def _phone_numbers(language: Language) -> list[Rule]:
    def say(match: re.Match[str]) -> Reading:
        return digits(match.group(), language), "phone number"

    international = r"(?<!\w)\+\d(?:[ ()-]{0,2}\d){6,14}(?!\d)"
    national = r"(?<![\w.,])0\d{2,4}(?:[ -]\d{2,4}){2,4}(?![\d.,])"
    return [Rule(re.compile(international), say), Rule(re.compile(national), say)]


def _number(language: Language) -> str:
    return rf"{MINUS}(?P<number>{number_pattern(language)})"


def _say_number(match: re.Match[str], language: Language) -> Reading:
    """The words of a number that `_number` found, and its rule."""
    words, rule = read(match["number"], language)
    return (f"{language.table('numbers')['minus']} {words}", "negative number") if match["minus"] else (words, rule)


def _percent(language: Language) -> list[Rule]:
    table = language.table("percent")
    sign = f"[{re.escape(table['signs'])}]"

    def say(match: re.Match[str]) -> Reading:
        words = table["reading"].format(number=_say_number(match, language)[0])
        return add_suffix(words, match["suffix"] or "", language), "percent"

    before = rf"{sign}[ \u00a0]?{_number(language)}{_suffix(language)}"
    after = rf"{_number(language)}[ \u00a0]?{sign}{_suffix(language)}"
    return [Rule(re.compile(before), say), Rule(re.compile(after), say)]


def _measured(language: Language, section: str, rule: str) -> list[Rule]:
    """A number with a sign of `section` after it; signs that are no letters may stand before it too."""
    table = language.table(section)

    def say(match: re.Match[str]) -> Reading:
        words = f"{_say_number(match, language)[0]} {table[match['sign']]}"
        return add_suffix(words, match["suffix"] or "", language), rule

    number, suffix = rf"{_number(language)}", _suffix(language)
    found = [
        rf"{number}[ \u00a0]?(?P<sign>{alternatives(table)})(?![\w²³]){suffix}",
        rf"{number}[ \u00a0]?(?P<sign>{alternatives(table)}){suffix}(?!\w)",  # a suffix written on it: 5 kmyan
    ]
    if section == "currency":
        found.append(rf"(?<!\w)(?P<sign>{alternatives(table)})[ \u00a0]?{number}{suffix}")
    return [Rule(re.compile(pattern), say) for pattern in found]


def _currency(language: Language) -> list[Rule]:
    return _measured(language, "currency", "currency")


def _units(language: Language) -> list[Rule]:
    return _measured(language, "units", "unit")


def _fractions(language: Language) -> list[Rule]:
    table, joiner = language.table("fractions"), language.table("numbers")["joiner"]

    def part(count: int, whole: int) -> str | None:
        if not 0 < count < whole <= 100:
            return None  # 24/7 is no part of something
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
        return add_suffix(words, match["suffix"] or "", language), "fraction"

    signs, ones = {**language.table("units"), **language.table("currency")}, "".join(FRACTIONS)
    pattern = (
        rf"{MINUS}(?<![\d/.,])(?:(?P<whole>\d{{1,3}})(?: (?=\d+/)|(?=[{ones}])))?"
        rf"(?:(?P<part>\d{{1,3}}/\d{{1,3}})|(?P<one>[{ones}]))(?![\d/])"
        rf"(?:[ \u00a0]?(?P<sign>{alternatives(signs)})(?!\w))?{_suffix(language)}"
    )
    return [Rule(re.compile(pattern), say, needs_digit=False)]


def _roman(language: Language) -> list[Rule]:
    table, ordinal = language.table("roman"), language.table("suffixes").get("ordinal", "")
    numeral = r"(?P<numeral>[IVXLC]+)"

    def say(default: str, match: re.Match[str]) -> Reading | None:
        number = roman_number(match["numeral"])
        if number is None:
            return None
        return add_suffix(spell(number, language), match["suffix"] or default, language), "Roman numeral"

    # What stands before is kept: only the numeral is read. Python's look-behind wants one length, so each word has one.
    def after(words: list[str]) -> str:
        written = dict.fromkeys(form for word in words for form in (word, word[0].upper() + word[1:]))
        return "(?:" + "|".join(rf"(?<=(?<!\w){re.escape(word)} )" for word in written) + ")"

    suffix = _suffix(language)
    found = []
    for words, default in ((table.get("centuries", []), ""), (table.get("rulers", []), ordinal)):
        if words:
            pattern = rf"{after(words)}{numeral}{suffix}(?!\w)"
            found.append(Rule(re.compile(pattern), partial(say, default), needs_digit=False))
    return found


def roman_number(numeral: str) -> int | None:
    """The value of a well-formed Roman numeral below 400, None for another row of letters."""
    form = re.fullmatch(r"(C{0,3})(XC|XL|L?X{0,3})(IX|IV|V?I{0,3})", numeral)
    if not form or not numeral:
        return None
    values = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}
    total = 0
    for letter, following in zip(numeral, [*numeral[1:], ""], strict=True):
        value = values[letter]
        total += -value if following and values[following] > value else value
    return total


def _numbers(language: Language) -> list[Rule]:
    number, suffix = number_pattern(language), _suffix(language)

    def between(match: re.Match[str]) -> Reading:
        words = f"{read(match['first'], language)[0]} {read(match['second'], language)[0]}"
        return add_suffix(words, match["suffix"] or "", language), "range"

    def plain(match: re.Match[str]) -> Reading:
        words, rule = _say_number(match, language)
        return add_suffix(words, match["suffix"] or "", language), rule

    range_of = rf"(?<![-–—])(?P<first>{number})[-–—](?P<second>{number})(?![-–—]){suffix}"
    return [Rule(re.compile(range_of), between), Rule(re.compile(_number(language) + suffix), plain)]


def _symbols(language: Language) -> list[Rule]:
    table = language.table("symbols")

    def say(match: re.Match[str]) -> Reading:
        return table[match.group()], "symbol"

    return [Rule(re.compile(alternatives(table)), say, needs_digit=False)]


def _abbreviations(language: Language) -> list[Rule]:
    table = language.table("abbreviations")

    def say(match: re.Match[str]) -> Reading:
        return table[match.group()], "abbreviation"

    return [Rule(re.compile(rf"(?<!\w)(?:{alternatives(table)})"), say, needs_digit=False)]


def _titles(language: Language) -> list[Rule]:
    table = language.table("titles")

    def say(match: re.Match[str]) -> Reading:
        return table[match.group()], "abbreviation"

    before_name = rf"(?<!\w)(?:{alternatives(table)})(?=\s?[{language.capitals}])"
    return [Rule(re.compile(before_name), say, needs_digit=False)]


def initials_pattern(language: Language) -> str:
    """`A.` before more text, or several: `T.D.`"""
    capital = f"[{language.capitals}]"
    return rf"(?<!\w)(?<!\w[.'])(?:(?:{capital}\.){{2,}}|{capital}\.(?=\s*\w))"


def _initials(language: Language) -> list[Rule]:
    names = language.table("names")

    def say(match: re.Match[str]) -> Reading:
        return " ".join(names[letter] for letter in language.lower(match.group()) if letter in names), "initial"

    return [Rule(re.compile(initials_pattern(language)), say, needs_digit=False)]


def _acronyms(language: Language) -> list[Rule]:
    names = language.table("names")
    spelled = set(language.table("acronyms").get("spelled", ()))
    vowels = set(language.vowels.upper())

    def say(match: re.Match[str]) -> Reading | None:
        word = match["word"]
        if word in spelled or not vowels & set(word):
            letters = " ".join(names[letter] for letter in language.lower(word))
            return add_suffix(letters, match["suffix"] or "", language), "acronym"
        if match.string.isupper():
            return None  # a title in capitals: ordinary words
        return language.lower(match.group()), "acronym"

    def beside_digits(match: re.Match[str]) -> Reading:
        return " ".join(names[letter] for letter in language.lower(match.group())), "acronym"

    capital = f"[{language.capitals}]"
    word = rf"(?<![\w'])(?P<word>{capital}{{2,}}){_suffix(language)}(?!\w)"
    mixed = rf"(?<!\w){capital}{{1,3}}(?=-?[0-9])|(?<=[0-9]){capital}{{1,2}}(?!\w)"  # B12, 5G
    return [Rule(re.compile(word), say, needs_digit=False), Rule(re.compile(mixed), beside_digits)]
