"""Reading rules of numbers and signs; `short_forms` has those of words. The words are in the reading table."""

import datetime
import re
import unicodedata
from collections.abc import Callable

from kurdtts_lib.core.errors import TextError, TextReason
from kurdtts_lib.text.language import CAPITALS, LETTERS, TABLE, alternatives, lower
from kurdtts_lib.text.numbers import NUMBER, QUANTITY, RANGE, add_suffix, digits, quantity, read, spell
from kurdtts_lib.text.table_checks import RuleName

Reading = tuple[str, RuleName]
"""The spoken words, and the name of the rule."""
Reader = Callable[[re.Match[str]], Reading | None]
"""None leaves the match to the rules after it."""


class Doubt(TextError):
    """A text with no certain reading. `instead`: what reading aloud says; empty leaves it to the rules after it."""

    def __init__(self, message: str, reason: TextReason, characters: str = "", instead: str = "") -> None:
        super().__init__(message, reason, characters)
        self.instead = instead


FRACTIONS = {"½": "1/2", "¼": "1/4", "¾": "3/4", "⅓": "1/3", "⅔": "2/3"}
MINUS = r"(?P<minus>(?<![\w.,)\]°%€$-])(?:[-−]|–(?=[0-9.,]{1,6}[ \u00a0]?°)))?"
"""A minus sign or hyphen before a number that does not follow a word or a number; a dash before degrees."""
SIGNED_QUANTITY = rf"{MINUS}(?P<number>{QUANTITY})"
ENDING = rf"(?:{TABLE['suffixes']['glide']})?(?:{alternatives(TABLE['suffixes']['endings'])})"
SUFFIX = rf"(?:(?:['-]?(?P<suffix>{ENDING}|(?!A\b)(?i:{ENDING})))(?!\w))?"
"""In capitals, too; but 12A is no ending."""
NEEDS = {
    "digit": re.compile(f"[0-9{''.join(FRACTIONS)}]"),
    "sign": re.compile(r"[^\w\s.,!?'-]|[²³]|[^\x00-\u036f]"),
    "capital": re.compile(f"[{CAPITALS}]{{2}}|[{CAPITALS}](?![{LETTERS}])"),
}
"""Without a match of this a rule is not tried."""
RULES: list[tuple[re.Pattern[str], Reader, str]] = []
"""Where a rule applies, how it reads a match, and its key in `NEEDS`, if any. The more specific ones first."""


def reads(*patterns: str, needs: str = "digit") -> Callable[[Reader], Reader]:
    """Make a function the rule that reads each match of `patterns`. Raises `Doubt` if there is no certain reading."""

    def append(reader: Reader) -> Reader:
        RULES.extend((re.compile(pattern), reader, needs) for pattern in patterns)
        return reader

    return append


def before(match: re.Match[str], length: int = 40) -> str:
    """The text before a match, at most `length` characters of it."""
    return match.string[max(0, match.start() - length) : match.start()]


def after(words: list[str]) -> str:
    """A look-behind for one of `words`, in lowercase or capitalised: the word itself is not part of the match."""
    # Python's look-behind needs a fixed length, so each word has one of its own.
    written = dict.fromkeys(form for word in words for form in (word, word[0].upper() + word[1:]))
    return "|".join(["(?:(?!)", *(rf"(?<=(?<!\w){re.escape(word)} )" for word in written)]) + ")"


DATE = (
    r"(?<![\d.,])(?:(?P<first>\d{1,2})\.? ?[-–] ?)?(?P<day>\d{1,2})(?P<sign> ?/ ?|\. ?|-)(?P<month>\d{1,2})(?P=sign)"
    r"(?P<year>\d{4}|(?<=/)\d\d|(?<=\d\d\.\d\d\.)\d\d)(?![\d])"
)


@reads(DATE + SUFFIX, rf"(?<!\d)(?P<year>\d{{4}})-(?P<month>\d\d)-(?P<day>\d\d)(?!\d){SUFFIX}")
def _date(match: re.Match[str]) -> Reading:
    table, found = TABLE["dates"], match.groupdict()
    day, month, year = int(found["day"]), int(found["month"]), int(found["year"])
    if len(found["year"]) == 2:
        year += 2000 if year < table["pivot"] else 1900
    try:
        datetime.date(year, month, day)
    except ValueError as error:
        message = f"There is no reading for {match.group()!r}: no such day ({error}). Correct it, or use words."
        raise Doubt(message, TextReason.DATE, match.group()) from error
    days = " ".join(spell(int(one)) for one in (found.get("first"), day) if one is not None)
    spoken_year = add_suffix(spell(year), match["suffix"] or table["year"])
    return f"{add_suffix(days, table['day'])} {table['months'][month - 1]} {spoken_year}", "date"


HOUR, MINUTE = r"(?P<hour>[01]?\d|2[0-4])", rf"(?P<minute>[0-5]\d)(?![\d:]){SUFFIX}"


