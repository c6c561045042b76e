"""Reading rules. Each is a few lines and the patterns that it reads; the words are in the reading table."""

import datetime
import re
from collections.abc import Callable

from kurdtts_lib.core.errors import TextError, TextReason
from kurdtts_lib.text.language import CAPITALS, CONSONANTS, LETTERS, TABLE, VOWELS, alternatives, lower
from kurdtts_lib.text.numbers import NUMBER, add_suffix, digits, read, spell
from kurdtts_lib.text.table_checks import RuleName

Reading = tuple[str, RuleName]
"""The spoken words, and the name of the rule."""
Reader = Callable[[re.Match[str]], Reading | None]
"""None leaves the match to the rules after it."""

FRACTIONS = {"½": "1/2", "¼": "1/4", "¾": "3/4", "⅓": "1/3", "⅔": "2/3"}
MINUS = r"(?P<minus>(?<![\w.,)\]-])[-−])?"
"""A minus sign or hyphen before a number that does not follow a word or a number."""
SIGNED_NUMBER = rf"{MINUS}(?P<number>{NUMBER})"
_ENDING = rf"(?:{TABLE['suffixes']['glide']})?(?:{alternatives(TABLE['suffixes']['endings'])})"
SUFFIX = rf"(?:(?:['-]?(?P<suffix>{_ENDING}))(?!\w))?"
ORDINAL = rf"(?<![\w.,])(?P<number>[0-9]{{1,4}})\.(?=\s[{LETTERS}])"
"""`5.` in the middle of a sentence: a lowercase letter follows."""
INITIALS = rf"(?<!\w)(?<!\w[.'])(?:(?:[{CAPITALS}]\.){{2,}}|[{CAPITALS}]\.(?=\s*\w))"
"""An initial before more text (`A.`), or several (`T.D.`)."""
VOWELLESS = re.compile(rf"(?<![\w'])[{CONSONANTS}]{{2,}}(?![\w'])")
"""A word of two consonants or more, which cannot be pronounced."""
RULES: list[tuple[re.Pattern[str], Reader, bool]] = []
"""Where a rule applies, how it reads a match, and whether it needs a digit. The more specific ones first."""


def _reads(*patterns: str, needs_digit: bool = True) -> Callable[[Reader], Reader]:
    """Make a function the rule that reads each match of `patterns`."""

    def append(reader: Reader) -> Reader:
        RULES.extend((re.compile(pattern), reader, needs_digit) for pattern in patterns)
        return reader

    return append


def _after(words: list[str]) -> str:
    """A look-behind for one of `words`, in lowercase or capitalised: the word itself is not part of the match."""
    # Python's look-behind needs a fixed length, so each word has one of its own.
    written = dict.fromkeys(form for word in words for form in (word, word[0].upper() + word[1:]))
    return "|".join(["(?:(?!)", *(rf"(?<=(?<!\w){re.escape(word)} )" for word in written)]) + ")"


@_reads(
    rf"(?<![\d.,])(?P<day>\d{{1,2}})(?P<sign>[./-])(?P<month>\d{{1,2}})(?P=sign)(?P<year>\d{{4}})(?![\d]){SUFFIX}",
    rf"(?<!\d)(?P<year>\d{{4}})-(?P<month>\d\d)-(?P<day>\d\d)(?!\d){SUFFIX}",
)
def _date(match: re.Match[str]) -> Reading:
    day, month, year = int(match["day"]), int(match["month"]), int(match["year"])
    try:
        datetime.date(year, month, day)
    except ValueError as error:
        message = f"There is no reading for {match.group()!r}: no such day ({error}). Correct it, or use words."
        raise TextError(message, TextReason.DATE, match.group()) from error
    table = TABLE["dates"]
    spoken_year = add_suffix(spell(year), match["suffix"] or table["year"])
    return f"{add_suffix(spell(day), table['day'])} {table['months'][month - 1]} {spoken_year}", "date"


HOUR, MINUTE = r"(?P<hour>[01]?\d|2[0-4])", rf"(?P<minute>[0-5]\d)(?![\d:]){SUFFIX}"