@reads(rf"(?<![\d:]){HOUR}:{MINUTE}")
def _time(match: re.Match[str]) -> Reading:
    words, minute = spell(int(match["hour"])), int(match["minute"])
    if minute:
        words += TABLE["numbers"]["joiner"] + (TABLE["times"]["half"] if minute == 30 else spell(minute))
    return add_suffix(words, match["suffix"]), "time"


@reads(
    r"(?<!\w)\+\d(?:[ ()-]{0,2}\d){6,14}(?!\d)",  # international
    r"(?<![\w.,])0\d{2,4}(?:[ -]\d{2,4}){2,4}(?![.,]?\d)",
)
def _phone_number(match: re.Match[str]) -> Reading:
    return digits(match.group()), "phone number"


def _signed(match: re.Match[str]) -> str:
    """The words of a quantity, with its sign."""
    words = quantity(match["number"])
    return f"{TABLE['numbers']['minus']} {words}" if match["minus"] else words


PERCENT = f"(?P<sign>{alternatives(TABLE['percent'])})"


@reads(
    rf"{MINUS}(?<!\d){PERCENT}(?:(?<!\d[ \u00a0].)[ \u00a0])?(?P<number>{QUANTITY}){SUFFIX}",  # not of 5% 10, 5 % 10
    rf"{SIGNED_QUANTITY}[ \u00a0]?{PERCENT}{SUFFIX}",
)
def _percent(match: re.Match[str]) -> Reading:
    words = TABLE["percent"][match["sign"]].format(number=_signed(match)).split(" ")
    said = lower(before(match, 12)).split()[-2:]  # ji %71, ji sedî %71: not twice
    repeated = next((count for count in (2, 1) if said[-count:] == words[:count]), 0)
    return add_suffix(" ".join(words[repeated:]), match["suffix"]), "percent"


UNITS = {
    **{
        form: word
        for unit, word in TABLE["units"].items()
        if len(unit) > 1
        for form in (unit.upper(), unit.capitalize())
    },
    **TABLE["units"],
}
"""With their forms in capitals: CM, Cm."""
UNIT = rf"(?:{alternatives(UNITS)})(?:[{''.join(TABLE['unit_powers'])}](?!\d))?"


def measure(sign: str) -> str:
    """A currency, or a unit with its power and the unit after its `/`, in words."""
    if sign in TABLE["currency"]:
        return TABLE["currency"][sign]
    unit, _, per = sign.partition("/")
    words = UNITS[unit] if unit in UNITS else f"{UNITS[unit[:-1]]} {TABLE['unit_powers'][unit[-1]]}"
    return f"{words} {per_unit(per)}" if per else words


def per_unit(sign: str) -> str:
    """The words for `/` and a unit after it."""
    table = TABLE["compounds"]
    return table["per"].format(unit=add_suffix(measure(sign), table["suffix"]))


CURRENCY = alternatives(TABLE["currency"])
ONES = "".join(FRACTIONS)


@reads(
    rf"{MINUS}(?<![\d/.,])(?:(?P<whole>\d{{1,3}})(?: (?=\d+/)| ?(?=[{ONES}])))?"
    rf"(?:(?P<part>\d{{1,3}}/\d{{1,3}})|(?P<one>[{ONES}]))(?![\d/])"
    rf"(?:[ \u00a0]?(?P<sign>{CURRENCY}|{UNIT})(?!\w))?{SUFFIX}"
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
        words = f"{words} {measure(match['sign'])}"
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


_MINUTES = r"[0-5]?\d(?:[.,]\d+)?"


@reads(
    rf"(?P<degree>{NUMBER})° ?(?:(?P<minute>{_MINUTES})' ?)?(?:(?P<second>{_MINUTES})(?:''|[\"”″]) ?)?"
    rf"(?P<direction>{alternatives(TABLE['directions'])})?(?!\w)"
)
def _degrees(match: re.Match[str]) -> Reading | None:
    if not (match["minute"] or match["direction"]):
        return None  # a temperature
    table = TABLE["degrees"]
    parts = [f"{read(match[name])[0]} {table[name]}" for name in ("degree", "minute", "second") if match[name]]
    direction = f" {TABLE['directions'][match['direction']]}" if match["direction"] else ""
    return TABLE["numbers"]["joiner"].join(parts) + direction, "degrees"


def _measured(signs: str) -> tuple[str, str]:
    """Patterns for a quantity before one of `signs`: alone, or with a suffix attached (5 kmyan)."""
    number = rf"{SIGNED_QUANTITY}[ \u00a0]?(?P<sign>{signs})"
    return rf"{number}(?![\w²³/]){SUFFIX}", rf"{number}{SUFFIX}(?![\w/])"


@reads(
    *_measured(CURRENCY),
    rf"{MINUS}(?<!\w)(?P<sign>{CURRENCY})[ \u00a0]?(?P<number>{QUANTITY}){SUFFIX}",
    *_measured(f"{UNIT}(?:/{UNIT})?"),
)
def _measure(match: re.Match[str]) -> Reading | None:
    if match["sign"] == TABLE["times"]["minute"] and re.fullmatch(r"\d{4}", match["number"]):
        return None  # di 2014 min ew dît: a year, and "I"
    words = f"{_signed(match)} {measure(match['sign'])}"
    return add_suffix(words, match["suffix"]), "currency" if match["sign"] in TABLE["currency"] else "unit"


_LINKS = ["-", "–", " - ", " – ", *(f" {word} " for word in TABLE["times"]["until"])]
_SECOND = "|".join(rf"(?<=\.[0-5]\d{link})" for link in _LINKS)
reads(  # 9.30 is a number, but saet 9.30, 08.30 and 9.30-11.30 are times; 05.03 may be a day
    rf"{after(TABLE['times']['words'])}{HOUR}\.{MINUTE}",
    rf"(?<![\d.,:])(?=0\d\.(?:00|1[3-9]|[2-5])){HOUR}\.{MINUTE}(?!\.\d)",
    rf"(?<![\d.,:]){HOUR}\.{MINUTE}(?=(?:{alternatives(_LINKS)})(?:[01]?\d|2[0-4])\.[0-5]\d(?![.,]?\d))",
    rf"(?:{_SECOND}){HOUR}\.{MINUTE}(?![.,]\d)",
)(_time)


@reads(rf"(?P<number>{NUMBER})(?:″|(?<=[.,]\d)(?P<quote>\"|''))(?!\w)")
def _inches(match: re.Match[str]) -> Reading | None:
    if match["quote"] and match.string.count(match["quote"], 0, match.end()) % 2 == 0:
        return None  # it closes a quotation
    return f"{read(match['number'])[0]} {TABLE['degrees']['inch']}", "unit"


@reads(rf"/(?P<per>{UNIT})(?!\w)|(?<!\w)(?P<unit>(?:{UNIT})(?:/{UNIT})?)(?![\w/])", needs="sign")
def _unit_alone(match: re.Match[str]) -> Reading | None:
    unit = match["per"] or match["unit"]
    if unit.rstrip(".").isalpha() and (len(unit) == 1 or not match["per"]):
        return None  # a word, or read by its letters
    return (per_unit(unit) if match["per"] else measure(unit)), "unit"


@reads(r"(?<![\w.,])(?P<base>\d{1,2})(?:\^(?P<plain>-?\d{1,3})|(?P<raised>⁻?[⁰¹²³⁴⁵⁶⁷⁸⁹]{1,3}))(?!\w)")
def _power(match: re.Match[str]) -> Reading:
    power = match["plain"] or unicodedata.normalize("NFKC", match["raised"])
    minus = f"{TABLE['numbers']['minus']} " if power[0] in "-−" else ""
    words = f"{spell(int(match['base']))} {TABLE['degrees']['power']} {minus}{spell(int(power.strip('-−')))}"
    return words, "power"


@reads(
    rf"(?<=[0-9])(?P<space> ?)(?:{alternatives(TABLE['arithmetic']['equation'])})(?P=space)(?=[0-9.,]+ ?=)",
    rf"(?<=[0-9]) ?(?:{alternatives(TABLE['arithmetic']['between'])}) ?(?=[0-9])",
)
def _arithmetic(match: re.Match[str]) -> Reading:
    signs = TABLE["arithmetic"]["between"] | TABLE["arithmetic"]["equation"]
    return signs[match.group().strip()], "arithmetic"


@reads(rf"(?<![-–—]){RANGE}{SUFFIX}")
def _range(match: re.Match[str]) -> Reading:
    written = match.group().removesuffix(match["suffix"] or "").rstrip("'-")
    return add_suffix(quantity(written), match["suffix"]), "range"


ORDINAL = rf"(?<![\w.,])(?P<number>[0-9]{{1,4}})\.(?=\s[{LETTERS}])"
"""`5.` in the middle of a sentence: a lowercase letter follows, or a capital and `di`, `li` ... stand before it."""
ORDINAL_NAME = rf"{after(TABLE['ordinals']['after'])}(?P<number>[0-9]{{1,2}})\.(?=\s[{CAPITALS}])"


@reads(ORDINAL, ORDINAL_NAME)
def _ordinal(match: re.Match[str]) -> Reading:
    return add_suffix(read(match["number"])[0], TABLE["suffixes"]["ordinal"]), "ordinal"


@reads(rf"{MINUS}(?P<number>{NUMBER}){SUFFIX}")
def _number(match: re.Match[str]) -> Reading:
    rule = "negative number" if match["minus"] else read(match["number"])[1]
    return add_suffix(_signed(match), match["suffix"]), rule


SIGNS: dict[str, Reading] = {
    **{sign: (words, "symbol") for sign, words in TABLE["symbols"].items()},
    **{sign: (words, "currency") for sign, words in TABLE["currency"].items() if not sign.isalpha()},
}


@reads(alternatives(SIGNS), needs="sign")
def _sign(match: re.Match[str]) -> Reading:
    return SIGNS[match.group()]