@_reads(
    rf"(?<![\d:]){HOUR}:{MINUTE}",
    rf"{_after(TABLE['times']['words'])}{HOUR}\.{MINUTE}",  # 9.30 is a number, but saet 9.30 is a time
)
def _time(match: re.Match[str]) -> Reading:
    words, minute = spell(int(match["hour"])), int(match["minute"])
    if minute:
        words += TABLE["numbers"]["joiner"] + (TABLE["times"]["half"] if minute == 30 else spell(minute))
    return add_suffix(words, match["suffix"]), "time"


@_reads(
    r"(?<!\w)\+\d(?:[ ()-]{0,2}\d){6,14}(?!\d)",  # international
    r"(?<![\w.,])0\d{2,4}(?:[ -]\d{2,4}){2,4}(?![\d.,])",
)
def _phone_number(match: re.Match[str]) -> Reading:
    return digits(match.group()), "phone number"


def _signed(match: re.Match[str]) -> Reading:
    """The words of a number that `SIGNED_NUMBER` matched, and its rule."""
    words, rule = read(match["number"])
    return (f"{TABLE['numbers']['minus']} {words}", "negative number") if match["minus"] else (words, rule)


PERCENT = f"[{re.escape(TABLE['percent']['signs'])}]"


@_reads(rf"{MINUS}{PERCENT}[ \u00a0]?(?P<number>{NUMBER}){SUFFIX}", rf"{SIGNED_NUMBER}[ \u00a0]?{PERCENT}{SUFFIX}")
def _percent(match: re.Match[str]) -> Reading:
    return add_suffix(TABLE["percent"]["reading"].format(number=_signed(match)[0]), match["suffix"]), "percent"


MEASURES = {**TABLE["units"], **TABLE["currency"]}
ONES = "".join(FRACTIONS)


@_reads(
    rf"{MINUS}(?<![\d/.,])(?:(?P<whole>\d{{1,3}})(?: (?=\d+/)| ?(?=[{ONES}])))?"
    rf"(?:(?P<part>\d{{1,3}}/\d{{1,3}})|(?P<one>[{ONES}]))(?![\d/])"
    rf"(?:[ \u00a0]?(?P<sign>{alternatives(MEASURES)})(?!\w))?{SUFFIX}",
    needs_digit=False,
)
def _fraction(match: re.Match[str]) -> Reading | None:
    written = FRACTIONS.get(match["one"] or "") or match["part"]
    words = _part(*map(int, written.split("/")))
    if words is None:
        return None
    if match["whole"]:
        words = spell(int(match["whole"])) + TABLE["numbers"]["joiner"] + words
    if match["minus"]:
        words = f"{TABLE['numbers']['minus']} {words}"
    if match["sign"]:
        words = f"{words} {MEASURES[match['sign']]}"
    return add_suffix(words, match["suffix"]), "fraction"


def _part(count: int, whole: int) -> str | None:
    table = TABLE["fractions"]
    if not 0 < count < whole <= 100:
        return None  # 24/7 is not a fraction
    if whole == 2:
        return table["half"]
    if whole == 4 and count != 2:
        return table["quarter"] if count == 1 else f"{spell(count)} {table['quarter']}"
    return table["part"].format(whole=add_suffix(spell(whole), table["whole_suffix"]), count=spell(count))


CURRENCY = alternatives(TABLE["currency"])
MONEY_FIRST = rf"{MINUS}(?<!\w)(?P<sign>{CURRENCY})[ \u00a0]?(?P<number>{NUMBER}){SUFFIX}"


def _measured(signs: str) -> tuple[str, str]:
    """Patterns for a number before one of `signs`: alone, or with a suffix attached (5 kmyan)."""
    number = rf"{SIGNED_NUMBER}[ \u00a0]?(?P<sign>{signs})"
    return rf"{number}(?![\w²³]){SUFFIX}", rf"{number}{SUFFIX}(?!\w)"


@_reads(*_measured(CURRENCY), MONEY_FIRST, *_measured(alternatives(TABLE["units"])))
def _measure(match: re.Match[str]) -> Reading:
    words = f"{_signed(match)[0]} {MEASURES[match['sign']]}"
    return add_suffix(words, match["suffix"]), "currency" if match["sign"] in TABLE["currency"] else "unit"


@_reads(
    rf"(?:(?P<century>{_after(TABLE['roman']['centuries'])})|{_after(TABLE['roman']['rulers'])})"
    rf"(?P<numeral>[IVXLC]+){SUFFIX}(?!\w)",
    needs_digit=False,
)
def _roman(match: re.Match[str]) -> Reading | None:
    number = roman_number(match["numeral"])
    ending = TABLE["suffixes"]["ordinal"] if match["century"] is None else TABLE["roman"]["century_suffix"]
    return (add_suffix(spell(number), match["suffix"] or ending), "Roman numeral") if number else None


def roman_number(numeral: str) -> int | None:
    """The value of a well-formed Roman numeral below 400, None for any other sequence of letters."""
    if not numeral or not re.fullmatch(r"(C{0,3})(XC|XL|L?X{0,3})(IX|IV|V?I{0,3})", numeral):
        return None
    values = [{"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}[letter] for letter in numeral]
    return sum(
        -value if value < following else value for value, following in zip(values, [*values[1:], 0], strict=True)
    )


@_reads(rf"(?<![-–—])(?P<first>{NUMBER})[-–—](?P<second>{NUMBER})(?![-–—]){SUFFIX}")
def _range(match: re.Match[str]) -> Reading:
    return add_suffix(f"{read(match['first'])[0]} {read(match['second'])[0]}", match["suffix"]), "range"


@_reads(ORDINAL)
def _ordinal(match: re.Match[str]) -> Reading:
    return add_suffix(read(match["number"])[0], TABLE["suffixes"]["ordinal"]), "ordinal"


@_reads(SIGNED_NUMBER + SUFFIX)
def _number(match: re.Match[str]) -> Reading:
    words, rule = _signed(match)
    return add_suffix(words, match["suffix"]), rule


@_reads(alternatives(TABLE["symbols"]), needs_digit=False)
def _symbol(match: re.Match[str]) -> Reading:
    return TABLE["symbols"][match.group()], "symbol"


ABBREVIATIONS = TABLE["abbreviations"] | TABLE["titles"]


@_reads(
    rf"(?<!\w)(?:{alternatives(TABLE['abbreviations'])})",
    rf"(?<!\w)(?:{alternatives(TABLE['titles'])})(?=\s?[{CAPITALS}])",
    needs_digit=False,
)
def _abbreviation(match: re.Match[str]) -> Reading:
    return ABBREVIATIONS[match.group()], "abbreviation"


def _by_letters(word: str) -> str:
    return " ".join(TABLE["names"][letter] for letter in lower(word) if letter in TABLE["names"])


@_reads(INITIALS, needs_digit=False)
def _initial(match: re.Match[str]) -> Reading:
    return _by_letters(match.group()), "initial"


@_reads(rf"(?<![\w'])(?P<word>[{CAPITALS}]{{2,}}){SUFFIX}(?!\w)", needs_digit=False)
def _acronym(match: re.Match[str]) -> Reading | None:
    word = match["word"]
    if word in TABLE["acronyms"]["spelled"] or not set(VOWELS.upper()) & set(word):
        return add_suffix(_by_letters(word), match["suffix"]), "acronym"
    if match.string.isupper():
        return None  # a headline in capitals: ordinary words
    return lower(match.group()), "acronym"


@_reads(VOWELLESS.pattern, needs_digit=False)
@_reads(rf"(?<!\w)[{CAPITALS}]{{1,3}}(?=-?[0-9])|(?<=[0-9])[{CAPITALS}]{{1,2}}(?!\w)")  # B12, 5G; first of the two
def _letters(match: re.Match[str]) -> Reading:
    return _by_letters(match.group()), "acronym"
